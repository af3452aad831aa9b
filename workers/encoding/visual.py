"""A picture for sound: its waveform, or its cover."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from chalicelib.domain.params.common import parse_resolution
from chalicelib.errors import MediaRejected
from workers.encoding import video
from workers.media import ffmpeg, framing

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.domain.params.transcoding import TranscodingParams
    from workers.context.work import Work
    from workers.media.probe import Media, Stream

FOREGROUND, BACKGROUND = "#2563eb", "#ffffff"
SHAPE = (1280, 720)
WAVE_RATE, COVER_RATE = 25, 5
"""Frames a second."""
WAVE_HEIGHT = 0.4
"""The height of the moving waveform, as a share of the picture."""
PEAK = re.compile(r"^\[Parsed_volumedetect_\d+ @ [^\]]*\] \[info\] max_volume: (-?\d+(?:\.\d+)?) dB", re.MULTILINE)
"""The line of the filter. Tags of the file are printed too, and can look like it but for its start."""
GAIN_MAX = 40.0
"""dB. Noise is not drawn as if it were loud."""
SAMPLES_MAX, SAMPLE_RATES = 60_000_000, (1000, 8000)
"""ffmpeg keeps all samples of a still waveform in memory, so a long sound is drawn from fewer."""


def shape(params: TranscodingParams) -> tuple[int, int]:
    """Return width and height of the picture of a sound, both even."""
    width, height = parse_resolution(params.resolution) if params.resolution else SHAPE
    return 2 * round(width / 2), 2 * round(height / 2)


def colour(value: str | None, default: str) -> str:
    """Return a colour as ffmpeg has it."""
    return (value or default).replace("#", "0x")


def gain(work: Work, opened: list[str], sound: Stream) -> float:
    """Return the gain (dB) that makes the loudest sample of a sound reach full scale."""
    measuring = ["-map", f"0:{sound.index}", "-vn", "-af", "volumedetect", "-f", "null", "-"]
    said = ffmpeg.run(work, [*opened, *measuring], loglevel="info", counts=False, share=(0, 0)).said
    found = PEAK.findall(said)
    return max(0.0, min(GAIN_MAX, -float(found[-1]))) if found else 0.0


def still_waveform(sound: Stream, seconds: float, size: tuple[int, int], colours: tuple[str, ...], volume: float) -> str:
    """Return the filters that draw a whole sound into one picture, as a graph that ends in [picture]."""
    width, height = size
    least, most = SAMPLE_RATES
    rate = round(max(least, min(most, SAMPLES_MAX / seconds))) if seconds else least
    mono = f"aformat=channel_layouts=mono,volume={ffmpeg.number(volume)}dB,aresample={rate},aformat=sample_fmts=s16"
    return (
        f"[0:{sound.index}]{mono},showwavespic=s={width}x{height}:colors={colours[0]}:scale=sqrt[wave];"
        f"color=c={colours[1]}:s={width}x{height}[plain];[plain][wave]overlay=format=auto[picture]"
    )


def prepare(work: Work, source: Media) -> Path | None:
    """Write the cover of a sound as a picture of our own; None if the job asks for a waveform.

    Raises:
        MediaRejected: the input has no cover.
    """
    params: TranscodingParams = work.params
    if params.visual != "cover":
        return None
    cover = source.cover() or source.track("video")
    if cover is None:
        raise MediaRejected("The input has no cover; use params.visual waveform")
    target = work.folder / "cover.png"
    width, height = shape(params)
    steps = [*framing.standard_range(cover), *framing.fit((str(width), str(height)), "pad", upscale=True)]
    one = ["-map", f"0:{cover.index}", "-vf", ",".join(steps), "-frames:v", "1", "-c:v", "png", "-update", "1", "-f", "image2"]
    ffmpeg.run(work, [*ffmpeg.input_arguments(work.input), *one, f"file:{target}"], counts=False, share=(0, 0))
    return target


def arguments(params: TranscodingParams, sound: Stream, cover: int | None, drawn: list[str], volume: float) -> list[str]:
    """Return the arguments of the picture. `cover`: the number of its input; `drawn`: filters for captions."""
    width, height = shape(params)
    if cover is not None:
        rate = params.fps or COVER_RATE
        chain = f"[{cover}:v]fps={ffmpeg.number(rate)}"
    else:
        rate, tall = params.fps or WAVE_RATE, 2 * round(height * WAVE_HEIGHT / 2)
        fore, back = colour(params.waveform_color, FOREGROUND), colour(params.background_color, BACKGROUND)
        drawing = f"showwaves=s={width}x{tall}:mode=cline:rate={ffmpeg.number(rate)}:colors={fore}:scale=sqrt:draw=full"
        chain = (
            f"[0:{sound.index}]aformat=channel_layouts=mono,volume={ffmpeg.number(volume)}dB,{drawing}[wave];"
            f"color=c={back}:s={width}x{height}:r={ffmpeg.number(rate)}[plain];"
            f"[plain][wave]overlay=0:{(height - tall) // 2}:shortest=1:format=auto"
        )
    graph = ",".join([chain, f"format={video.PIXELS}", "setsar=1", *drawn]) + "[visual]"
    codec = params.video_codec
    assert codec is not None
    tag = ["-tag:v", "hvc1"] if codec == "h265" and params.format in ("mp4", "mov") else []
    return [
        "-filter_complex", graph, "-map", "[visual]", "-shortest",
        *video.arguments(codec, params.preset, video.wanted(params, codec)), *tag,
    ]  # fmt: skip


def cover_input(cover: Path, seconds: float) -> list[str]:
    """Return the arguments that open a cover that `prepare` wrote, as a film of `seconds` (0: unknown, without end)."""
    length = ["-t", ffmpeg.number(seconds)] if seconds else []
    return [*length, "-loop", "1", "-framerate", str(COVER_RATE), "-f", "image2", "-i", f"file:{cover}"]
