"""`transcoding`: another container, codec, size or audio. Every argument is our own text or a validated number."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from chalicelib.domain.params.common import bits_per_second, parse_resolution
from chalicelib.errors import MediaRejected
from workers.captions import subtitles
from workers.context.work import Done, Output
from workers.media import ffmpeg, framing, interlacing, probe, tracks
from workers.sound import channels, loudness

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.domain.params.transcoding import TranscodingParams
    from workers.context.work import Work
    from workers.media.probe import Media

MIME = {
    "mp4": "video/mp4", "mov": "video/quicktime", "mkv": "video/x-matroska", "webm": "video/webm", "gif": "image/gif",
    "mp3": "audio/mpeg", "m4a": "audio/mp4", "ogg": "audio/ogg", "wav": "audio/wav",
}  # fmt: skip
MUXERS = {"mkv": "matroska", "m4a": "ipod"}
ENCODERS = {"h264": "libx264", "h265": "libx265", "vp9": "libvpx-vp9", "av1": "libsvtav1"}
SOUND_ENCODERS = {"aac": "aac", "opus": "libopus", "mp3": "libmp3lame", "pcm": "pcm_s16le"}
SOUND_BITRATE = {"aac": 160_000, "opus": 128_000, "mp3": 192_000}
CRF = {"h264": 23, "h265": 26, "vp9": 32, "av1": 32}
# The presets have the names of x264; other encoders get the value at the same position of their scale, fastest first.
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
VP9_SPEED = (8, 7, 6, 5, 5, 4, 3, 2, 1)
AV1_PRESET = (12, 11, 10, 9, 8, 8, 6, 5, 4)
GIF_FPS = 12
NOTHING_LEFT = "The input has no picture after params.start, {:g} s"
ABOUT_THE_INPUT = ("major_brand", "minor_version", "compatible_brands")
"""Tags that describe the input's container."""
WITHOUT_INDEX = ("mpeg", "mpegts")
WITHOUT_PICTURE = ("mp3", "m4a", "ogg", "wav")
FIRST_PASS = 0.3
"""The share of progress for the first of two passes."""
OPUS_CHANNEL_MAX = 256_000


def run(work: Work) -> Done:
    """Run the operation."""
    params: TranscodingParams = work.params
    source, file = tracks.open_picture(work, "video", "audio")
    check_fits(params, source)
    seconds = _expected_seconds(params, source)
    target = work.folder / f"output.{params.format}"
    started = time.monotonic()
    fields = _fields(work, source, file)
    late = source.container in WITHOUT_INDEX
    captions = subtitles.prepare(work, source, late=late)
    _warn_of_mixed_channels(work, source)
    measured = _measure_loudness(work, source, file, seconds)
    first = FIRST_PASS if params.format == "gif" or measured else 0.0
    if params.format == "gif":
        palette = work.folder / "palette.png"
        made_of = _picture(params, source, "palettegen", fields, captions)
        making = [*made_of, "-frames:v", "1", "-update", "1", "-f", "image2", f"file:{palette}"]
        ffmpeg.run(work, [*_input(params, source, file), *_cut(params, source), *making], seconds=seconds, share=(0, first))
        if not palette.exists():
            raise MediaRejected(NOTHING_LEFT.format(params.start))
    apart = late and captions is not None and bool(captions.input)  # ffmpeg's cut at the output does not move captions
    film = target.with_name(f"film.{params.format}") if apart else target
    command = arguments(params, source, file, film, measured, fields, None if apart else captions)
    ffmpeg.run(work, command, seconds=seconds, share=(first, 1))
    if apart and captions is not None:
        subtitles.add_track(work, film, target, captions, ["-f", MUXERS.get(params.format, params.format)])
    took = time.monotonic() - started
    made = probe.probe(target, check=work.check)
    if params.format not in WITHOUT_PICTURE and made.track("video") is None:
        raise MediaRejected(NOTHING_LEFT.format(params.start))
    work.warnings.check_length(_promised(params, source), made.duration)
    result = _measured(params, source, made, took) | tracks.taken(source, "video", "audio")
    if fields != "progressive":
        result["deinterlaced"] = fields
    if measured:
        result["loudness"] = {"input": measured["input_i"], "target": params.loudness}
    if captions is not None:
        result["captions"] = captions.result
    return Done([Output(target, target.name, MIME[params.format])], result)


def _fields(work: Work, source: Media, file: Path) -> str:
    """Return the field shown first of a film to deinterlace, else `progressive`."""
    params: TranscodingParams = work.params
    picture = source.track("video")
    if picture is None or params.format in WITHOUT_PICTURE or params.deinterlace == "off":
        return "progressive"
    found = interlacing.detect(file, source, picture, check=work.check)
    if params.deinterlace == "on" and found == "progressive":
        return "bottom" if picture.field_order == "bottom" else "top"
    return found


def _warn_of_mixed_channels(work: Work, source: Media) -> None:
    params: TranscodingParams = work.params
    sound = source.track("audio")
    if sound is None or params.sound_codec is None:
        return
    layout, mixed = channels.target(sound, params.sound_codec, params.channels)
    if mixed:
        about = f"{sound.channels} channels ({sound.layout or 'no layout'}) were mixed into {layout}"
        work.warnings.warn("channels_mixed", f"The sound's {about}: {params.format} holds no nearer layout")


def _promised(params: TranscodingParams, source: Media) -> float:
    """Return the duration of the output of a complete input, in s; 0: unknown."""
    used = [source.track("audio")]
    if params.format not in WITHOUT_PICTURE:
        used = [source.track("video"), *(used if params.sound_codec else [])]
    whole = source.promised([one for one in used if one is not None])
    left = max(0.0, whole - params.start)
    return min(left, params.duration) if params.duration is not None else left


def check_fits(params: TranscodingParams, source: Media) -> None:
    """Check that the input has the streams that the format needs.

    Raises:
        MediaRejected: it does not.
    """
    if params.format in WITHOUT_PICTURE and source.track("audio") is None:
        raise MediaRejected(f"{source.without('audio')}; {params.format} holds nothing else")
    if params.format not in WITHOUT_PICTURE and source.track("video") is None:
        raise MediaRejected(f"{source.without('video')}; for sound alone ask for {', '.join(WITHOUT_PICTURE)}")


def arguments(
    params: TranscodingParams,
    source: Media,
    input_file: Path,
    target: Path,
    measured: dict[str, float] | None = None,
    fields: str = "progressive",
    captions: subtitles.Subtitles | None = None,
) -> list[str]:
    """Return ffmpeg's arguments. `measured`: the first pass of the loudness; `fields`: the field shown first."""
    wants_picture = params.format not in WITHOUT_PICTURE
    wants_sound = params.sound_codec is not None and source.track("audio") is not None
    return [
        *_input(params, source, input_file),
        *(ffmpeg.input_arguments(target.with_name("palette.png")) if params.format == "gif" else []),
        *(captions.input if captions else []),
        *(_picture(params, source, "paletteuse", fields, captions) if wants_picture else ["-vn"]),
        *(_sound(params, source, measured) if wants_sound else ["-an"]),
        *(captions.output if captions else ["-sn"]), "-dn", "-map_chapters", "-1" if params.strip_metadata else "0",
        *(["-map_metadata", "-1", "-fflags", "+bitexact"] if params.strip_metadata else []),
        # Otherwise a time code tag becomes a track, which tells when and with which camera it was filmed.
        *(["-map_metadata:s:v", "-1", "-map_metadata:s:a", "-1"] if params.strip_metadata else []),
        *[word for name in ABOUT_THE_INPUT for word in ("-metadata", f"{name}=")],
        *(["-rf64", "auto"] if params.format == "wav" else []),  # without it, files above 4 GiB are broken
        *(["-movflags", "+faststart"] if params.format in ("mp4", "mov", "m4a") else []),
        "-max_muxing_queue_size", "4096",
        *_cut(params, source),
        "-f", MUXERS.get(params.format, params.format), f"file:{target}",
    ]  # fmt: skip


def _input(params: TranscodingParams, source: Media, file: Path) -> list[str]:
    """Return the arguments that open the film, at `params.start` if it has an index."""
    trim = ["-ss", ffmpeg.number(params.start)] if params.start else []
    if params.duration is not None:
        trim += ["-t", ffmpeg.number(params.duration)]
    return [*(trim if source.container not in WITHOUT_INDEX else []), *ffmpeg.input_arguments(file)]


def _cut(params: TranscodingParams, source: Media) -> list[str]:
    """Return the options of the output that cut a film without an index: a seek would miss the key frame.

    They follow the last input, because an option before an input belongs to that input.
    """
    late = source.container in WITHOUT_INDEX
    longest = params.duration if late and params.duration is not None else probe.DURATION_MAX_SECONDS
    start = ["-ss", ffmpeg.number(params.start)] if late and params.start else []
    return [*start, "-t", ffmpeg.number(min(longest, probe.DURATION_MAX_SECONDS))]  # whatever the time stamps are


def _picture(
    params: TranscodingParams, source: Media, palette: str, fields: str, captions: subtitles.Subtitles | None = None
) -> list[str]:
    picture = source.track("video")
    assert picture is not None
    rate = params.fps or (GIF_FPS if params.format == "gif" else None)
    filters = [*framing.whole_frames(picture, fields, rate), *framing.standard_range(picture), *_scale(params)]
    filters += captions.filters if captions else []
    if params.format == "gif":  # two passes, because a single one keeps every frame in memory until the palette is known
        chain = ",".join(filters)
        graph = (
            f"[0:{picture.index}]{chain},palettegen"
            if palette == "palettegen"
            else f"[0:{picture.index}]{chain}[a];[a][1:v:0]paletteuse"
        )
        return ["-filter_complex", graph]
    codec = params.video_codec
    assert codec is not None
    tag = ["-tag:v", "hvc1"] if codec == "h265" and params.format in ("mp4", "mov") else []
    return [
        "-map", f"0:{picture.index}", "-vf", ",".join(filters), "-pix_fmt", "yuv420p",
        "-c:v", ENCODERS[codec], *_speed(params, codec), *_quality(params, codec), *tag,
    ]  # fmt: skip


def _scale(params: TranscodingParams) -> list[str]:
    """Return the filters that fit the picture into its box: square pixels, proportions kept, even sides for the codec."""
    even = 1 if params.format == "gif" else 2
    if params.resolution is None:
        return framing.fit(None, even=even)
    width, height = parse_resolution(params.resolution)
    box, shown = (str(width), str(height)), framing.SHOWN_WIDTH
    if params.resolution.endswith("p"):  # 720p of a portrait picture is 720 wide
        box = (f"if(gte({shown},ih),{width},{height})", f"if(gte({shown},ih),{height},{width})")
    return framing.fit(box, params.fit, upscale=params.upscale, even=even)


def _measure_loudness(work: Work, source: Media, file: Path, seconds: float) -> dict[str, float] | None:
    params: TranscodingParams = work.params
    sound = source.track("audio")
    if sound is None or params.loudness is None:
        return None
    opened = [*_input(params, source, file), *_cut(params, source)]
    return loudness.measure(work, opened, sound, params.loudness, seconds=seconds, share=FIRST_PASS)


def _speed(params: TranscodingParams, codec: str) -> list[str]:
    rank = PRESETS.index(params.preset)
    if codec == "vp9":
        return ["-deadline", "good", "-cpu-used", str(VP9_SPEED[rank]), "-row-mt", "1"]
    return ["-preset", str(AV1_PRESET[rank]) if codec == "av1" else params.preset]


def _quality(params: TranscodingParams, codec: str) -> list[str]:
    if params.bitrate is not None:
        rate = bits_per_second(params.bitrate)
        ceiling = [] if codec == "av1" else ["-maxrate", str(rate * 3 // 2), "-bufsize", str(rate * 2)]
        return ["-b:v", str(rate), *ceiling]
    crf = str(CRF[codec] if params.crf is None else params.crf)
    return ["-crf", crf, "-b:v", "0"] if codec == "vp9" else ["-crf", crf]


def _sound(params: TranscodingParams, source: Media, measured: dict[str, float] | None) -> list[str]:
    codec, sound = params.sound_codec, source.track("audio")
    assert codec is not None
    assert sound is not None
    layout, _ = channels.target(sound, codec, params.channels)
    filters = channels.filters(sound, layout)
    rate = []
    if codec in SOUND_BITRATE:
        bits = bits_per_second(params.audio_bitrate) if params.audio_bitrate else SOUND_BITRATE[codec]
        if codec == "opus":
            bits = min(bits, OPUS_CHANNEL_MAX * (1 if layout == "mono" else 2))
        rate = ["-b:a", str(bits)]
    if measured is not None and params.loudness is not None:
        filters += loudness.filters(params.loudness, measured)
    if codec == "opus" and layout not in ("mono", "stereo"):
        rate += ["-mapping_family", "1"]
    return ["-map", f"0:{sound.index}", "-af", ",".join(filters), "-c:a", SOUND_ENCODERS[codec], *rate]


def _expected_seconds(params: TranscodingParams, source: Media) -> float:
    if params.start and source.duration and params.start >= source.duration:
        raise MediaRejected(f"params.start is {params.start:g} s, but the input is {source.duration:g} s long")
    left = max(0.0, source.duration - params.start)
    return min(left, params.duration) if params.duration is not None and left else params.duration or left


def _measured(params: TranscodingParams, source: Media, made: Media, took: float) -> dict[str, object]:
    picture, sound = made.track("video"), made.track("audio")
    result: dict[str, object] = {"format": params.format, "container": made.container, "duration": made.duration}
    if picture:
        result |= {"video_codec": picture.codec, "width": picture.width, "height": picture.height, "fps": picture.fps}
    if sound:
        result |= {"audio_codec": sound.codec, "sample_rate": sound.sample_rate, "channels": sound.channels}
        result["channel_layout"] = sound.layout
    return result | {
        "bytes": made.bytes,
        "input_bytes": source.bytes,
        "input_duration": source.duration,
        "seconds": round(took, 3),
        "speed": round(made.duration / took, 2) if took > 0 else 0,
    }
