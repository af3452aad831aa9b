"""Measures what the probe does not: frame spacing, rotation, colour standard.

`python -m workers.media.frame_survey FILE` prints JSON; `survey()` runs it in the sandbox. Packets are read, not decoded,
except one frame.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from aws_lambda_powertools import Logger

from chalicelib.errors import MediaRejected
from workers.media import probe
from workers.media.formats import FORMATS, PROTOCOLS
from workers.sandbox import isolated

if TYPE_CHECKING:
    from collections.abc import Callable

logger = Logger(service="mediaq", child=True)
PACKETS_MAX = 5000
"""Three minutes at 25 frames a second: enough to see whether the spacing is constant."""
JITTER_SECONDS = 0.0015
"""Containers with ms time stamps space 30 frames a second by 33 and 34."""
TEXT_SUBTITLES = {"subrip", "ass", "ssa", "webvtt", "mov_text", "text"}
# ITU-T H.273.
PRIMARIES = {1: "bt709", 5: "bt470bg", 6: "smpte170m", 9: "bt2020", 12: "display-p3"}
TRANSFERS = {1: "bt709", 6: "smpte170m", 13: "srgb", 14: "bt2020-10", 15: "bt2020-12", 16: "pq", 18: "hlg"}
MATRICES = {0: "rgb", 1: "bt709", 5: "bt470bg", 6: "smpte170m", 9: "bt2020nc"}
RANGES = {1: "limited", 2: "full"}


class Survey(msgspec.Struct, omit_defaults=True):
    """The result; "" or None if unknown."""

    frame_rate_mode: str = ""
    """`constant` or `variable`."""
    rotation: int = 0
    """Rotation to apply, counter-clockwise, in degrees."""
    bit_depth: int = 0
    primaries: str = ""
    transfer: str = ""
    matrix: str = ""
    range: str = ""
    subtitles: int | None = None
    """The index, among the subtitle streams, of the first text stream."""


def survey(file: Path, picture: int | None, *, check: Callable[[], None] = lambda: None) -> Survey:
    """Survey a file that passed the probe; `picture` is the index of its video stream. Unreadable values stay empty."""
    lines: list[str] = []
    try:
        finished = isolated.run(
            "workers.media.frame_survey",
            [str(file), str(-1 if picture is None else picture)],
            folder=file.parent,
            limits=probe.PROBE_LIMITS,
            on_line=lines.append,
            check=check,
        )
    except MediaRejected:  # it timed out
        return Survey()
    if finished.code != 0 or not lines:
        logger.warning("survey failed", extra={"code": finished.code, "said": finished.stderr[-500:]})
        return Survey()
    return msgspec.json.decode(lines[-1], type=Survey)


def main() -> None:
    """Print the survey. Arguments: the file, and the index of its video stream or -1."""
    import av  # noqa: PLC0415 - only this process pays for it

    file, film, found = Path(sys.argv[-2]), int(sys.argv[-1]), Survey()
    options = {"protocol_whitelist": PROTOCOLS, "format_whitelist": FORMATS}
    with av.open(f"file:{file}", options=options, metadata_errors="replace") as container:
        texts = [number for number, one in enumerate(container.streams.subtitles) if _codec(one) in TEXT_SUBTITLES]
        found.subtitles = texts[0] if texts else None
        if film >= 0:
            _colours(container.streams[film], found)
            found.frame_rate_mode = _spacing(container, container.streams[film])
    if film >= 0:
        with av.open(f"file:{file}", options=options, metadata_errors="replace") as container:
            _first_frame(container, film, found)
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")


def _codec(stream: Any) -> str:
    return str(stream.codec_context.codec.canonical_name) if stream.codec_context else ""


def _colours(stream: Any, found: Survey) -> None:
    context = stream.codec_context
    if context is None:
        return
    found.primaries = PRIMARIES.get(int(context.color_primaries), "")
    found.transfer = TRANSFERS.get(int(context.color_trc), "")
    found.matrix = MATRICES.get(int(context.colorspace), "")
    found.range = RANGES.get(int(context.color_range), "")
    if context.pix_fmt:
        from av import VideoFormat  # noqa: PLC0415 - see main

        found.bit_depth = VideoFormat(context.pix_fmt).components[0].bits


def _spacing(container: Any, stream: Any) -> str:
    times: list[float] = []
    for packet in container.demux(stream):
        if packet.pts is not None:
            times.append(float(packet.pts * packet.time_base))
        if len(times) >= PACKETS_MAX:
            break
    times.sort()
    gaps = [after - before for before, after in pairwise(times)]
    if len(gaps) < 2:  # noqa: PLR2004 - one gap is no rhythm
        return ""
    return "constant" if max(gaps) - min(gaps) <= max(JITTER_SECONDS, 2 * float(stream.time_base)) else "variable"


def _first_frame(container: Any, index: int, found: Survey) -> None:
    from av.error import FFmpegError  # noqa: PLC0415 - see main

    try:
        frame = next(container.decode(container.streams[index]), None)
    except FFmpegError:
        return  # the other values are still useful
    if frame is not None:
        found.rotation = frame.rotation
