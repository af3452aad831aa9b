"""Finds out what a media file is, inside the same walls as every other media process.

`python -m workers.probe FILE` prints what it found as JSON; `probe()` runs that in the sandbox.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from chalicelib.errors import MediaRejected
from workers import sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

# Containers only: playlists and the like, which name other files or addresses, are not on the list.
FORMATS = "mov,matroska,webm,avi,mpeg,mpegts,flv,asf,ogg,wav,mp3,aac,flac,gif,png_pipe,jpeg_pipe,webp_pipe,aiff,amr,m4v,mxf"
PROTOCOLS = "file"
PROBE_LIMITS = sandbox.Limits(seconds=30, memory_bytes=2 * sandbox.GIB, file_bytes=0)
PIXELS_MAX = 8192 * 8192
STREAMS_MAX = 64
DURATION_MAX_SECONDS = 12 * 3600


class Stream(msgspec.Struct, omit_defaults=True):
    """One stream, as its container describes it."""

    kind: str
    codec: str
    width: int = 0
    height: int = 0
    fps: float = 0
    sample_rate: int = 0
    channels: int = 0
    attached: bool = False
    """A cover picture rather than a film."""


class Media(msgspec.Struct):
    """What a file holds. `duration` in seconds, `bitrate` in bit/s; 0 when the file does not say."""

    container: str
    duration: float
    bitrate: int
    bytes: int
    streams: list[Stream]

    def first(self, kind: str) -> Stream | None:
        """Return the first stream of a kind, cover pictures apart."""
        return next((one for one in self.streams if one.kind == kind and not one.attached), None)


def probe(file: Path, *, check: Callable[[], None] = lambda: None) -> Media:
    """Describe `file`.

    Raises:
        MediaRejected: it is no media file, or one beyond our bounds; the text says which.
    """
    lines: list[str] = []
    # -I: the job's folder is hostile, and must not be a place that modules are found in.
    code = f"import sys; sys.path[:0] = {[one for one in sys.path if one]!r}; from workers.probe import main; main()"
    command = [sys.executable, "-IB", "-c", code, str(file)]
    finished = sandbox.run(command, folder=file.parent, limits=PROBE_LIMITS, on_line=lines.append, check=check)
    if finished.code != 0 or not lines:
        raise MediaRejected("The input is not a media file that can be read")
    media = msgspec.json.decode(lines[-1], type=Media)
    _check_bounds(media)
    return media


def _check_bounds(media: Media) -> None:
    if not media.streams:
        raise MediaRejected("The input has no picture and no sound")
    if len(media.streams) > STREAMS_MAX:
        raise MediaRejected(f"The input has {len(media.streams)} streams; at most {STREAMS_MAX} are accepted")
    if media.duration > DURATION_MAX_SECONDS:
        raise MediaRejected(f"The input is {media.duration:.0f} s long; at most {DURATION_MAX_SECONDS} s are accepted")
    for stream in media.streams:
        if stream.kind == "video" and not 0 < stream.width * stream.height <= PIXELS_MAX:
            size = f"{stream.width}x{stream.height}"
            raise MediaRejected(f"The input's picture is {size}; from 1x1 to {PIXELS_MAX} pixels are accepted")


def main() -> None:
    """Print the description of the file that the last argument names."""
    file = Path(sys.argv[-1])
    sys.stdout.write(msgspec.json.encode(_describe(file)).decode() + "\n")


def _describe(file: Path) -> Media:
    import av  # noqa: PLC0415 - only this process pays for it

    options = {"protocol_whitelist": PROTOCOLS, "format_whitelist": FORMATS}
    with av.open(f"file:{file}", options=options) as container:
        return Media(
            container=container.format.name,
            duration=round(max(0, container.duration or 0) / av.time_base, 3),
            bitrate=container.bit_rate or 0,
            bytes=file.stat().st_size,
            streams=[_stream(one) for one in container.streams if one.type in ("video", "audio")],
        )


def _stream(stream: Any) -> Stream:
    context = stream.codec_context
    found = Stream(kind=stream.type, codec=context.codec.canonical_name if context else "unknown")
    if stream.type == "video":
        found.width, found.height = stream.width or 0, stream.height or 0
        found.fps = round(float(stream.average_rate or stream.guessed_rate or 0), 3)
        found.attached = bool(int(stream.disposition) & 0x400)
    else:
        found.sample_rate, found.channels = context.sample_rate or 0, context.channels or 0
    return found
