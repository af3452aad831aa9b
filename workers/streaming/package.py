"""Makes a streaming package of the input: renditions, playlists, a manifest, captions and thumbnails."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from chalicelib.errors import MediaRejected
from workers.captions import subtitles
from workers.context.work import Done
from workers.encoding import part, picture
from workers.media import ffmpeg, probe, summary, tracks
from workers.quality import check, measure
from workers.streaming import boxes, encode, in_parts, ladder, segments, sounds, text
from workers.streaming.contents import Contents, Sheet, Video
from workers.streaming.targets import Targets, resolve

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.domain.captions.cues import Cue
    from chalicelib.domain.params.transcoding import TranscodingParams
    from workers.context.work import Work
    from workers.encoding.picture import Look
    from workers.media.probe import Media, Stream
    from workers.streaming.encode import Grid
    from workers.streaming.ladder import Rendition

FPS_MAX = 60
PIXELS_TOGETHER = 20_000_000
"""Pixels of all renditions that one process encodes: one codec of a 4K ladder has 16 million and takes about 3 GB."""
ENCODED = 0.95
"""The share of progress when the encoders end."""


def run(work: Work) -> Done:
    """Make a package of the input."""
    params: TranscodingParams = work.params
    source, file = tracks.open_picture(work, "video", "audio")
    shown, heard = source.track("video"), sounds.choose(params, source)
    if shown is None and not heard:
        raise MediaRejected(f"{source.without('video')}, and no sound either")
    if shown is None and params.burn_in:
        raise MediaRejected(f"{source.without('video')}; params.burn_in draws into one")
    started = time.monotonic()
    opened, seconds = part.opened(params, source, file), part.seconds(params, source)
    look, fields, cues = None, "progressive", None
    renditions: list[Rendition] = []
    if shown is not None:
        look, fields, cues = _look(work, source, file, opened)
        renditions, skipped = ladder.choose(params, shown)
        if skipped:
            heights = ", ".join(map(str, skipped))
            work.warnings.warn("renditions_skipped", f"The film is {ladder.film_height(shown)} high: no rendition of {heights}")
    targets = Targets(renditions, {}, [])
    if look is not None:
        targets = resolve(work, source, file, look, renditions, seconds)
    grid = encode.thumbnail_grid(_picture_seconds(params, shown, seconds)) if params.thumbnails and shown else None
    encoding = work.stage(*check.stages(params))
    voices = sounds.prepare(encoding, heard, [*opened, *part.cut(params, source)], seconds)
    split = False
    about: dict[str, Any] = {}
    if look is not None and _together(targets.renditions):
        split, about = in_parts.encode(
            encoding, source, file, look, targets.renditions, voices, grid,
            fields=fields, fps=_rate(params, source), cues=cues, seconds=seconds,
        )  # fmt: skip
    if not split:
        _encode(encoding, source, look, opened, targets.renditions, voices, grid, seconds)
    contents = _contents(work, targets.renditions, voices, grid)
    contents.captions = text.write_captions(work, contents.duration)
    work.warnings.check_length(part.promised(params, source, *(["video"] if look else ["audio"])), contents.duration)
    took = time.monotonic() - started
    result = _result(contents, source, took) | tracks.taken(source, "video", "audio") | about
    if look is not None:
        _compare(work, look, contents, targets, result["renditions"])
    if targets.left_out:
        result["left_out"] = targets.left_out
    return Done(text.write(work, contents), result)


def _encode(
    work: Work,
    source: Media,
    look: Look | None,
    opened: list[str],
    renditions: list[Rendition],
    voices: list[sounds.Voice],
    grid: Grid | None,
    seconds: float,
) -> None:
    """Encode all renditions: in one process, or in one for each codec if there are too many pixels for the memory of one."""
    codecs = list(dict.fromkeys(one.codec for one in renditions))
    groups = (
        [renditions]
        if _together(renditions) or not codecs
        else [[one for one in renditions if one.codec == codec] for codec in codecs]
    )
    begun = sounds.MEASURED if work.params.loudness is not None else 0.0
    for number, group in enumerate(groups):
        first = number == 0
        encoded = encode.arguments(work, source, look, group, voices if first else [], grid if first else None)
        # otherwise a damaged sound among several would end the whole package
        tolerant = ["-max_error_rate", "1"] if len(voices) > 1 else []
        share = (begun + (ENCODED - begun) * number / len(groups), begun + (ENCODED - begun) * (number + 1) / len(groups))
        ffmpeg.run(work, [*tolerant, *opened, *encoded], seconds=seconds, share=share)


def _look(work: Work, source: Media, file: Path, opened: list[str]) -> tuple[Look, str, tuple[Cue, ...] | None]:
    """Return the picture, the field shown first or `progressive`, and the captions to draw."""
    params: TranscodingParams = work.params
    shown = source.track("video")
    assert shown is not None
    fields = picture.field_order(work, source, file)
    drawn = subtitles.prepare(work, source, late=False) if params.burn_in else None
    filters, drawing = picture.frames(shown, fields, _rate(params, source)), drawn.filters if drawn else []
    look = picture.Look(opened, shown.index, filters, drawing, tuple(encode.first_at_zero(params, source)))
    return look, fields, drawn.cues if drawn else None


def _rate(params: TranscodingParams, source: Media) -> float | None:
    """Return the frame rate to make; None: that of the film."""
    shown = source.track("video")
    return params.fps or (reduced_rate(shown.fps) if shown else None)


def _together(renditions: list[Rendition]) -> bool:
    """Return whether one process has the memory for all renditions."""
    return sum((one.height * 16 / 9) * one.height for one in renditions) <= PIXELS_TOGETHER


def _picture_seconds(params: TranscodingParams, shown: Stream, seconds: float) -> float:
    """Return the duration of the picture in the output: the sound may be longer."""
    left = max(0.0, shown.start + shown.duration - params.start)
    return min(seconds, left) if shown.duration else seconds


def reduced_rate(fps: float) -> float | None:
    """Return the frame rate of a package for a film that is faster than FPS_MAX: a whole fraction of its own; else None."""
    return fps / math.ceil(fps / FPS_MAX) if fps > FPS_MAX else None


def _contents(work: Work, renditions: list[Rendition], voices: list[sounds.Voice], grid: Grid | None) -> Contents:
    """Read what was encoded."""
    contents = Contents()
    for one in renditions:
        track = boxes.read(work.folder / f"{one.name}.mp4")
        if not track.fragments:
            raise MediaRejected(part.NOTHING_LEFT.format(work.params.start))
        contents.videos.append(Video(one.name, track, segments.group(track.fragments), one))
    made = [sounds.read(work.folder, voice) for voice in voices]
    contents.sounds = [one for one in made if one is not None]
    for voice, heard in zip(voices, made, strict=True):
        if heard is None:
            work.warnings.warn("stream_ignored", f"The sound {voice.label} has nothing in this part of the input")
    if not contents.videos and not contents.sounds:
        raise MediaRejected(f"The input has no sound after params.start, {work.params.start:g} s")
    sheet = work.folder / encode.SHEET
    if grid is not None and sheet.exists():
        drawn = probe.probe(sheet, check=work.check, container="jpeg_pipe").track("video")
        assert drawn is not None
        width, height = drawn.width // grid.columns, drawn.height // grid.rows
        contents.sheet = Sheet(encode.SHEET, width, height, grid.columns, grid.rows, grid.every, sheet.stat().st_size)
    return contents


def _compare(work: Work, look: Look, contents: Contents, targets: Targets, rows: list[dict[str, Any]]) -> None:
    """Add the quality to the rows of the renditions, as far as the job asks for it."""
    params: TranscodingParams = work.params
    end, each = check.stages(params)[1], (1 - check.stages(params)[1]) / max(1, len(rows))
    for number, (one, row) in enumerate(zip(contents.videos, rows, strict=True)):
        found = targets.found.get(one.name)
        if not (params.quality or found) or min(one.track.width, one.track.height) < measure.SIDE_LEAST:
            continue
        reference = measure.Reference(look.opened, look.stream, look.sized(picture.scaled(one.rendition.resolution)))
        score = measure.compare(
            work.stage(end + each * number, end + each * (number + 1)),
            reference,
            work.folder / f"{one.name}.mp4",
            min(one.track.width, one.track.height),
            fps=one.fps,
            seconds=one.track.duration,
            full=params.quality == "full",
        )
        if params.quality:
            row["quality"] = measure.describe(score)
        if found is not None and one.rendition.target_vmaf is not None:
            row["target_vmaf"] = check.reached(work, found, one.rendition.target_vmaf, score.mean)


def _result(contents: Contents, source: Media, took: float) -> dict[str, Any]:
    target = contents.target_duration
    first = contents.videos[0] if contents.videos else None
    result: dict[str, Any] = {"format": "hls", "duration": round(contents.duration, 3)}
    if first is not None:
        largest = max(contents.videos, key=lambda one: one.track.width * one.track.height)
        result |= {"video_codec": first.rendition.codec, "width": largest.track.width, "height": largest.track.height}
        result |= {"fps": round(first.fps, 3), "segments": len(first.segments)}
    if contents.sounds:
        main = contents.sounds[0]
        result |= {"audio_codec": "aac", "sample_rate": main.track.sample_rate, "channels": main.track.channels}
        result["sounds"] = [
            {"name": one.name, "language": one.language or None, "channels": one.track.channels, "bytes": one.track.bytes,
             "bitrate": segments.average_rate(one.segments)}
            for one in contents.sounds
        ]  # fmt: skip
    result["renditions"] = [_rendition(one, target) for one in contents.videos]
    if contents.captions:
        result["captions"] = [{"language": one.language, "cues": one.cues} for one in contents.captions]
    return result | {
        "bytes": sum(one.track.bytes for one in contents.tracks),
        "input_bytes": source.bytes,
        "input_duration": source.duration,
        "input": summary.of_picture_and_sound(source),
        "seconds": round(took, 3),
        "speed": round(contents.duration / took, 2) if took > 0 else 0,
    }


def _rendition(one: Video, target: int) -> dict[str, Any]:
    quality = one.rendition.quality
    asked = {"crf": quality.crf, "ceiling": quality.ceiling, "wanted_bitrate": quality.bitrate}
    return {
        "name": one.name,
        "codec": one.rendition.codec,
        "codecs": one.track.codec,
        "width": one.track.width,
        "height": one.track.height,
        "fps": round(one.fps, 3),
        "bitrate": segments.average_rate(one.segments),
        "peak_bitrate": segments.peak_rate(one.segments, target),
        "bytes": one.track.bytes,
        **{name: value for name, value in asked.items() if value is not None},
    }
