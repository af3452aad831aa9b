"""Finds out what a media file is, inside the same walls as every other media process, and which of its streams can be used.

What looks at the file is `describe.py`, in the sandbox. `tracks.py` chooses among the streams.
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
"""The code that `describe.py` ends with when the file is no media."""
UNKNOWN = "unknown"
"""Its name for the codec of a stream that nothing here can decode."""
UNDECODABLE, EMPTY = "cannot be decoded", "is empty"
"""Its names for what it finds wrong with a stream of a known codec."""
CRASHED = (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGFPE, -signal.SIGILL, -signal.SIGXCPU)
WORDS = {"video": "picture", "audio": "sound"}


class Stream(msgspec.Struct, omit_defaults=True):
    """One stream, as its container describes it."""

    kind: str
    codec: str
    index: int = 0
    """Its place among all streams of the file."""
    start: float = 0
    """In s, after the beginning of the file."""
    duration: float = 0
    """In s, 0 when the container does not say it of the stream."""
    width: int = 0
    height: int = 0
    fps: float = 0
    frames: int = 0
    """As the container counts them, 0 when it does not."""
    pixel_format: str = ""
    hdr: str = ""
    """`pq` or `hlg`, "" for an ordinary picture."""
    field_order: str = ""
    """`progressive`, or the field that is shown first: `top` or `bottom`; "" when the file does not say."""
    sample_rate: int = 0
    channels: int = 0
    layout: str = ""
    """Of the channels, in ffmpeg's words; "" when the file does not say."""
    language: str = ""
    """Three letters of ISO 639-2, "" when the file does not say."""
    attached: bool = False
    """A cover picture rather than a film."""
    default: bool = False
    """What players choose first."""
    commentary: bool = False
    impaired: bool = False
    """For people who do not hear, or do not see, well."""
    problem: str = ""
    """Why the stream cannot be used, such as `is empty`; "" is nothing."""

    @property
    def copyable(self) -> bool:
        """Whether its packets can be copied, which needs no decoder here but a container that can name its codec."""
        return self.problem in ("", UNDECODABLE, EMPTY)

    @property
    def pixels(self) -> int:
        """The size of a picture."""
        return self.width * self.height


class Media(msgspec.Struct):
    """What a file holds. `duration` in seconds, `bitrate` in bit/s; 0 when the file does not say."""

    container: str
    duration: float
    bitrate: int
    bytes: int
    streams: list[Stream]
    """Pictures and sound."""
    stream_count: int = 0
    """Of all kinds."""
    tags: dict[str, str] = {}
    data_streams: list[str] = []
    """The codec of each stream that is neither picture nor sound, or its kind."""
    promises: bool = False
    """Whether the container says at its beginning, or in an index, how long it is."""
    cut: bool = False
    """Whether its index names bytes that the file does not have."""
    orientation: int = 1
    """Of a photo, as EXIF counts it: 1 is upright. `width` and `height` are those of the upright picture."""
    chosen: dict[str, int] = {}
    """Kind -> the index of the stream to use, where a caller named it."""

    @property
    def still(self) -> bool:
        """Whether it is a picture rather than a film."""
        return self.container in STILLS and not self.duration

    @property
    def kind(self) -> Kind:
        """What the file is, whatever it is called."""
        codecs = {stream.codec for stream in self.streams}
        brand = self.tags.get("major_brand", "").strip()
        moving = any(one.kind == "video" and not one.attached for one in self.streams)
        return kind_of(self.container, brand, codecs, moving=moving)

    def all(self, kind: str) -> list[Stream]:
        """Return the streams of a kind, in the order of the file, covers among the pictures."""
        return [one for one in self.streams if one.kind == kind]

    def track(self, kind: str) -> Stream | None:
        """Return the stream of a kind that is used: the one that a caller named, else the one that players choose.

        That is, of those that can be used and are no cover: the default one; not commentary; not for the hearing or visually
        impaired; the larger picture, the more channels; the first.
        """
        if kind in self.chosen:
            return next(one for one in self.streams if one.index == self.chosen[kind])
        usable = [one for one in self.all(kind) if not one.problem and not one.attached]
        return min(usable, key=rank, default=None)

    def cover(self) -> Stream | None:
        """Return the first cover that can be used."""
        return next((one for one in self.streams if one.attached and not one.problem), None)

    def number(self, stream: Stream) -> int:
        """Return the place of a stream among those of its kind, as `audio_track` and `video_track` count."""
        return self.all(stream.kind).index(stream)

    def without(self, kind: str) -> str:
        """Say that the file has nothing of a kind that can be used, and why."""
        word = WORDS[kind]
        why = [f"{one.codec} {one.problem}" for one in self.all(kind) if one.problem and not one.attached]
        return f"The input has no {word} that can be used: " + "; ".join(why[:5]) if why else f"The input has no {word}"

    def promised(self, streams: list[Stream]) -> float:
        """Return how long the file says that some of its streams are together, in s; 0 when it does not say."""
        if not self.promises or not streams:
            return 0.0
        if all(one.duration for one in streams):
            return max(one.start + one.duration for one in streams)
        others = len(self.streams) + len(self.data_streams) > len(streams)
        return 0.0 if others else self.duration  # that of the file may be another stream's


def rank(stream: Stream) -> tuple[object, ...]:
    """Return what streams are sorted by: what players choose comes first."""
    return (not stream.default, stream.commentary, stream.impaired, -stream.pixels, -stream.channels, stream.index)


def probe(file: Path, *, check: Callable[[], None] = lambda: None, container: str = "", decode: bool = False) -> Media:
    """Describe `file`; `container` says what it is where we know, because we made it, and its name would mislead.

    `decode`: try every stream, for a file that is not our own. Then all of them may have a problem: see `require_usable`.

    Raises:
        MediaRejected: it is no media file, or one beyond our bounds; the text says which.
        AttemptFailed: the machine could not look at it.
    """
    lines: list[str] = []
    arguments = ["decode" if decode else "", container, str(file)]
    finished = isolated.run(
        "workers.media.describe", arguments, folder=file.parent, limits=PROBE_LIMITS, on_line=lines.append, check=check
    )
    if decode and finished.code in CRASHED:  # a decoder of one stream; another may be all that is wanted
        return probe(file, check=check, container=container)
    if finished.code not in (0, UNREADABLE, *CRASHED):
        raise AttemptFailed(f"The input could not be looked at: the probe ended with code {finished.code}")
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
    """See that a file has a stream that can be used.

    Raises:
        MediaRejected: it has none; the text says why, and of which codec they are.
    """
    if all(stream.problem for stream in media.streams):
        kind = next((one.kind for one in media.streams if not one.attached), media.streams[0].kind)
        only = media.streams[0]
        alone = f"The input's {WORDS[kind]} ({only.codec}) {only.problem}"
        raise MediaRejected(alone if len(media.streams) == 1 else media.without(kind))


def _beyond_bounds(stream: Stream, duration: float) -> str:
    """Say what is wrong with the figures of a stream, "" if nothing is."""
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
