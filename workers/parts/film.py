"""Prepares a film for its parts: whether it can be split, where, and how each part is encoded."""

from __future__ import annotations

import shutil
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from chalicelib.domain.estimates.speeds import encoding_seconds
from workers.encoding import part as wanted_part
from workers.parts import cut, index, plan
from workers.parts.encode import Recipe, Rendition
from workers.sandbox import sandbox

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.domain.captions.cues import Cue
    from workers.context.work import Work
    from workers.media.probe import Media, Stream
    from workers.parts.index import Index
    from workers.parts.plan import Part, Timeline

PACKETS_AGAIN, SHORT = 3, 1000
"""All parts together may decode a film so many times, and some frames more."""
WHOLE_PICTURES = (
    "prores",
    "dnxhd",
    "mjpeg",
    "ffv1",
    "rawvideo",
    "png",
    "huffyuv",
    "utvideo",
    "jpeg2000",
    "dvvideo",
    "qtrle",
    "v210",
)
"""Codecs all of whose frames are keyframes."""
WITHOUT_NUT = ("prores", "dnxhd")
"""Codecs of whole pictures that NUT does not know."""
PARTS_MAX = 1000
EARLY = 0.001
"""As in `video.forced_keyframes`: how far before a multiple of the keyframe distance a frame still counts, as a share of it."""


class Film(NamedTuple):
    """A film that can be split."""

    recipe: Recipe
    parts: list[Part]
    shift: int
    """What is added to the times of all packets, in units of the film's time base."""
    stream: int
    file: Path
    start_us: int
    """The start of the output in the film, in microseconds."""
    seconds: float
    """The estimated seconds of encoding."""
    frames: int | None
    """How many frames each rendition has; None: filters decide."""

    def cut_plan(self, folder: Path) -> cut.CutPlan:
        """Return where the packets of each part go."""
        targets = [str(folder / source_name(one.number, self.recipe.picture.codec)) for one in self.parts]
        windows = [cut.Window(one.first, one.last, target) for one, target in zip(self.parts, targets, strict=True)]
        return cut.CutPlan(self.shift, windows)


def source_name(number: int, codec: str) -> str:
    """Return the name of the file with the packets of a part."""
    return f"source-{number:04}.{'mov' if codec in WITHOUT_NUT else 'nut'}"


def estimated_seconds(pixels: float, frames: float, renditions: list[Rendition], preset: str) -> float:
    """Return about how long two processors encode the film, in s. `pixels`: those of a frame, of all renditions together."""
    return max(encoding_seconds(pixels * frames / 1e6, one.codec, preset) for one in renditions)


def prepare(
    work: Work,
    source: Media,
    file: Path,
    *,
    fields: str,
    fps: float | None,
    renditions: list[Rendition],
    cues: list[Cue] | None,
    seconds: float,
    wanted: int,
    shortest: float,
) -> Film:
    """Return the film with its parts.

    `seconds`: the estimated seconds of encoding; `wanted`: how many parts; `shortest`: the seconds of the shortest.

    Raises:
        NotSplittable: it runs whole; the text says why.
    """
    params, picture = work.params, source.track("video")
    assert picture is not None
    found = _read_index(work, source, file, picture)
    timeline = plan.Timeline(found, params.start, params.duration, filters_look=fps is not None or fields != "progressive")
    rate = Fraction(*found.rate) if fps is None else None
    if rate is not None and not rate:
        raise plan.NotSplittable("The frame rate of the film is unknown")
    every = renditions[0].keyframes_every
    count = max(1, min(wanted, PARTS_MAX, int(seconds / shortest)))
    parts = plan.divide(timeline, _places(timeline, every, rate), count)
    _check_parts(work, source, found, parts)
    # NUT has no times before zero; whole seconds that are whole units of the time base are exact
    below = -min(0, *(timeline.times[n] for one in parts for n in range(one.first, min(one.last, one.first + 100))))
    rounds = -(-below // found.time_base[1])
    recipe = Recipe(
        offset=rounds * found.time_base[0],
        ffmpeg=work.tools.programs.version,
        params=_builtins(params),
        picture=picture,
        fields=fields,
        rate=(rate.numerator, rate.denominator) if rate else None,
        fps=fps,
        last_frame_us=timeline.last_frame_us,
        trimmed=timeline.trimmed,
        first_at_zero=params.format == "hls",
        bounds=[(one.start_us, one.end_us) for one in parts],
        renditions=renditions,
        cues=cues,
    )
    return Film(
        recipe,
        parts,
        timeline.shift + rounds * found.time_base[1],
        picture.index,
        file,
        start_us=found.start_us + round(params.start * 1e6),
        seconds=seconds,
        frames=plan.frames_of_output(timeline, rate) if rate and fields == "progressive" else None,
    )


def _read_index(work: Work, source: Media, file: Path, picture: Stream) -> Index:
    """Return the index of a film whose packets can be copied."""
    if source.container not in plan.SPLITTABLE or wanted_part.is_cut_late(source):
        raise plan.NotSplittable(f"A film in {source.kind.suffix} cannot be split")
    if file != work.input:
        raise plan.NotSplittable("A picture that is drawn first cannot be split")
    found = index.read(work, file, picture.index)
    if found is None:
        raise plan.NotSplittable("The packets of the film cannot be read to the end")
    if len(found.keys) == len(found.pts) and picture.codec not in WHOLE_PICTURES:
        raise plan.NotSplittable("Every frame of the film is marked as a keyframe")
    return found


def _check_parts(work: Work, source: Media, found: Index, parts: list[Part]) -> None:
    """Check that the parts are worth it, and that the disk has room for them."""
    if len(parts) < 2 or sum(one.last - one.first for one in parts) > PACKETS_AGAIN * len(found.pts) + SHORT:  # noqa: PLR2004
        raise plan.NotSplittable("The film has too few keyframes")
    size = sum(sum(found.sizes[one.first : one.last]) for one in parts)
    if source.bytes + 3 * size > sandbox.Limits().folder_bytes or 2 * size > shutil.disk_usage(work.folder).free:
        raise plan.NotSplittable("The film is too large for the disk of a worker to have it in parts too")


def _places(timeline: Timeline, every: float, rate: Fraction | None) -> list[int]:
    return plan.grid_times(timeline, every, every * EARLY, rate) if every else plan.keyframe_times(timeline, rate)


def _builtins(params: Any) -> dict[str, Any]:
    """Return the parameters as they were sent, without those that have their default."""
    defaults = {one.name: one.default for one in msgspec.structs.fields(type(params))}
    return {name: value for name, value in msgspec.to_builtins(params).items() if value != defaults[name]}
