"""Finds out what a media file is, inside the same walls as every other media process.

`python -m workers.probe FILE` prints what it found as JSON; `probe()` runs that in the sandbox.
"""

from __future__ import annotations

import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from chalicelib.errors import AttemptFailed, MediaRejected
from workers import isolated, sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

# Containers only: playlists and the like, which name other files or addresses, are not on the list.
FORMATS = "mov,matroska,webm,avi,mpeg,mpegts,flv,asf,ogg,wav,mp3,aac,flac,gif,png_pipe,jpeg_pipe,webp_pipe,aiff,amr,m4v,mxf"
PROTOCOLS = "file"
PROBE_LIMITS = sandbox.Limits(seconds=30, memory_bytes=2 * sandbox.GIB, data_bytes=sandbox.GIB // 4, file_bytes=0)
PIXELS_MAX = 8192 * 8192
STREAMS_MAX = 256
DURATION_MAX_SECONDS = 12 * 3600
FPS_MAX = 1000
FRAMES_MAX = DURATION_MAX_SECONDS * 120
CHANNELS_MAX = 64
SAMPLE_RATE_MAX = 768_000
UNREADABLE = 3
"""The code that the probe's process ends with when the file is no media."""
CRASHED = (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGFPE, -signal.SIGILL, -signal.SIGXCPU)
UNKNOWN = "unknown"
"""The codec of a stream that nothing here can decode."""
STILLS = ("png_pipe", "jpeg_pipe", "webp_pipe")
"""Containers that hold one picture."""
HDR_TRANSFERS = {16: "pq", 18: "hlg"}
"""Of ITU-T H.273: SMPTE ST 2084 and ARIB STD-B67."""
ATTACHED_PICTURE = 0x400
TAGS_MAX, TAG_MAX = 64, 1000
LANGUAGE = re.compile("[a-z]{3}")


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
        "workers.probe", [container, str(file)], folder=file.parent, limits=PROBE_LIMITS, on_line=lines.append, check=check
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


def main() -> None:
    """Print the description of the file that the last argument names."""
    from av.error import FFmpegError  # noqa: PLC0415 - only this process pays for it

    try:
        media = _describe(Path(sys.argv[-1]), sys.argv[-2] or None)
    except (FFmpegError, MemoryError, ValueError):
        sys.exit(UNREADABLE)
    sys.stdout.write(msgspec.json.encode(media).decode() + "\n")


def _describe(file: Path, demuxer: str | None) -> Media:
    import av  # noqa: PLC0415 - only this process pays for it

    options = {"protocol_whitelist": PROTOCOLS, "format_whitelist": FORMATS}
    with av.open(f"file:{file}", format=demuxer, options=options, metadata_errors="replace") as container:
        return Media(
            container=container.format.name,
            duration=round(max(0, container.duration or 0) / av.time_base, 3),
            bitrate=container.bit_rate or 0,
            bytes=file.stat().st_size,
            streams=[_stream(one) for one in container.streams if one.type in ("video", "audio")],
            stream_count=len(container.streams),
            tags=_tags(container),
        )


def _tags(container: Any) -> dict[str, str]:
    """Return what the container says of itself; an Ogg file says it of its first stream."""
    tags = dict(container.metadata)
    if container.format.name == "ogg" and container.streams:
        tags = {**container.streams[0].metadata, **tags}
    return {name[:TAG_MAX]: text[:TAG_MAX] for name, text in list(tags.items())[:TAGS_MAX]}


def _stream(stream: Any) -> Stream:
    context = stream.codec_context
    found = Stream(kind=stream.type, codec=context.codec.canonical_name if context else UNKNOWN, index=stream.index)
    if stream.duration and stream.time_base:
        found.duration = round(max(0.0, float(stream.duration * stream.time_base)), 3)
    language = str(stream.language or "")
    found.language = language if LANGUAGE.fullmatch(language) and language != "und" else ""
    if stream.type == "video":
        found.width, found.height = stream.width or 0, stream.height or 0
        found.fps = round(float(stream.average_rate or stream.guessed_rate or 0), 3)
        found.frames = stream.frames or 0
        found.attached = bool(int(stream.disposition) & ATTACHED_PICTURE)
        found.pixel_format = (context and context.pix_fmt) or ""
        found.hdr = HDR_TRANSFERS.get(int(context.color_trc), "") if context else ""
    else:
        found.sample_rate, found.channels = (context.sample_rate or 0, context.channels or 0) if context else (0, 0)
    return found
