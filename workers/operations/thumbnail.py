"""`thumbnail`: stills at given moments or at the best one, of a film, a picture, or the cover of a song.

Every frame is reached by seeking, so the time does not grow with the length of the film.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chalicelib.domain.captions.formats import clock
from chalicelib.domain.params.common import SIDE_MAX
from chalicelib.errors import MediaRejected
from workers.context.work import Done, Output
from workers.encoding import visual
from workers.media import ffmpeg, framing, interlacing, probe, sharpness, stills, tracks
from workers.privacy import image_metadata

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.domain.params.thumbnail import ThumbnailParams
    from workers.context.work import Work
    from workers.media.probe import Media, Stream

DEMUXERS = {"jpg": "jpeg_pipe", "png": "png_pipe", "webp": "webp_pipe"}
MIME = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
WAVEFORM = (1280, 320)
"""The size of the picture of a sound."""
CHOSEN = 0.7
"""The share of progress for choosing moments."""
CODECS = {"jpg": "mjpeg", "png": "png", "webp": "libwebp"}


def run(work: Work) -> Done:
    """Run the operation."""
    params: ThumbnailParams = work.params
    source, file = tracks.open_picture(work, "video", "audio")
    picture = source.track("video") or source.cover()
    heard = source.track("audio")
    if params.waveform or (heard is not None and not source.all("video") and params.count == 1):
        return _waveform(work, source)
    if picture is None:
        raise MediaRejected(f"{source.without('video')}, and no cover either")
    work = replace(work, input=file)
    started = time.monotonic()
    moments = _moments(work, source, picture)
    fields = _fields(work, source, picture)
    files: list[Path] = []
    for number, (moment, score) in enumerate(moments):
        file, at = _take(work, picture, fields, moment, number + 1, len(moments))
        files.append(file)
        moments[number] = (at, score)
    outputs = [Output(file, file.name, MIME[params.format]) for file in files]
    if params.sprite:
        outputs = _sheet(work, source, moments, files)
    made = probe.probe(outputs[0].path, check=work.check, container=DEMUXERS[params.format]).track("video")
    assert made is not None
    taken = [{"at": round(moment, 3)} | ({"score": score} if score is not None else {}) for moment, score in moments]
    result: dict[str, Any] = {"format": params.format, "width": made.width, "height": made.height, "pictures": taken}
    result |= tracks.taken(source, "video")
    return Done(outputs, result | {"input_duration": source.duration, "seconds": round(time.monotonic() - started, 3)})


def _waveform(work: Work, source: Media) -> Done:
    """Draw the whole sound."""
    params: ThumbnailParams = work.params
    heard = source.track("audio")
    if heard is None:
        raise MediaRejected(f"{source.without('audio')}; params.waveform draws it")
    started = time.monotonic()
    size = (params.width or WAVEFORM[0], params.height or WAVEFORM[1])
    colours = (
        visual.colour(params.waveform_color, visual.FOREGROUND),
        visual.colour(params.background_color, visual.BACKGROUND),
    )
    opened = ffmpeg.input_arguments(work.input)
    volume = visual.gain(work, opened, heard)
    target = work.folder / f"output.{params.format}"
    graph = visual.still_waveform(heard, source.duration, size, colours, volume)
    drawing = ["-filter_complex", graph, "-map", "[picture]", "-frames:v", "1", *_encoder(params.format, params.quality)]
    ffmpeg.run(work, [*opened, *drawing, f"file:{target}"], seconds=source.duration)
    made = probe.probe(target, check=work.check, container=DEMUXERS[params.format]).track("video")
    assert made is not None
    result: dict[str, Any] = {"format": params.format, "width": made.width, "height": made.height, "pictures": []}
    result |= {"waveform": True, **tracks.taken(source, "audio"), "input_duration": source.duration}
    return Done([Output(target, target.name, MIME[params.format])], result | {"seconds": round(time.monotonic() - started, 3)})


def _moments(work: Work, source: Media, picture: Stream) -> list[tuple[float, float | None]]:
    """Return the moments in s, with their scores if they were scored."""
    params: ThumbnailParams = work.params
    if source.still or picture.attached or source.duration <= 0:
        if params.count > 1:
            raise MediaRejected("params.count must be 1: the input has a single picture, or does not say how long it is")
        return [(0.0, None)]
    last = stills.last_moment(source, picture)
    length = picture.duration or source.duration
    if params.count > 1:
        return [(min(last, length * (number + 0.5) / params.count), None) for number in range(params.count)]
    if params.at == "best":
        spread = [last * (number + 0.5) / params.candidates for number in range(params.candidates)]
        best = sharpness.rank(work, picture, spread, lambda share: work.progress(CHOSEN * share))[0]
        return [(best.at, best.score)]
    if isinstance(params.at, str):
        return [(min(last, length * float(params.at[:-1]) / 100), None)]
    if params.at >= source.duration:
        raise MediaRejected(f"params.at is {params.at:g} s, but the input is {source.duration:g} s long")
    return [(min(last, params.at), None)]


def _fields(work: Work, source: Media, picture: Stream) -> str:
    """Return the field shown first of a film to deinterlace, else `progressive`."""
    params: ThumbnailParams = work.params
    if params.deinterlace == "off":
        return "progressive"
    found = interlacing.detect(work.input, source, picture, check=work.check)
    return "top" if params.deinterlace == "on" and found == "progressive" else found


def _take(work: Work, picture: Stream, fields: str, moment: float, number: int, count: int) -> tuple[Path, float]:
    """Take one picture, earlier if there is no frame at this moment; return it and its moment."""
    params: ThumbnailParams = work.params
    target = work.folder / (f"output.{params.format}" if count == 1 else f"picture-{number:03}.{params.format}")
    kind = "png" if params.sprite else params.format
    target = target.with_suffix(f".{kind}")
    whole = framing.whole_frames(picture, fields)
    filters = [*whole, *framing.standard_range(picture), *framing.fit(_box(params), params.fit, even=1)]
    output = ["-vf", ",".join(filters), *_encoder(kind, params.quality), f"file:{target}"]
    for at in (moment, moment * 0.75, moment * 0.5, 0.0):
        with suppress(MediaRejected):
            stills.take(work, picture, at, output)
        if target.exists() and target.stat().st_size:
            if at < moment:
                work.warnings.warn(
                    "input_truncated", f"The input has no picture at {moment:.2f} s; one from {at:.2f} s was taken"
                )
            break
    else:
        raise MediaRejected("The input's picture could not be decoded")
    if kind == "png":  # which contains metadata of the camera
        taken = target.rename(target.with_name("taken.png"))
        image_metadata.clean(taken, target, "png_pipe", check=work.check)
        taken.unlink()
    work.progress(CHOSEN + (1 - CHOSEN) * number / count)
    return target, at


def _box(params: ThumbnailParams) -> tuple[str, str] | None:
    if params.sprite:
        return str(params.cell[0]), str(params.cell[1])
    if params.width is None and params.height is None:
        return None
    return str(params.width or SIDE_MAX), str(params.height or SIDE_MAX)


def _encoder(kind: str, quality: int) -> list[str]:
    """Return the encoder arguments. The JPEG scale runs from 31 (worst) to 2."""
    words = ["-c:v", CODECS[kind], "-map_metadata", "-1", "-update", "1"]
    if kind == "jpg":
        return [*words, "-pix_fmt", "yuvj420p", "-q:v", str(round(31 - 29 * quality / 100)), "-f", "image2"]
    if kind == "webp":
        return [*words, "-quality", str(quality), "-f", "webp"]
    return [*words, "-f", "image2"]


def _sheet(work: Work, source: Media, moments: list[tuple[float, float | None]], files: list[Path]) -> list[Output]:
    """Put the pictures on one sheet, and write the track that maps times to positions.

    In the track a picture is `<file id>#xywh=x,y,w,h`, which players resolve relative to the track's URL.
    """
    params: ThumbnailParams = work.params
    cell = probe.probe(files[0], check=work.check, container=DEMUXERS["png"]).track("video")
    assert cell is not None
    columns = params.sheet_columns
    rows = -(-len(files) // columns)
    sheet = work.folder / f"output.{params.format}"
    tile = f"tile={columns}x{rows}"
    pattern = ["-f", "image2", "-framerate", "1", "-start_number", "1", "-i", "file:picture-%03d.png"]  # in our private folder
    ffmpeg.run(work, [*pattern, "-vf", tile, "-frames:v", "1", *_encoder(params.format, params.quality), f"file:{sheet}"])
    for file in files:
        file.unlink()
    lines = ["WEBVTT", ""]
    for number in range(len(moments)):
        start, end = (source.duration * at / len(moments) for at in (number, number + 1))
        x, y = number % columns * cell.width, number // columns * cell.height
        lines += [f"{clock(start)} --> {clock(end)}", f"{sheet.name}#xywh={x},{y},{cell.width},{cell.height}", ""]
    track = work.folder / "thumbnails.vtt"
    track.write_text("\n".join(lines))
    return [Output(sheet, sheet.name, MIME[params.format]), Output(track, track.name, "text/vtt", refers_to=(sheet.name,))]
