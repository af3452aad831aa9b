"""Scores a frame as a thumbnail: 0 if black, white or flat; higher if sharper and better lit.

The file is opened once, in the sandbox. Each candidate is the key frame before its moment, so the time does not grow with the
length of the film. If two moments share a key frame, the film is decoded up to the second one.

Frames are scored small and grey. Sharpness is the logarithm of the variance of the Laplacian (Pech-Pacheco et al., 2000), so
that noise does not dominate. Light is the distance of the mean from black and white; contrast is the standard deviation.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from chalicelib.errors import MediaRejected
from workers.media import stills
from workers.media.formats import FORMATS, PROTOCOLS
from workers.sandbox import isolated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workers.context.work import Work
    from workers.media.probe import Stream

WIDTH, HEIGHT = 160, 90
FLAT = 6.0
"""A standard deviation (of 0..255) below this is a flat picture."""
DARK, BRIGHT = 20, 235
ENOUGH_CONTRAST = 50.0
DECODED_MAX = 300
"""The limit of decoded frames per candidate."""


class Candidate(msgspec.Struct):
    """A frame: its time in s, and its score."""

    at: float
    score: float


def rank(work: Work, picture: Stream, moments: list[float], progress: Callable[[float], None]) -> list[Candidate]:
    """Score the frames near `moments` (s, ascending) that can be decoded; best first.

    Raises:
        MediaRejected: none can be decoded.
    """
    found: list[Candidate] = []

    def read(line: str) -> None:
        found.append(msgspec.json.decode(line, type=Candidate))
        progress(len(found) / len(moments))

    isolated.run(
        "workers.media.sharpness",
        [str(work.input), str(picture.index), *map(str, moments)],
        folder=work.folder,
        limits=stills.LIMITS,
        on_line=read,
        check=work.check,
    )
    if not found:
        raise MediaRejected("The input's picture could not be decoded")
    return sorted(found, key=lambda candidate: -candidate.score)


def main() -> None:
    """Print the candidates. Arguments: a file, a stream's index, moments in s."""
    import av  # noqa: PLC0415 - only this process pays for it

    file, index, *moments = sys.argv[1:]
    options = {"protocol_whitelist": PROTOCOLS, "format_whitelist": FORMATS}
    with av.open(f"file:{file}", options=options, metadata_errors="replace") as container:
        stream = container.streams[int(index)]
        for at, grey in _frames(container, stream, [float(moment) for moment in moments]):
            sys.stdout.write(json.dumps({"at": round(at, 6), "score": score(grey)}) + "\n")
            sys.stdout.flush()


def _frames(container: Any, stream: Any, moments: list[float]) -> Iterator[tuple[float, bytes]]:
    from av.error import FFmpegError  # noqa: PLC0415 - see main

    begin = (container.start_time or 0) / 1e6
    last_key = None
    for moment in moments:
        try:
            container.seek(int((begin + moment) * 1e6))
            decoded = container.decode(stream)
            frame = next(decoded)
            key = frame.pts
            if key == last_key:
                for frame, _ in zip(decoded, range(DECODED_MAX), strict=False):
                    if frame.time is not None and frame.time >= begin + moment:
                        break
            last_key = key
        except (FFmpegError, StopIteration):
            continue  # a damaged place does not affect the others
        small = frame.reformat(width=WIDTH, height=HEIGHT, format="gray")
        plane = small.planes[0]
        data, stride = bytes(plane), plane.line_size
        yield (frame.time or 0) - begin, b"".join(data[row * stride : row * stride + WIDTH] for row in range(HEIGHT))


def score(grey: bytes) -> float:
    """Score a frame of WIDTH x HEIGHT grey bytes, 0 to about 10."""
    mean, spread = statistics.fmean(grey), statistics.pstdev(grey)
    if spread < FLAT or not DARK <= mean <= BRIGHT:
        return 0.0
    light = 1 - abs(mean - 127.5) / 127.5
    contrast = min(1.0, spread / ENOUGH_CONTRAST)
    return round(math.log1p(_laplacian_variance(grey)) * (0.5 + 0.5 * light) * (0.5 + 0.5 * contrast), 4)


def _laplacian_variance(grey: bytes) -> float:
    inner = range(WIDTH + 1, len(grey) - WIDTH - 1)
    edges = [4 * grey[at] - grey[at - 1] - grey[at + 1] - grey[at - WIDTH] - grey[at + WIDTH] for at in inner]
    mean = sum(edges) / len(edges)
    return sum((edge - mean) ** 2 for edge in edges) / len(edges)
