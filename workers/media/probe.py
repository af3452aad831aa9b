"""Describes a media file, in the sandbox, and which of its streams can be used.

`describe.py` reads the file in the sandbox. `tracks.py` chooses among the streams.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import msgspec

from chalicelib.errors import AttemptFailed, MediaRejected
from workers.media.formats import PIXELS_MAX, STILLS, Kind, kind_of
from workers.sandbox import isolated, sandbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PROBE_LIMITS = sandbox.Limits(seconds=30, memory_bytes=2 * sandbox.GIB, data_bytes=sandbox.GIB // 4, file_bytes=0)
STREAMS_MAX = 256
DURATION_MAX_SECONDS = 12 * 3600
FPS_MAX = 1000
FRAMES_MAX = DURATION_MAX_SECONDS * 120
CHANNELS_MAX = 64
SAMPLE_RATE_MAX = 768_000
UNREADABLE = 3
"""Exit code of `describe.py`: the file is not media."""
UNKNOWN = "unknown"
"""Its name for the codec of a stream without a decoder."""
UNDECODABLE, EMPTY = "cannot be decoded", "is empty"
"""Its names for problems of a stream with a known codec."""
CRASHED = (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGFPE, -signal.SIGILL, -signal.SIGXCPU)
WORDS = {"video": "picture", "audio": "sound"}


class Stream(msgspec.Struct, omit_defaults=True):
    """One stream."""

    kind: str
    codec: str
    index: int = 0
    """Its index among all streams."""
    start: float = 0
    """In s, relative to the start of the file."""
    duration: float = 0
    """In s; 0: unknown."""
    width: int = 0
    height: int = 0
    pixel_aspect: float = 1
    """The width of a pixel, relative to its height."""
    fps: float = 0
    frames: int = 0
    """As counted by the container; 0: unknown."""
    pixel_format: str = ""
    has_matrix: bool = True
    """Whether the file says which colour matrix its YUV pixels have. Players guess it from the size."""
    hdr: str = ""
    """`pq` or `hlg`; "": standard dynamic range."""
    field_order: str = ""
    """`progressive`, or the field shown first: `top` or `bottom`; "": unknown."""
    sample_rate: int = 0
    channels: int = 0
    layout: str = ""
    """The channel layout, in ffmpeg's names; "": unknown."""
    language: str = ""
    """ISO 639-2, three letters; "": unknown."""
    attached: bool = False
    """A cover picture."""
    default: bool = False
    """The default of players."""
    commentary: bool = False
    impaired: bool = False
    """For the hearing or visually impaired."""
    problem: str = ""
    """Why the stream cannot be used, such as `is empty`; "": it can."""

    @property
    def copyable(self) -> bool:
        """Whether its packets can be copied. That needs no decoder, but a codec that the container can name."""
        return self.problem in ("", UNDECODABLE, EMPTY)

    @property
    def pixels(self) -> int:
        """Pixels per frame."""
        return self.width * self.height


class Media(msgspec.Struct):
    """The description of a file. `duration` is in s, `bitrate` in bit/s; 0: unknown."""

    container: str
    duration: float
    bitrate: int
    bytes: int
    streams: list[Stream]
    """Video and audio streams."""
    stream_count: int = 0
    """All streams."""
    tags: dict[str, str] = {}
    data_streams: list[str] = []
    """The codec, or the kind, of each stream that is neither video nor audio."""
    promises: bool = False
    """Whether the container states its duration at the start or in an index."""
    cut: bool = False
    """Whether the index names bytes beyond the end of the file."""
    orientation: int = 1
    """EXIF orientation of a photo; 1: upright. `width` and `height` are those of the upright picture."""
    chosen: dict[str, int] = {}
    """Kind -> the index of the stream that the caller chose."""

    @property
    def still(self) -> bool:
        """Whether it is a still picture."""
        return self.container in STILLS and not self.duration

    @property
    def kind(self) -> Kind:
        """The kind of the file, whatever its name."""
        codecs = {stream.codec for stream in self.streams}
        brand = self.tags.get("major_brand", "").strip()
        moving = any(one.kind == "video" and not one.attached for one in self.streams)
        return kind_of(self.container, brand, codecs, moving=moving)

    def all(self, kind: str) -> list[Stream]:
        """Return the streams of a kind, in file order; covers are video."""
        return [one for one in self.streams if one.kind == kind]

    def track(self, kind: str) -> Stream | None:
        """Return the stream of a kind to use: the caller's choice, else the choice of a player.

        Players choose, among usable streams that are no cover: the default; not commentary; not for the hearing or visually
        impaired; the larger picture or more channels; the first.
        """
        if kind in self.chosen:
            return next(one for one in self.streams if one.index == self.chosen[kind])
        usable = [one for one in self.all(kind) if not one.problem and not one.attached]
        return min(usable, key=rank, default=None)

    def cover(self) -> Stream | None:
        """Return the first usable cover."""
        return next((one for one in self.streams if one.attached and not one.problem), None)

    def number(self, stream: Stream) -> int:
        """Return the number of a stream among its kind, as in `audio_track` and `video_track`."""
        return self.all(stream.kind).index(stream)

    def without(self, kind: str) -> str:
        """Return the message that no stream of a kind can be used, and why."""
        word = WORDS[kind]
        why = [f"{one.codec} {one.problem}" for one in self.all(kind) if one.problem and not one.attached]
        return f"The input has no {word} that can be used: " + "; ".join(why[:5]) if why else f"The input has no {word}"

    def promised(self, streams: list[Stream]) -> float:
        """Return the duration that the file promises for some of its streams together, in s; 0: unknown."""
        if not self.promises or not streams:
            return 0.0
        if all(one.duration for one in streams):
            return max(one.start + one.duration for one in streams)
        others = len(self.streams) + len(self.data_streams) > len(streams)
        return 0.0 if others else self.duration  # the duration of the file may be that of another stream


def rank(stream: Stream) -> tuple[object, ...]:
    """Return the sort key of streams: the choice of players first."""
    return (not stream.default, stream.commentary, stream.impaired, -stream.pixels, -stream.channels, stream.index)


def probe(file: Path, *, check: Callable[[], None] = lambda: None, container: str = "", decode: bool = False) -> Media:
    """Describe `file`. `container` names the demuxer of a file that we made, where the name would mislead.

    `decode`: test every stream, for a file that is not ours. All streams may have a problem: see `require_usable`.

    Raises:
        MediaRejected: it is not media, or exceeds a limit; the message says which.
        AttemptFailed: the machine could not read it.
    """
    lines: list[str] = []
    arguments = ["decode" if decode else "", container, str(file)]
    finished = isolated.run(
        "workers.media.describe", arguments, folder=file.parent, limits=PROBE_LIMITS, on_line=lines.append, check=check
    )
    if decode and finished.code in CRASHED:  # the decoder of one stream crashed; another may be wanted
        return probe(file, check=check, container=container)
    if finished.code not in (0, UNREADABLE, *CRASHED):
        raise AttemptFailed(f"The input could not be probed: exit code {finished.code}")
    if finished.code != 0 or not lines:
        raise MediaRejected("The input is not a media file that can be read")
    media = msgspec.json.decode(lines[-1], type=Media)
    _check_bounds(media)
    if not decode:
        require_usable(media)
    return media


def _check_bounds(media: Media) -> None:
    if media.stream_count > STREAMS_MAX:
        raise MediaRejected(f"The input has {media.stream_count} streams; at most {STREAMS_MAX} are accepted")
    if not media.streams:
        raise MediaRejected("The input has no picture and no sound")
    if media.duration > DURATION_MAX_SECONDS:
        raise MediaRejected(f"The input is {media.duration:.0f} s long; at most {DURATION_MAX_SECONDS} s are accepted")
    for stream in media.streams:
        stream.problem = _beyond_bounds(stream, media.duration) or stream.problem


def require_usable(media: Media) -> None:
    """Check that a file has a usable stream.

    Raises:
        MediaRejected: it has none; the message names the problems and the codecs.
    """
    if all(stream.problem for stream in media.streams):
        kind = next((one.kind for one in media.streams if not one.attached), media.streams[0].kind)
        only = media.streams[0]
        alone = f"The input's {WORDS[kind]} ({only.codec}) {only.problem}"
        raise MediaRejected(alone if len(media.streams) == 1 else media.without(kind))


def _beyond_bounds(stream: Stream, duration: float) -> str:
    """Return the limit that a stream exceeds; "" if none."""
    if stream.codec == UNKNOWN:
        return "is of a codec that cannot be decoded here"
    if stream.kind == "audio":
        within = 0 < stream.channels <= CHANNELS_MAX and 0 < stream.sample_rate <= SAMPLE_RATE_MAX
        found, most = f"{stream.channels} channels at {stream.sample_rate} Hz", f"{CHANNELS_MAX} at {SAMPLE_RATE_MAX} Hz"
        return "" if within else f"has {found}; from one channel to {most} are accepted"
    if not 0 < stream.pixels <= PIXELS_MAX:
        return f"is {stream.width}x{stream.height}; from 1x1 to {PIXELS_MAX} pixels are accepted"
    if stream.fps > FPS_MAX and not stream.attached:
        return f"has {stream.fps:g} frames a second; at most {FPS_MAX} are accepted"
    frames = 0 if stream.attached else max(stream.frames, int(stream.fps * duration))
    return f"has {frames} frames; at most {FRAMES_MAX} are accepted" if frames > FRAMES_MAX else ""
