"""`quality` and `target_vmaf` of a job: the search before the encoder, and the comparison after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workers.encoding import part
from workers.media import ffmpeg
from workers.quality import measure, search

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.domain.params.transcoding import TranscodingParams
    from workers.context.work import Work
    from workers.encoding.picture import Look
    from workers.media.probe import Media
    from workers.quality.search import Found

SEARCHED, COMPARED = 0.35, 0.25
"""The shares of progress for the search and for the comparison."""
MISSED = 1.0
"""A film whose VMAF is so much lower than the target gets a warning."""
FPS = 25.0
"""The frame rate of a film that does not say it."""


def stages(params: TranscodingParams) -> tuple[float, float]:
    """Return the progress at which the encoder begins and ends."""
    measured = params.target_vmaf is not None or bool(params.quality)
    aimed = params.target_vmaf is not None or any(rung.target_vmaf is not None for rung in params.ladder or [])
    return SEARCHED if aimed else 0.0, 1 - COMPARED if measured or aimed else 1.0


def find(work: Work, source: Media, file: Path, look: Look, size: list[str], seconds: float) -> Found | None:
    """Return the factor for `target_vmaf`; None if the job has no target. `size`: the filters of the size."""
    params: TranscodingParams = work.params
    shown = source.track("video")
    if params.target_vmaf is None or params.video_codec is None or shown is None:
        return None
    samples = search.take_samples(work, source, file, look, size, seconds, params.fps or shown.fps or FPS)
    found = search.find(work.stage(0, stages(params)[0]), samples, params.video_codec, params.target_vmaf)
    samples.file.unlink()
    return found


def compare(
    work: Work, source: Media, look: Look, size: list[str], file: Path, made: Media, found: Found | None
) -> dict[str, Any]:
    """Return `quality` and `target_vmaf` of the result, as far as the job asks for them. `made`: the output in `file`."""
    params: TranscodingParams = work.params
    shown = made.track("video")
    if shown is None or not (params.quality or found):
        return {}
    score = measure.compare(
        work.stage(stages(params)[1], 1), reference(params, source, look, size), file, min(shown.width, shown.height),
        fps=shown.fps, seconds=made.duration, full=params.quality == "full",
    )  # fmt: skip
    result: dict[str, Any] = {"quality": measure.describe(score)} if params.quality else {}
    if found is not None and params.target_vmaf is not None:
        result["target_vmaf"] = reached(work, found, params.target_vmaf, score.mean)
    return result


def reference(params: TranscodingParams, source: Media, look: Look, size: list[str]) -> measure.Reference:
    """Return the picture as it reached the encoder."""
    late = part.is_cut_late(source) and params.start
    trimmed = [f"trim=start={ffmpeg.number(params.start)}"] if late else []
    return measure.Reference(look.opened, look.stream, [*look.sized(size), *trimmed])


def reached(work: Work, found: Found, target: float, vmaf: float) -> dict[str, Any]:
    """Return what was tried, predicted and reached; warn if that is worse than the target."""
    if vmaf < target - MISSED:
        work.warnings.warn("target_missed", f"The output has a VMAF of {vmaf:.1f}; params.target_vmaf is {target:g}")
    return {**found.describe(target), "reached": vmaf}
