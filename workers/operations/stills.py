"""Takes single frames by seeking: what that costs does not grow with the length of the film."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers import ffmpeg, sandbox

if TYPE_CHECKING:
    from workers.probe import Media, Stream
    from workers.work import Work

LIMITS = sandbox.Limits(data_bytes=2 * sandbox.GIB, file_bytes=sandbox.GIB, folder_bytes=2 * sandbox.GIB)
LAST_FRAME_SECONDS = 0.1
"""The end of a film has no frame: this much before it there is one."""


def take(work: Work, picture: Stream, moment: float, output: list[str]) -> None:
    """Decode the frame at `moment` (s) and hand it to ffmpeg's `output` arguments. There may be none, and then no file."""
    seek = ["-ss", ffmpeg.number(moment)] if moment > 0 else []
    chosen = ["-map", f"0:{picture.index}", "-frames:v", "1", "-an", "-sn", "-dn"]
    one = ["-threads", "1", *seek, *ffmpeg.input_arguments(work.input), *chosen]
    ffmpeg.run(work, [*one, *output], limits=LIMITS)


def last_moment(source: Media, picture: Stream) -> float:
    """Return the latest moment (s) at which there is a frame."""
    return max(0.0, (picture.duration or source.duration) - max(LAST_FRAME_SECONDS, 1.5 / picture.fps if picture.fps else 0))
