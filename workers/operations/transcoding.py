"""`transcoding`: another container, codec, size or sound. Every argument is made of our own words and checked numbers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from chalicelib.errors import MediaRejected
from chalicelib.params import TranscodingParams, bits_per_second, parse_resolution
from workers import ffmpeg, probe, sandbox
from workers.operations import Done, Output

if TYPE_CHECKING:
    from pathlib import Path

    from workers.operations import Work
    from workers.probe import Media

MIME = {
    "mp4": "video/mp4", "mov": "video/quicktime", "mkv": "video/x-matroska", "webm": "video/webm", "gif": "image/gif",
    "mp3": "audio/mpeg", "m4a": "audio/mp4", "wav": "audio/wav",
}  # fmt: skip
MUXERS = {"mkv": "matroska", "m4a": "ipod"}
ENCODERS = {"h264": "libx264", "h265": "libx265", "vp9": "libvpx-vp9", "av1": "libsvtav1"}
SOUND_ENCODERS = {"aac": "aac", "opus": "libopus", "mp3": "libmp3lame", "pcm": "pcm_s16le"}
SOUND_BITRATE = {"aac": 160_000, "opus": 128_000, "mp3": 192_000}
CRF = {"h264": 23, "h265": 26, "vp9": 32, "av1": 32}
# The presets' names are x264's; the others get what stands at the same place on their own scale, fastest first.
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
VP9_SPEED = (8, 7, 6, 5, 5, 4, 3, 2, 1)
AV1_PRESET = (12, 11, 10, 9, 8, 8, 6, 5, 4)
GIF_FPS = 12
WITHOUT_PICTURE = ("mp3", "m4a", "wav")


def run(work: Work) -> Done:
    """Transcode `work.input`."""
    params: TranscodingParams = work.params
    source = probe.probe(work.input, check=work.check)
    seconds = _expected_seconds(params, source)
    target = work.folder / f"output.{params.format}"
    started = time.monotonic()
    ffmpeg.run(
        arguments(params, source, work.input, target),
        program=work.ffmpeg,
        folder=work.folder,
        limits=sandbox.Limits(seconds=work.seconds),
        seconds=seconds,
        on_progress=work.progress,
        check=work.check,
    )
    took = time.monotonic() - started
    made = probe.probe(target, check=work.check)
    return Done([Output(target, target.name, MIME[params.format])], _measured(params, source, made, took))


def arguments(params: TranscodingParams, source: Media, input_file: Path, target: Path) -> list[str]:
    """Return ffmpeg's arguments.

    Raises:
        MediaRejected: the input lacks what the format needs.
    """
    picture, sound = source.first("video"), source.first("audio")
    wants_picture = params.format not in WITHOUT_PICTURE and picture is not None
    wants_sound = params.sound_codec is not None and sound is not None
    if params.format in WITHOUT_PICTURE and sound is None:
        raise MediaRejected(f"The input has no sound, and {params.format} holds nothing else")
    if params.format not in WITHOUT_PICTURE and picture is None:
        raise MediaRejected(f"The input has no picture; for sound alone ask for {', '.join(WITHOUT_PICTURE)}")
    trim = ["-ss", _number(params.start)] if params.start else []
    if params.duration is not None:
        trim += ["-t", _number(params.duration)]
    return [
        *trim,
        *ffmpeg.input_arguments(input_file),
        *(_picture(params) if wants_picture else ["-vn"]),
        *(_sound(params) if wants_sound else ["-an"]),
        "-sn", "-dn", "-map_chapters", "-1" if params.strip_metadata else "0",
        *(["-map_metadata", "-1", "-fflags", "+bitexact"] if params.strip_metadata else []),
        *(["-movflags", "+faststart"] if params.format in ("mp4", "mov", "m4a") else []),
        "-max_muxing_queue_size", "4096",
        "-f", MUXERS.get(params.format, params.format), f"file:{target}",
    ]  # fmt: skip


def _picture(params: TranscodingParams) -> list[str]:
    filters = _scale(params)
    if params.format == "gif":
        fps = _number(params.fps or GIF_FPS)
        graph = ",".join([f"fps={fps}", *filters, "split[a][b]"]) + ";[a]palettegen[p];[b][p]paletteuse"
        return ["-filter_complex", f"[0:v:0]{graph}"]
    codec = params.video_codec
    assert codec is not None
    if params.fps is not None:
        filters.insert(0, f"fps={_number(params.fps)}")
    tag = ["-tag:v", "hvc1"] if codec == "h265" and params.format in ("mp4", "mov") else []
    return [
        "-map", "0:V:0", "-vf", ",".join(filters), "-pix_fmt", "yuv420p",
        "-c:v", ENCODERS[codec], *_speed(params, codec), *_quality(params, codec), *tag,
    ]  # fmt: skip


def _scale(params: TranscodingParams) -> list[str]:
    """Return the filters that fit the picture into its box: square pixels, even sides, the proportions kept."""
    if params.resolution is None:
        factor = "1"
    else:
        width, height = parse_resolution(params.resolution)
        if params.resolution.endswith("p"):  # 720p of a portrait picture is 720 wide
            box_width = f"if(gte(iw*sar,ih),{width},{height})"
            box_height = f"if(gte(iw*sar,ih),{height},{width})"
        else:
            box_width, box_height = str(width), str(height)
        factor = f"min({box_width}/(iw*sar),{box_height}/ih)"
        if not params.upscale:
            factor = f"min(1,{factor})"
    return [f"scale=w='max(2,2*round(iw*sar*{factor}/2))':h='max(2,2*round(ih*{factor}/2))'", "setsar=1"]


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


def _sound(params: TranscodingParams) -> list[str]:
    codec = params.sound_codec
    assert codec is not None
    rate = []
    if codec in SOUND_BITRATE:
        bits = bits_per_second(params.audio_bitrate) if params.audio_bitrate else SOUND_BITRATE[codec]
        rate = ["-b:a", str(bits)]
    loudness = []
    if params.loudness is not None:  # loudnorm works at 192 kHz: back to what every codec takes
        loudness = ["-af", f"loudnorm=I={_number(params.loudness)}:TP=-1.5:LRA=11", "-ar", "48000"]
    return ["-map", "0:a:0", *loudness, "-c:a", SOUND_ENCODERS[codec], *rate]


def _expected_seconds(params: TranscodingParams, source: Media) -> float:
    if params.start and source.duration and params.start >= source.duration:
        raise MediaRejected(f"params.start is {params.start:g} s, but the input is {source.duration:g} s long")
    left = max(0.0, source.duration - params.start)
    return min(left, params.duration) if params.duration is not None and left else params.duration or left


def _measured(params: TranscodingParams, source: Media, made: Media, took: float) -> dict[str, object]:
    picture, sound = made.first("video"), made.first("audio")
    result: dict[str, object] = {"format": params.format, "container": made.container, "duration": made.duration}
    if picture:
        result |= {"video_codec": picture.codec, "width": picture.width, "height": picture.height, "fps": picture.fps}
    if sound:
        result |= {"audio_codec": sound.codec, "sample_rate": sound.sample_rate, "channels": sound.channels}
    return result | {
        "bytes": made.bytes,
        "input_bytes": source.bytes,
        "input_duration": source.duration,
        "seconds": round(took, 3),
        "speed": round(made.duration / took, 2) if took > 0 else 0,
    }


def _number(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")
