"""Encodes the renditions of a package in parts, on several workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workers.encoding import part
from workers.media import ffmpeg
from workers.parts import assemble
from workers.parts.encode import Rendition
from workers.parts.plan import NotSplittable
from workers.streaming import encode as encoding
from workers.streaming.segments import KEYFRAME_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.domain.captions.cues import Cue
    from workers.context.work import Work
    from workers.encoding.picture import Look
    from workers.media.probe import Media
    from workers.streaming import ladder
    from workers.streaming.encode import Grid
    from workers.streaming.sounds import Voice


def encode(
    work: Work,
    source: Media,
    file: Path,
    look: Look,
    renditions: list[ladder.Rendition],
    voices: list[Voice],
    grid: Grid | None,
    *,
    fields: str,
    fps: float | None,
    cues: tuple[Cue, ...] | None,
    seconds: float,
) -> tuple[bool, dict[str, Any]]:
    """Write the files of all renditions and sounds into the folder of the work, if the film is split.

    Return whether it was, and what the result says of it: see `assemble.split`.
    """
    wanted = [Rendition(one.codec, one.quality, one.resolution, KEYFRAME_SECONDS) for one in renditions]
    film, about = assemble.split(
        work, source, file, fields=fields, fps=fps, renditions=wanted, cues=cues, seconds=seconds
    )  # fmt: skip
    if film is None:
        return False, about
    opened = part.opened(work.params, source, film.file)

    def encode_rest() -> None:
        if voices or grid is not None:
            tolerant = ["-max_error_rate", "1"] if len(voices) > 1 else []
            ffmpeg.run(work, [*tolerant, *opened, *encoding.arguments(work, source, look, [], voices, grid)], counts=False)

    done = assemble.encode(work, film, encode_rest)
    try:
        files = assemble.joined(work, film, done)
    except NotSplittable as reason:
        return False, assemble.whole(reason)
    for one, joined in zip(renditions, files, strict=True):
        ffmpeg.run(work, ["-copyts", *ffmpeg.input_arguments(joined, "nut"), *encoding.copied(work, source, one)], share=(1, 1))
        joined.unlink()
    return True, {"parts": assemble.described(done, film)}
