"""Reads a file to its end without decoding, and compares the duration with the one that its index promises."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.errors import MediaRejected
from workers.media import ffmpeg, probe
from workers.sandbox import sandbox

if TYPE_CHECKING:
    from pathlib import Path

    from workers.context.work import Work
    from workers.media.probe import Media

LIMITS = sandbox.Limits(data_bytes=2 * sandbox.GIB, file_bytes=0)


def check(work: Work, file: Path, media: Media) -> None:
    """Warn if a film or a sound ends early. Still pictures are not checked."""
    streams = [one for one in media.streams if not one.attached and one.codec and not one.problem]
    promised = media.promised(streams)
    if not promised:
        return
    copied = [word for one in streams for word in ("-map", f"0:{one.index}")]
    command = [*ffmpeg.input_arguments(file), *copied, "-c", "copy", "-t", str(probe.DURATION_MAX_SECONDS), "-f", "null", "-"]
    try:
        reached = ffmpeg.run(work, command, limits=LIMITS, counts=False).reached
    except MediaRejected:
        reached = 0.0
    work.warnings.check_length(promised, reached)
