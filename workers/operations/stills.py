"""Takes single frames by seeking: what that costs does not grow with the length of the film."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workers.media import ffmpeg
from workers.sandbox import sandbox

if TYPE_CHECKING:
    from workers.context.work import Work
    from workers.media.probe import Media, Stream

LIMITS = sandbox.Limits(data_bytes=2 * sandbox.GIB, file_bytes=sandbox.GIB, folder_bytes=2 * sandbox.GIB)
LAST_FRAME_SECONDS = 0.1
"""The end of a film has no frame: this much before it there probably is one, if nobody says how long a frame lasts."""


def take(work: Work, picture: Stream, moment: float, output: list[str]) -> None:
    """Decode the frame that is shown at `moment` (s) and hand it to ffmpeg's `output` arguments; no frame, no file."""
    if picture.fps:  # the frame that is shown at a moment has begun before it
        moment = max(0.0, (math.floor(moment * picture.fps + 1e-6) - 0.25) / picture.fps)
    seek = ["-ss", ffmpeg.number(moment)] if moment > 0 else []
    chosen = ["-map", f"0:{picture.index}", "-frames:v", "1", "-an", "-sn", "-dn"]
    one = ["-threads", "1", *seek, *ffmpeg.input_arguments(work.input), *chosen]
    ffmpeg.run(work, [*one, *output], limits=LIMITS, counts=False)


def last_moment(source: Media, picture: Stream) -> float:
    """Return the latest moment (s) at which there is a frame."""
    length = picture.duration or source.duration
    return max(0.0, length - (0.5 / picture.fps if picture.fps else LAST_FRAME_SECONDS))
