"""`transcoding`: another container, codec, size or audio. Every argument is our own text or a validated number."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from chalicelib.errors import MediaRejected
from workers.captions import subtitles
from workers.context.work import Done, Output
from workers.encoding import file as output_file
from workers.encoding import part, picture, sound, video, visual
from workers.media import ffmpeg, probe, summary, tracks
from workers.parts import assemble
from workers.parts.encode import Rendition
from workers.parts.plan import NotSplittable
from workers.quality import check
from workers.sound import loudness
from workers.streaming import package

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.domain.params.transcoding import TranscodingParams
    from workers.context.work import Work
    from workers.encoding.picture import Look
    from workers.media.probe import Media
    from workers.parts.film import Film
    from workers.quality.search import Found

MIME = {
    "mp4": "video/mp4", "mov": "video/quicktime", "mkv": "video/x-matroska", "webm": "video/webm", "gif": "image/gif",
    "mp3": "audio/mpeg", "m4a": "audio/mp4", "ogg": "audio/ogg", "wav": "audio/wav",
}  # fmt: skip
GIF_FPS = 12
WITHOUT_PICTURE = ("mp3", "m4a", "ogg", "wav")
WITHOUT = ["-vn"]
FIRST_PASS = 0.3
"""The share of progress for the first of two passes."""


def run(work: Work) -> Done:
    """Run the operation."""
    params: TranscodingParams = work.params
    if params.format == "hls":
        return package.run(work)
    source, file = tracks.open_picture(work, "video", "audio")
    check_fits(params, source)
    started, seconds = time.monotonic(), part.seconds(params, source)
    fields = _field_order(work, source, file)
    shape = visual.shape(params) if params.visual else None
    captions = subtitles.prepare(work, source, late=part.is_cut_late(source), shape=shape)
    look = look_of(params, source, file, fields, captions)
    found = check.find(work, source, file, look, _size(params), seconds) if look is not None else None
    encoding = work.stage(*check.stages(params))
    measured = _measure_loudness(encoding, source, file, seconds)
    if params.format == "gif" and look is not None:
        _make_palette(encoding, source, look, seconds)
    more: list[str] = []
    shown = picture_arguments(params, look, found)
    if params.visual is not None:
        shown, more = _visual(work, source, captions)
    if heard := source.track("audio"):
        sound.warn_of_mixed_channels(work, heard)
    film, about = _split(work, source, file, fields, captions, found, seconds) if look is not None else (None, {})
    if film is not None:
        target = work.folder / f"output.{params.format}"
        try:
            done = assemble.run(encoding, source, film, target, measured=measured, captions=captions)
            about = {"parts": assemble.described(done, film)}
        except NotSplittable as reason:
            film, about = None, assemble.whole(reason)
    if film is None:
        target = _encode(encoding, source, file, shown, more, measured, captions, seconds)
    took = time.monotonic() - started
    made = probe.probe(target, check=work.check)
    if shown != WITHOUT and made.track("video") is None:
        raise MediaRejected(part.NOTHING_LEFT.format(params.start))
    work.warnings.check_length(_promised(params, source), made.duration)
    result = _measured(params, source, made, took) | tracks.taken(source, "video", "audio")
    result |= {"visual": params.visual, "video_track": None} if params.visual is not None else {}
    result |= {"deinterlaced": fields} if fields != "progressive" else {}
    result |= {"loudness": {"input": measured["input_i"], "target": params.loudness}} if measured else {}
    result |= {"captions": captions.result} if captions is not None else {}
    result |= about
    if look is not None:
        result |= check.compare(work, source, look, _size(params), target, made, found)
    return Done([Output(target, target.name, MIME[params.format])], result)


def _split(
    work: Work,
    source: Media,
    file: Path,
    fields: str,
    captions: subtitles.Subtitles | None,
    found: Found | None,
    seconds: float,
) -> tuple[Film | None, dict[str, Any]]:
    """Return the film to encode in parts, or why a long film runs whole."""
    params: TranscodingParams = work.params
    if params.video_codec is None:
        return None, {}
    quality = video.Quality(found.crf) if found else video.wanted(params, params.video_codec)
    return assemble.split(
        work,
        source,
        file,
        fields=fields,
        fps=params.fps,
        renditions=[Rendition(params.video_codec, quality)],
        cues=captions.cues if captions is not None and params.burn_in else None,
        seconds=seconds,
    )


def _field_order(work: Work, source: Media, file: Path) -> str:
    params: TranscodingParams = work.params
    if params.format in WITHOUT_PICTURE or params.visual is not None:
        return "progressive"
    return picture.field_order(work, source, file)


def _encode(
    work: Work,
    source: Media,
    file: Path,
    shown: list[str],
    more: list[str],
    measured: dict[str, float] | None,
    captions: subtitles.Subtitles | None,
    seconds: float,
) -> Path:
    """Write the output and return it. `shown`: the arguments of the picture; `more`: further inputs."""
    params: TranscodingParams = work.params
    target = work.folder / f"output.{params.format}"
    first = FIRST_PASS if params.format == "gif" or measured else 0.0
    # ffmpeg's cut at the output does not move captions
    apart = part.is_cut_late(source) and captions is not None and bool(captions.input)
    film = target.with_name(f"film.{params.format}") if apart else target
    command = output_file.arguments(params, source, file, film, shown, measured, None if apart else captions, more)
    ffmpeg.run(work, command, seconds=seconds, share=(first, 1))
    if apart and captions is not None:
        subtitles.add_track(work, film, target, captions, ["-f", output_file.muxer(params)])
    return target


def look_of(
    params: TranscodingParams,
    source: Media,
    file: Path,
    fields: str = "progressive",
    captions: subtitles.Subtitles | None = None,
) -> Look | None:
    """Return the picture of the output; None if the format has none."""
    shown = source.track("video")
    if shown is None or params.format in WITHOUT_PICTURE or params.visual is not None:
        return None
    rate = params.fps or (GIF_FPS if params.format == "gif" else None)
    filters = picture.frames(shown, fields, rate)
    return picture.Look(part.opened(params, source, file), shown.index, filters, captions.filters if captions else [])


def _make_palette(work: Work, source: Media, look: Look, seconds: float) -> None:
    """Write the palette of a gif: with a single pass, every frame would be in memory until the palette is known."""
    params: TranscodingParams = work.params
    palette = work.folder / "palette.png"
    graph = f"[0:{look.stream}]{','.join(look.sized(_size(params)))},palettegen"
    making = ["-filter_complex", graph, "-frames:v", "1", "-update", "1", "-f", "image2", f"file:{palette}"]
    ffmpeg.run(work, [*look.opened, *part.cut(params, source), *making], seconds=seconds, share=(0, FIRST_PASS))
    if not palette.exists():
        raise MediaRejected(part.NOTHING_LEFT.format(params.start))


def _promised(params: TranscodingParams, source: Media) -> float:
    """Return the duration of the output of a complete input, in s; 0: unknown."""
    if params.format in WITHOUT_PICTURE or params.visual is not None:
        return part.promised(params, source, "audio")
    return part.promised(params, source, "video", *(["audio"] if params.sound_codec else []))


def check_fits(params: TranscodingParams, source: Media) -> None:
    """Check that the input has the streams that the format needs.

    Raises:
        MediaRejected: it does not.
    """
    if params.format in WITHOUT_PICTURE and source.track("audio") is None:
        raise MediaRejected(f"{source.without('audio')}; {params.format} holds nothing else")
    if params.visual is not None and source.track("audio") is None:
        raise MediaRejected(f"{source.without('audio')}; params.visual is the picture of a sound")
    if params.format not in WITHOUT_PICTURE and params.visual is None and source.track("video") is None:
        raise MediaRejected(f"{source.without('video')}; for sound alone ask for {', '.join(WITHOUT_PICTURE)}")


def picture_arguments(params: TranscodingParams, look: Look | None, found: Found | None = None) -> list[str]:
    """Return the arguments of the picture. `found`: the factor for `target_vmaf`."""
    if look is None:
        return WITHOUT
    filters = ",".join(look.sized(_size(params)))
    if params.format == "gif":
        return ["-filter_complex", f"[0:{look.stream}]{filters}[a];[a][1:v:0]paletteuse"]
    codec = params.video_codec
    assert codec is not None
    tag = ["-tag:v", "hvc1"] if codec == "h265" and params.format in ("mp4", "mov") else []
    quality = video.Quality(found.crf) if found else video.wanted(params, codec)
    encoder = video.arguments(codec, params.preset, quality)
    return ["-map", f"0:{look.stream}", "-vf", filters, *encoder, *tag]


def _visual(work: Work, source: Media, captions: subtitles.Subtitles | None) -> tuple[list[str], list[str]]:
    """Return the arguments of the picture of a sound, and those that open its cover."""
    params: TranscodingParams = work.params
    heard, cover = source.track("audio"), visual.prepare(work, source)
    assert heard is not None
    drawn = captions.filters if captions else []
    if cover is not None:
        late = part.is_cut_late(source)  # then captions are added afterwards, and the output is cut
        number = 2 if captions and captions.input and not late else 1
        seconds = part.seconds(params, source)
        opened = visual.cover_input(cover, seconds + params.start if late and seconds else seconds)
        return visual.arguments(params, heard, number, drawn, 0), opened
    volume = visual.gain(work, [*part.opened(params, source, work.input), *part.cut(params, source)], heard)
    return visual.arguments(params, heard, None, drawn, volume), []


def _size(params: TranscodingParams) -> list[str]:
    even = 1 if params.format == "gif" else 2
    return picture.scaled(params.resolution, params.fit, upscale=params.upscale, even=even)


def _measure_loudness(work: Work, source: Media, file: Path, seconds: float) -> dict[str, float] | None:
    params: TranscodingParams = work.params
    heard = source.track("audio")
    if heard is None or params.loudness is None:
        return None
    opened = [*part.opened(params, source, file), *part.cut(params, source)]
    return loudness.measure(work, opened, heard, params.loudness, seconds=seconds, share=FIRST_PASS)


def _measured(params: TranscodingParams, source: Media, made: Media, took: float) -> dict[str, object]:
    shown, heard = made.track("video"), made.track("audio")
    result: dict[str, object] = {"format": params.format, "container": made.container, "duration": made.duration}
    if shown:
        result |= {"video_codec": shown.codec, "width": shown.width, "height": shown.height, "fps": shown.fps}
    if heard:
        result |= {"audio_codec": heard.codec, "sample_rate": heard.sample_rate, "channels": heard.channels}
        result["channel_layout"] = heard.layout
    return result | {
        "bytes": made.bytes,
        "input_bytes": source.bytes,
        "input_duration": source.duration,
        "input": summary.of_picture_and_sound(source),
        "seconds": round(took, 3),
        "speed": round(made.duration / took, 2) if took > 0 else 0,
    }
