"""Encodes the renditions of a package in parts, on several workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workers.encoding import part
from workers.media import ffmpeg
from workers.parts import assemble, join
from workers.parts.encode import Rendition
from workers.streaming import encode
from workers.streaming.segments import KEYFRAME_SECONDS

if TYPE_CHECKING:
    from chalicelib.domain.captions.cues import Cue
    from workers.context.work import Work
    from workers.encoding.picture import Look
    from workers.media.probe import Media
    from workers.parts.film import Film
    from workers.streaming import ladder
    from workers.streaming.encode import Grid
    from workers.streaming.sounds import Voice


def split(
    work: Work,
    source: Media,
    *,
    fields: str,
    fps: float | None,
    renditions: list[ladder.Rendition],
    cues: tuple[Cue, ...] | None,
    seconds: float,
) -> tuple[Film | None, dict[str, Any]]:
    """Return the film to encode in parts, or why a long film runs whole: see `assemble.split`."""
    wanted = [Rendition(one.codec, one.quality, one.resolution, KEYFRAME_SECONDS) for one in renditions]
    return assemble.split(
        work, source, work.input, fields=fields, fps=fps, renditions=wanted, cues=cues, seconds=seconds
    )  # fmt: skip


def run(
    work: Work,
    source: Media,
    film: Film,
    renditions: list[ladder.Rendition],
    voices: list[Voice],
    grid: Grid | None,
    picture: Look,
) -> dict[str, Any]:
    """Write the files of all renditions and sounds into the folder of the work; return `result.parts`."""
    opened = part.opened(work.params, source, film.file)

    def encode_rest() -> None:
        if voices or grid is not None:
            tolerant = ["-max_error_rate", "1"] if len(voices) > 1 else []
            ffmpeg.run(work, [*tolerant, *opened, *encode.arguments(work, source, picture, [], voices, grid)], counts=False)

    done = assemble.encode(work, film, encode_rest)
    for one, joined in zip(renditions, join.run(work, done.total), strict=True):
        ffmpeg.run(work, ["-copyts", *ffmpeg.input_arguments(joined, "nut"), *encode.copied(work, source, one)], share=(1, 1))
        joined.unlink()
    return {"parts": assemble.described(done, film)}
