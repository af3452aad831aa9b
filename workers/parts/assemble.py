"""Makes the output of a film in parts: decides whether to split it, and joins picture, sound, captions and tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from chalicelib.domain.params.common import parse_resolution
from workers.encoding import file as output_file
from workers.media import ffmpeg
from workers.parts import film as film_module
from workers.parts import join, plan

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.domain.captions.cues import Cue
    from chalicelib.domain.params.transcoding import TranscodingParams
    from workers.captions.subtitles import Subtitles
    from workers.context.team import TeamWork
    from workers.context.work import Work
    from workers.media.probe import Media, Stream
    from workers.parts.encode import Rendition
    from workers.parts.film import Film

logger = Logger(service="mediaq", child=True)
MARGIN_SECONDS = 0.1
PART_SECONDS_LEAST, PARTS_LEAST = 2.0, 4
"""A shorter part would cost more to start than it saves, unless the operator splits even shorter films."""


def split(
    work: Work,
    source: Media,
    file: Path,
    *,
    fields: str,
    fps: float | None,
    renditions: list[Rendition],
    cues: tuple[Cue, ...] | None,
    seconds: float,
) -> tuple[Film | None, dict[str, Any]]:
    """Return the film to encode in parts, or why a long film runs whole, for the result. `seconds`: its duration."""
    params, shown, team = work.params, source.track("video"), work.team
    if team is None or not params.parts or shown is None or not renditions:
        return None, {}
    pixels = sum(_pixels(params, shown, one) for one in renditions)
    expected = film_module.estimated_seconds(pixels, seconds * (fps or shown.fps), renditions, params.preset)
    if expected < team.from_seconds:
        return None, {}
    try:
        if not _sound_overlaps(params, source):
            raise plan.NotSplittable("The sound has nothing in the part of the film that is wanted")  # noqa: TRY301
        if any(one.quality.bitrate is not None for one in renditions):
            raise plan.NotSplittable("A bit rate is kept over the whole film")  # noqa: TRY301
        film = film_module.prepare(
            work,
            source,
            file,
            fields=fields,
            fps=fps,
            renditions=renditions,
            cues=None if cues is None else list(cues),
            seconds=expected,
            wanted=team.parts_wanted,
            shortest=min(PART_SECONDS_LEAST, team.from_seconds / PARTS_LEAST),
        )
    except plan.NotSplittable as reason:
        return None, whole(reason)
    return film, {}


def _sound_overlaps(params: TranscodingParams, source: Media) -> bool:
    """Return whether the output has samples of the sound, as far as the file says; without a sound it does."""
    heard = source.track("audio")
    if heard is None or params.sound_codec is None or not heard.duration:
        return True
    end = params.start + params.duration if params.duration is not None else float("inf")
    return heard.start + heard.duration > params.start + MARGIN_SECONDS and heard.start + MARGIN_SECONDS < end


def _pixels(params: TranscodingParams, shown: Stream, rendition: Rendition) -> float:
    box = rendition.resolution if params.format == "hls" else params.resolution
    if box is None:
        return shown.pixels
    width, height = parse_resolution(box)
    return width * height if params.upscale else min(shown.pixels, width * height)


def run(
    work: Work,
    source: Media,
    film: Film,
    target: Path,
    *,
    measured: dict[str, float] | None,
    captions: Subtitles | None,
) -> TeamWork:
    """Encode the film in parts and write the output. `measured`: the first pass of the loudness.

    Raises:
        NotSplittable: see `joined`.
    """
    params: TranscodingParams = work.params
    heard = target.with_name(f"sound.{params.format}") if params.sound_codec and source.track("audio") else None

    def encode_sound() -> None:
        if heard is not None:
            command = output_file.arguments(params, source, film.file, heard, ["-vn"], measured)
            ffmpeg.run(work, command)

    done = encode(work, film, encode_sound)
    (picture,) = joined(work, film, done)
    ffmpeg.run(work, _joined(work, source, film, picture, heard, captions, target), share=(1, 1))
    for made in (picture, heard):
        if made is not None:
            made.unlink()
    return done


def joined(work: Work, film: Film, done: TeamWork) -> list[Path]:
    """Join the encoded parts; return the file of each rendition.

    Raises:
        NotSplittable: frames are missing, or there are too many. That would be a defect, and the film runs whole.
    """
    made = join.run(work, done.total)
    counts = {one.frames for one in made}
    if film.frames is not None and not done.errors and counts != {film.frames}:
        logger.error("parts have other frames than the film", extra={"parts": sorted(counts), "film": film.frames})
        raise plan.NotSplittable(f"The film has {film.frames} frames, and its parts {max(counts)}")
    return [one.file for one in made]


def whole(reason: plan.NotSplittable) -> dict[str, Any]:
    """Return `result.parts` of a long film that runs whole."""
    return {"parts": {"count": 1, "reason": str(reason)}}


def encode(work: Work, film: Film, meanwhile: Any) -> TeamWork:
    """Let the team encode the film; afterwards the folder has the encoded parts only."""
    assert work.team is not None
    done = work.team.encode(work, film, meanwhile)
    work.warnings.note_decode_errors(done.errors)
    for one in film.parts:
        (work.folder / film_module.source_name(one.number, film.recipe.picture.codec)).unlink(missing_ok=True)
    return done


def _joined(
    work: Work,
    source: Media,
    film: Film,
    picture: Path,
    heard: Path | None,
    captions: Subtitles | None,
    target: Path,
) -> list[str]:
    """Return ffmpeg's arguments that copy picture and sound into the output, at their own times."""
    params: TranscodingParams = work.params
    more = ffmpeg.input_arguments(picture, "nut") + (ffmpeg.input_arguments(heard) if heard is not None else [])
    number = 2 if captions is not None and captions.input else 1
    # the chapters of the film move with its start; with -copyts, no other time does
    shift = ["-copyts", "-itsoffset", ffmpeg.number(-film.start_us / 1e6)]
    tag = ["-tag:v", "hvc1"] if params.video_codec == "h265" and params.format in ("mp4", "mov") else []
    return output_file.arguments(
        params,
        source,
        film.file,
        target,
        ["-map", f"{number}:v:0", "-c:v", "copy", *tag],
        None,
        captions,
        more,
        opened=[*shift, *ffmpeg.input_arguments(film.file)],
        heard=["-map", f"{number + 1}:a:0", "-c:a", "copy"] if heard is not None else ["-an"],
    )


def described(done: TeamWork, film: Film) -> dict[str, Any]:
    """Return `result.parts`."""
    rows = [{**row, "at": round((film.parts[row["part"]].start_us or 0) / 1e6, 3)} for row in done.timeline]
    return {"count": done.total, "workers": done.workers, "repeated": done.repeated, "timeline": rows}
