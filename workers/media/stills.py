"""Takes single frames by seeking, so the time does not grow with the length of the film."""

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
"""There is no frame at the end of a film. If the frame rate is unknown, the last one is searched this long before it."""


def take(work: Work, picture: Stream, moment: float, output: list[str]) -> None:
    """Decode the frame at `moment` (s) and pass it to ffmpeg's `output` arguments; without a frame, there is no file."""
    if picture.fps:  # the frame at a moment starts before it
        moment = max(0.0, (math.floor(moment * picture.fps + 1e-6) - 0.25) / picture.fps)
    seek = ["-ss", ffmpeg.number(moment)] if moment > 0 else []
    chosen = ["-map", f"0:{picture.index}", "-frames:v", "1", "-an", "-sn", "-dn"]
    one = ["-threads", "1", *seek, *ffmpeg.input_arguments(work.input), *chosen]
    ffmpeg.run(work, [*one, *output], limits=LIMITS, counts=False)


def last_moment(source: Media, picture: Stream) -> float:
    """Return the latest moment (s) with a frame."""
    length = picture.duration or source.duration
    return max(0.0, length - (0.5 / picture.fps if picture.fps else LAST_FRAME_SECONDS))
