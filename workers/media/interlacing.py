"""Finds out whether a film is interlaced by looking at its frames, because what files say of it is often wrong.

`python -m workers.media.interlacing FILE INDEX` prints the answer; `detect()` runs that in the sandbox.

A frame holds two fields. Where something moves, combs show if the fields of one frame are of different moments. Each frame is
compared with two others that are put together of the same fields: the one with the bottom field of the frame before, and the
one with its top field. In a progressive film both have more combs. In an interlaced one the pair that is as close in time as
the frame itself has no more of them, which also tells the order of the fields. (idet, which compares fewer pairs, takes some
progressive films for interlaced.)
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
"""Where in the film frames are looked at, as shares of its length."""
FRAMES, FRAMES_LEAST, FRAMES_ENOUGH = 16, 6, 10
"""Of each place; and those with motion that are needed, and that are enough, to decide."""
WIDTH = 96
"""Frames are made narrow, not low: the lines are what matters."""
MOTION = 1.05
"""How many more combs a wrong pair of fields must have for a frame to count."""
INTERLACED_SHARE = 0.25
"""A film with this share of interlaced frames, weighed by their combs, is deinterlaced: a telecined one has two in five."""
PAIRS = {"bottom field of the frame before": ("tff", "bottom"), "top field of the frame before": ("bff", "top")}


class FieldOrder(NamedTuple):
    """What one frame is, and how much it counts: by how many combs the wrong pair of fields has more."""

    order: str
    weight: float


def detect(file: Path, media: Media, picture: Stream, *, check: Callable[[], None] = lambda: None) -> str:
    """Return `progressive`, or the field that is shown first: `top` or `bottom`. Where nothing moves, the file is believed."""
    if media.still or picture.attached:
        return "progressive"
    lines: list[str] = []
    arguments = [str(file), str(picture.index), str(picture.duration or media.duration)]
    try:
        finished = isolated.run(
            "workers.media.interlacing", arguments, folder=file.parent, limits=LIMITS, on_line=lines.append, check=check
        )
    except MediaRejected:  # it took too long
        return picture.field_order or "progressive"
    if finished.code != 0:
        logger.warning("field order not found", extra={"code": finished.code, "said": finished.stderr[-500:]})
    return (lines[-1] if lines else "") or picture.field_order or "progressive"


def main() -> None:
    """Print the order of the fields, or nothing when no frame tells. Arguments: a file, a stream's index, its length in s."""
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
                continue  # a damaged place is no reason to give the others up
            if len(seen) >= FRAMES_ENOUGH:
                break
    sys.stdout.write(decide(seen) + "\n")


def decide(seen: list[FieldOrder]) -> str:
    """Return what the frames with motion say, "" when there are too few: noise looks like anything now and then."""
    if len(seen) < FRAMES_LEAST:
        return ""
    weights = dict.fromkeys(("progressive", "top", "bottom"), 0.0)
    for order, weight in seen:
        weights[order] += weight
    if weights["top"] + weights["bottom"] >= INTERLACED_SHARE * sum(weights.values()):
        return "top" if weights["top"] >= weights["bottom"] else "bottom"
    return "progressive"


def evaluate_alarms(own: float, before_bottom: float, before_top: float) -> FieldOrder | None:
    """Say what one frame is by its combs and those of the two other pairs of fields; None where nothing moves."""
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
    del graph  # it has to outlive its filters, and they do not hold it
    return list(filter(None, map(evaluate_alarms, own[1:], before_bottom, before_top)))


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
    """Make the filters that measure the combs of each frame, and of the two other pairs of fields."""
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
