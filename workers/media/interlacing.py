"""Detects interlaced video from its frames, because the flags in files are often wrong.

`python -m workers.media.interlacing FILE INDEX` prints the answer; `detect()` runs it in the sandbox.

A frame consists of two fields. If something moves and the fields are of different times, the frame shows combs. Each frame is
compared with two frames built from the same fields: one with the bottom field of the previous frame, one with its top field. In
progressive video both have more combs. In interlaced video, the pair that is as close in time as the frame itself has no more
combs, which also gives the field order. (idet compares fewer pairs and misjudges some progressive films.)
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from aws_lambda_powertools import Logger

from chalicelib.errors import MediaRejected
from workers.media.formats import FORMATS, PROTOCOLS
from workers.sandbox import isolated, sandbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from workers.media.probe import Media, Stream

logger = Logger(service="mediaq", child=True)
LIMITS = sandbox.Limits(seconds=60, memory_bytes=4 * sandbox.GIB, data_bytes=sandbox.GIB, file_bytes=0)
PLACES = (0.1, 0.4, 0.7, 0.9)
"""Where frames are inspected, as shares of the duration."""
FRAMES, FRAMES_LEAST, FRAMES_ENOUGH = 16, 6, 10
"""At each place: frames inspected; frames with motion that are necessary, and sufficient, to decide."""
WIDTH = 96
"""Frames are scaled in width only, since the lines matter."""
MOTION = 1.05
"""How many more combs a wrong pair must have for a frame to count."""
INTERLACED_SHARE = 0.25
"""From this share of interlaced frames, weighted by combs, a film is deinterlaced. Telecined film has two in five."""
PAIRS = {"bottom field of the frame before": ("tff", "bottom"), "top field of the frame before": ("bff", "top")}


class FieldOrder(NamedTuple):
    """The order of one frame and its weight: how many more combs the wrong pair has."""

    order: str
    weight: float


def detect(file: Path, media: Media, picture: Stream, *, check: Callable[[], None] = lambda: None) -> str:
    """Return `progressive`, or the field shown first: `top` or `bottom`. Without motion, the flags in the file decide."""
    if media.still or picture.attached:
        return "progressive"
    lines: list[str] = []
    arguments = [str(file), str(picture.index), str(picture.duration or media.duration)]
    try:
        finished = isolated.run(
            "workers.media.interlacing", arguments, folder=file.parent, limits=LIMITS, on_line=lines.append, check=check
        )
    except MediaRejected:  # it timed out
        return picture.field_order or "progressive"
    if finished.code != 0:
        logger.warning("field order not found", extra={"code": finished.code, "said": finished.stderr[-500:]})
    return (lines[-1] if lines else "") or picture.field_order or "progressive"


def main() -> None:
    """Print the field order, or nothing if no frame has motion. Arguments: a file, a stream's index, its duration in s."""
    import av  # noqa: PLC0415 - only this process pays for it
    from av.error import FFmpegError  # noqa: PLC0415

    file, index, seconds = sys.argv[-3:]
    options = {"protocol_whitelist": PROTOCOLS, "format_whitelist": FORMATS}
    seen: list[FieldOrder] = []
    with av.open(f"file:{file}", options=options, metadata_errors="replace") as container:
        stream = container.streams[int(index)]
        begins = (container.start_time or 0) / av.time_base
        for place in PLACES if float(seconds) else PLACES[:1]:
            try:
                container.seek(int((begins + float(seconds) * place) * av.time_base))
                seen += _look(container, stream)
            except (FFmpegError, ValueError):
                continue  # a damaged place does not affect the others
            if len(seen) >= FRAMES_ENOUGH:
                break
    sys.stdout.write(decide(seen) + "\n")


def decide(seen: list[FieldOrder]) -> str:
    """Return the majority of frames with motion; "" if there are too few, since noise looks like anything."""
    if len(seen) < FRAMES_LEAST:
        return ""
    weights = dict.fromkeys(("progressive", "top", "bottom"), 0.0)
    for order, weight in seen:
        weights[order] += weight
    if weights["top"] + weights["bottom"] >= INTERLACED_SHARE * sum(weights.values()):
        return "top" if weights["top"] >= weights["bottom"] else "bottom"
    return "progressive"


def classify(own: float, before_bottom: float, before_top: float) -> FieldOrder | None:
    """Classify a frame by its combs and those of the two other pairs; None without motion."""
    less, more = sorted((before_bottom, before_top))
    if more <= own * MOTION or more == own:
        return None
    if less - own > (more - own) / 2:
        return FieldOrder("progressive", more - own)
    return FieldOrder("top" if before_bottom < before_top else "bottom", more - own)


def _look(container: Any, stream: Any) -> list[FieldOrder]:
    graph, source, sinks = _graph(stream)
    combs: list[list[float]] = [[] for _ in sinks]
    for frame, _ in zip(container.decode(stream), range(FRAMES), strict=False):
        source.push(frame)
        for sink, found in zip(sinks, combs, strict=True):
            found.extend(_pull(sink))
    own, before_bottom, before_top = combs
    del graph  # it must outlive its filters, which hold no reference
    return list(filter(None, map(classify, own[1:], before_bottom, before_top)))


def _pull(sink: Any) -> list[float]:
    from av.error import BlockingIOError as Again  # noqa: PLC0415 - see main
    from av.error import EOFError as End  # noqa: PLC0415

    found = []
    while True:
        try:
            found.append(float(sink.pull().metadata["lavfi.signalstats.YAVG"]))
        except (Again, End):
            return found


def _graph(stream: Any) -> tuple[Any, Any, list[Any]]:
    """Build the filters that count the combs of each frame and of the two other pairs."""
    import av.filter  # noqa: PLC0415 - see main

    graph = av.filter.Graph()
    source = graph.add_buffer(template=stream)
    last = source
    for name, arguments in (("scale", f"w={WIDTH}:h=ih:flags=fast_bilinear"), ("format", "gray"), ("split", "3")):
        following = graph.add(name, arguments)
        last.link_to(following)
        last = following
    sinks = []
    for number, pair in enumerate((None, *PAIRS.values())):
        chain = [("convolution", "0m=0 -1 0 0 2 0 0 -1 0:0rdiv=1"), ("signalstats", ""), ("buffersink", "")]
        if pair is not None:
            order, first = pair
            shift = [("setfield", f"mode={order}"), ("separatefields", ""), ("trim", "start_frame=1")]
            chain = [*shift, ("weave", f"first_field={first}"), *chain]
        here, pad = last, number
        for name, arguments in chain:
            following = graph.add(name, arguments)
            here.link_to(following, pad, 0)
            here, pad = following, 0
        sinks.append(here)
    graph.configure()
    return graph, source, sinks
