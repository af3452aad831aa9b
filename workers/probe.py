"""Finds out what a media file is, inside the same walls as every other media process, and refuses what is beyond our bounds.

What looks at the file is `describe.py`, in the sandbox.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import msgspec

from chalicelib.errors import AttemptFailed, MediaRejected
from workers import isolated, sandbox
from workers.containers import STILLS, Kind, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PROBE_LIMITS = sandbox.Limits(seconds=30, memory_bytes=2 * sandbox.GIB, data_bytes=sandbox.GIB // 4, file_bytes=0)
PIXELS_MAX = 8192 * 8192
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
CRASHED = (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGFPE, -signal.SIGILL, -signal.SIGXCPU)


class Stream(msgspec.Struct, omit_defaults=True):
    """One stream, as its container describes it."""

    kind: str
    codec: str
    index: int = 0
    """Its place among all streams of the file."""
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
    sample_rate: int = 0
    channels: int = 0
    language: str = ""
    """Three letters of ISO 639-2, "" when the file does not say."""
    attached: bool = False
    """A cover picture rather than a film."""


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

    @property
    def still(self) -> bool:
        """Whether it is a picture rather than a film."""
        return self.container in STILLS

    @property
    def kind(self) -> Kind:
        """What the file is, whatever it is called."""
        codecs = {stream.codec for stream in self.streams}
        brand = self.tags.get("major_brand", "").strip()
        return kind_of(self.container, brand, codecs, moving=self.first("video") is not None)

    def first(self, kind: str) -> Stream | None:
        """Return the first stream of a kind that can be decoded, cover pictures apart."""
        return next((one for one in self.streams if one.kind == kind and not one.attached and one.codec != UNKNOWN), None)


def probe(file: Path, *, check: Callable[[], None] = lambda: None, container: str = "") -> Media:
    """Describe `file`; `container` says what it is where we know, because we made it, and its name would mislead.

    Raises:
        MediaRejected: it is no media file, or one beyond our bounds; the text says which.
        AttemptFailed: the machine could not look at it.
    """
    lines: list[str] = []
    finished = isolated.run(
        "workers.describe", [container, str(file)], folder=file.parent, limits=PROBE_LIMITS, on_line=lines.append, check=check
    )
    if finished.code not in (0, UNREADABLE, *CRASHED):
        raise AttemptFailed(f"The input could not be looked at: the probe ended with code {finished.code}")
    if finished.code != 0 or not lines:
        raise MediaRejected("The input is not a media file that can be read")
    media = msgspec.json.decode(lines[-1], type=Media)
    _check_bounds(media)
    return media


def _check_bounds(media: Media) -> None:
    if media.stream_count > STREAMS_MAX:
        raise MediaRejected(f"The input has {media.stream_count} streams; at most {STREAMS_MAX} are accepted")
    if not media.streams:
        raise MediaRejected("The input has no picture and no sound")
    if media.duration > DURATION_MAX_SECONDS:
        raise MediaRejected(f"The input is {media.duration:.0f} s long; at most {DURATION_MAX_SECONDS} s are accepted")
    for stream in media.streams:
        _check_stream(stream, media.duration)


def _check_stream(stream: Stream, duration: float) -> None:
    if stream.kind == "audio":
        if not (0 < stream.channels <= CHANNELS_MAX and 0 < stream.sample_rate <= SAMPLE_RATE_MAX):
            sound = f"{stream.channels} channels at {stream.sample_rate} Hz"
            most = f"{CHANNELS_MAX} at {SAMPLE_RATE_MAX} Hz"
            raise MediaRejected(f"The input's sound has {sound}; from one channel to {most} are accepted")
        return
    if stream.codec == "webp" and not stream.width * stream.height:
        raise MediaRejected("The input is an animated WebP; that is not supported")
    if not 0 < stream.width * stream.height <= PIXELS_MAX:
        size = f"{stream.width}x{stream.height}"
        raise MediaRejected(f"The input's picture is {size}; from 1x1 to {PIXELS_MAX} pixels are accepted")
    if stream.attached:
        return
    if stream.fps > FPS_MAX:
        raise MediaRejected(f"The input has {stream.fps:g} frames a second; at most {FPS_MAX} are accepted")
    frames = max(stream.frames, int(stream.fps * duration))
    if frames > FRAMES_MAX:
        raise MediaRejected(f"The input has {frames} frames; at most {FRAMES_MAX} are accepted")
