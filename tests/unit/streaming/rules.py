"""Rules for packages: Apple's HLS Authoring Specification, RFC 8216, and the on-demand profile of DASH, as a table of checks.

The playlists are read by the library m3u8, and the bytes by PyAV, not by our own code.
"""

from __future__ import annotations

import io
import math
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree as ET

import av
import m3u8

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from workers.context.work import Done

DASH = "{urn:mpeg:dash:schema:mpd:2011}"


class Part(NamedTuple):
    """A segment: its time (s), and its bytes with those of the initialization section."""

    start: float
    duration: float
    data: bytes


class Package:
    """The outputs of a job in a folder."""

    def __init__(self, done: Done) -> None:
        self.folder: Path = done.outputs[0].path.parent
        self.result = done.result
        self.names = [one.name for one in done.outputs]
        self.master = self.playlist("output.m3u8")

    def playlist(self, name: str) -> Any:
        return m3u8.loads((self.folder / name).read_text(), uri=f"{name}")

    @property
    def pictures(self) -> list[Any]:
        return [one for one in self.master.playlists if one.stream_info.resolution]

    @property
    def sounds(self) -> list[Any]:
        return [one for one in self.master.media if one.type == "AUDIO"]

    def parts(self, name: str) -> Iterator[Part]:
        """Yield the segments of a playlist."""
        at = 0.0
        for one in self.playlist(name).segments:
            size, offset = map(int, one.byterange.split("@"))
            length, start = map(int, one.init_section.byterange.split("@"))
            data = (self.folder / one.uri).read_bytes()
            assert offset + size <= len(data), f"{name}: beyond the end of the file"
            yield Part(at, one.duration, data[start : start + length] + data[offset : offset + size])
            at += one.duration

    def frames(self, name: str) -> list[bytes]:
        """Decode all frames of a file."""
        with av.open(str(self.folder / name)) as media:
            return [frame.to_ndarray().tobytes() for frame in media.decode(media.streams[0])]


def decoded(part: Part) -> list[Any]:
    with av.open(io.BytesIO(part.data)) as media:
        return list(media.decode(media.streams[0]))


def media_playlists_are_complete(package: Package) -> None:
    for name in [one for one in package.names if one.endswith(".m3u8") and one != "output.m3u8"]:
        text = (package.folder / name).read_text()
        for tag in ("#EXT-X-VERSION:7", "#EXT-X-PLAYLIST-TYPE:VOD", "#EXT-X-ENDLIST", "#EXT-X-TARGETDURATION:"):
            assert tag in text, (name, tag)
        playlist = package.playlist(name)
        for one in playlist.segments:
            assert math.floor(one.duration + 0.5) <= playlist.target_duration, name
    assert package.master.is_independent_segments
    assert "#EXT-X-VERSION:7" in (package.folder / "output.m3u8").read_text()


def target_durations_are_equal(package: Package) -> None:
    names = [one.uri for one in (*package.pictures, *package.sounds)]
    assert len({package.playlist(name).target_duration for name in names}) <= 1


def byte_ranges_cover_the_files(package: Package) -> None:
    for one in (*package.pictures, *package.sounds):
        playlist = package.playlist(one.uri)
        end = None
        for segment in playlist.segments:
            size, offset = map(int, segment.byterange.split("@"))
            assert end in (None, offset), one.uri
            end = offset + size
        assert end == (package.folder / playlist.segments[0].uri).stat().st_size
        init = int(playlist.segments[0].init_section.byterange.split("@")[0])
        data = (package.folder / playlist.segments[0].uri).read_bytes()
        assert data[init + 4 : init + 8] == b"sidx", "the initialization section ends before the index"


def segments_start_with_a_keyframe_and_decode_alone(package: Package) -> None:
    for one in package.pictures:
        name = package.playlist(one.uri).segments[0].uri
        whole, found = package.frames(name), []
        for part in package.parts(one.uri):
            frames = decoded(part)
            assert frames[0].key_frame, one.uri
            assert float(frames[0].pts * frames[0].time_base) == _close(part.start), one.uri
            found += [frame.to_ndarray().tobytes() for frame in frames]
        assert found == whole, f"{one.uri}: {len(found)} frames, {len(whole)} in the file"


def renditions_are_aligned(package: Package) -> None:
    lengths = [[part.duration for part in package.parts(one.uri)] for one in package.pictures]
    for one in lengths:
        assert one == [_close(duration) for duration in lengths[0]]


def keyframes_are_two_seconds_apart(package: Package) -> None:
    """At the first frame at or after every multiple of two seconds, in every rendition alike."""
    for one in package.pictures:
        with av.open(str(package.folder / package.playlist(one.uri).segments[0].uri)) as media:
            times = [(float(frame.pts * frame.time_base), frame.key_frame) for frame in media.decode(video=0)]
        wanted, number = [], -1
        for at, _ in times:
            if int(at / 2 + 0.001) > number:
                wanted.append(at)
                number = int(at / 2 + 0.001)
        assert [at for at, key in times if key] == wanted, one.uri


def bandwidths_are_those_of_the_bytes(package: Package) -> None:
    heard = [_rates(package, one.uri) for one in package.sounds]
    loudest, average_sound = max((peak for peak, _ in heard), default=0), max((average for _, average in heard), default=0)
    for one in package.pictures:
        peak, average = _rates(package, one.uri)
        assert one.stream_info.bandwidth >= (peak + loudest) * 0.999, one.uri
        assert one.stream_info.bandwidth <= (peak + loudest) * 1.001, one.uri
        assert abs(one.stream_info.average_bandwidth - average - average_sound) <= 0.01 * average + 10, one.uri


def variants_say_what_they_are(package: Package) -> None:
    for one in package.pictures:
        name = package.playlist(one.uri).segments[0].uri
        with av.open(str(package.folder / name)) as media:
            stream = media.streams.video[0]
            assert one.stream_info.resolution == (stream.width, stream.height)
            frames = len(list(media.decode(stream)))
        seconds = sum(part.duration for part in package.parts(one.uri))
        assert abs(one.stream_info.frame_rate - frames / seconds) < 0.01
        codecs = one.stream_info.codecs.split(",")
        assert codecs[0].split(".")[0] in ("avc1", "hvc1", "av01")
        assert codecs[1:] == (["mp4a.40.2"] if package.sounds else [])
        assert one.stream_info.closed_captions == "NONE"
        assert one.stream_info.video_range == "SDR"


def keyframe_playlists_hold_one_picture_a_range(package: Package) -> None:
    named = package.master.iframe_playlists
    assert len(named) == len(package.pictures)
    for one in named:
        assert package.playlist(one.uri).is_i_frames_only
        for part in package.parts(one.uri):
            frames = decoded(part)
            assert [frame.key_frame for frame in frames] == [True], one.uri


def sounds_start_together_and_one_is_the_default(package: Package) -> None:
    if package.sounds:
        assert Counter(one.default for one in package.sounds)["YES"] == 1
        assert len({one.name for one in package.sounds}) == len(package.sounds)
    lengths = [sum(part.duration for part in package.parts(one.uri)) for one in package.sounds]
    for one in lengths:
        assert one <= package.result["duration"] + 0.1


def the_manifest_names_the_same_bytes(package: Package) -> None:
    """The on-demand profile: one file a representation, whose index and initialization section are where it says."""
    root = ET.parse(package.folder / "output.mpd").getroot()
    assert root.get("profiles") == "urn:mpeg:dash:profile:isoff-on-demand:2011"
    shown = root.findall(f".//{DASH}SegmentBase/..")
    assert len(shown) == len(package.pictures) + len(package.sounds)
    for one in shown:
        data = (package.folder / (one.findtext(f"{DASH}BaseURL") or "")).read_bytes()
        base = one.find(f"{DASH}SegmentBase")
        first, last = map(int, base.get("indexRange").split("-"))
        assert data[first + 4 : first + 8] == b"sidx"
        assert int.from_bytes(data[first : first + 4], "big") == last - first + 1
        start, end = map(int, base.find(f"{DASH}Initialization").get("range").split("-"))
        assert (start, end) == (0, first - 1)
        assert one.get("codecs")
        assert int(one.get("bandwidth", 0)) > 0


def playlists_refer_to_outputs_only(package: Package) -> None:
    """By names, which the upload replaces: nothing absolute, nothing missing."""
    for name in [one for one in package.names if one.endswith(".m3u8")]:
        playlist = package.playlist(name)
        named = [one.uri for one in (*playlist.segments, *playlist.playlists, *playlist.media, *playlist.iframe_playlists)]
        assert set(named) <= set(package.names), name


RULES: list[Callable[[Package], None]] = [
    media_playlists_are_complete, target_durations_are_equal, byte_ranges_cover_the_files,
    segments_start_with_a_keyframe_and_decode_alone, renditions_are_aligned, keyframes_are_two_seconds_apart,
    bandwidths_are_those_of_the_bytes, variants_say_what_they_are, keyframe_playlists_hold_one_picture_a_range,
    sounds_start_together_and_one_is_the_default, the_manifest_names_the_same_bytes, playlists_refer_to_outputs_only,
]  # fmt: skip


def check(done: Done) -> Package:
    """Check all rules."""
    package = Package(done)
    for rule in RULES:
        rule(package)
    return package


def _rates(package: Package, name: str) -> tuple[float, float]:
    """Return the peak and the average bit rate of a playlist, as RFC 8216 defines them."""
    playlist = package.playlist(name)
    parts = [(one.duration, 8 * int(one.byterange.split("@")[0])) for one in playlist.segments]
    stretches = [parts[first:last] for first in range(len(parts)) for last in range(first + 1, len(parts) + 1)]
    sums = [(sum(seconds for seconds, _ in one), sum(bits for _, bits in one)) for one in stretches]
    target = playlist.target_duration
    average = sums[len(parts) - 1][1] / sums[len(parts) - 1][0]
    return max((bits / seconds for seconds, bits in sums if 0.5 * target <= seconds <= 1.5 * target), default=average), average


class _close:  # noqa: N801 - reads as a value
    """Equal within a millisecond."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int | float) and abs(other - self.value) < 0.001

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return f"about {self.value}"
