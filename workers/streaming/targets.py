"""Target qualities of a package: the factor of every rendition, and which renditions bring no quality."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from workers.encoding import picture
from workers.encoding.video import Quality
from workers.quality import check, measure, search

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.domain.params.transcoding import TranscodingParams
    from workers.context.work import Work
    from workers.encoding.picture import Look
    from workers.media.probe import Media
    from workers.quality.search import Found, Samples
    from workers.streaming.ladder import Rendition

GAIN = 2.0
"""VMAF on the largest screen, which few people see. A rendition that gains less over the next smaller one is left out."""


class Targets(NamedTuple):
    """The renditions to encode, and what the search found."""

    renditions: list[Rendition]
    found: dict[str, Found]
    """By the name of the rendition."""
    left_out: list[dict[str, object]]
    """Renditions that bring no quality."""


def resolve(work: Work, source: Media, file: Path, look: Look, renditions: list[Rendition], seconds: float) -> Targets:
    """Find the factor of every rendition with a target quality. Without `ladder`, leave out those that bring no quality."""
    params: TranscodingParams = work.params
    shown = source.track("video")
    rate = params.fps or (shown.fps if shown else 0) or check.FPS
    found: dict[str, Found] = {}
    samples: dict[int, Samples] = {}
    resolved: list[Rendition] = []
    each = check.stages(params)[0] / max(1, len(renditions))
    for number, one in enumerate(renditions):
        if one.target_vmaf is None:
            resolved.append(one)
            continue
        if one.height not in samples:
            size = picture.scaled(one.resolution)
            taken = search.take_samples(work, source, file, look, size, seconds, rate)
            kept = taken.file.rename(taken.file.with_name(f"samples-{one.height}.mkv"))
            samples[one.height] = taken._replace(file=kept)
        keep = _kept(work, one) if params.ladder is None else None
        found[one.name] = search.find(
            work.stage(each * number, each * (number + 1)), samples[one.height], one.codec, one.target_vmaf, lose=0.0, keep=keep
        )
        resolved.append(one._replace(quality=Quality(found[one.name].crf)))
    left_out = _without_gain(work, resolved, samples[max(samples)]) if samples and params.ladder is None else []
    for file_of_ours in (*work.folder.glob("samples-*.mkv"), *work.folder.glob("probe-*.mkv")):
        file_of_ours.unlink()
    names = [one["name"] for one in left_out]
    return Targets([one for one in resolved if one.name not in names], found, left_out)


def _kept(work: Work, one: Rendition) -> Path:
    return work.folder / f"probe-{one.name}.mkv"


def _without_gain(work: Work, renditions: list[Rendition], largest: Samples) -> list[dict[str, object]]:
    """Return the renditions that look on the largest screen like a smaller one of their codec that is kept."""
    left_out: list[dict[str, object]] = []
    for codec in dict.fromkeys(one.codec for one in renditions):
        of_codec = [one for one in renditions if one.codec == codec]
        looks = [_look_enlarged(work, one, largest) for one in of_codec]
        kept = len(of_codec) - 1
        for number in range(kept - 1, -1, -1):
            gain = round(looks[number] - looks[kept], 2)
            if gain < GAIN:
                left_out.append({"name": of_codec[number].name, "gain": gain, "over": of_codec[kept].name})
            else:
                kept = number
    return left_out


def _look_enlarged(work: Work, one: Rendition, largest: Samples) -> float:
    scaled = [f"scale={largest.width}:{largest.height}:flags=bicubic"]
    score = measure.compare(
        work, largest.reference, _kept(work, one), min(largest.width, largest.height),
        fps=largest.fps, seconds=largest.seconds, full=True, scaled=scaled, share=(0, 0),
    )  # fmt: skip
    return score.mean
