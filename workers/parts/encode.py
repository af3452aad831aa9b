"""Encodes one part: all renditions of the film, from one decode."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from chalicelib.domain.captions.cues import Cue
from chalicelib.domain.params.transcoding import TranscodingParams
from chalicelib.domain.validation import validate
from workers.captions import subtitles
from workers.encoding import picture, video
from workers.media import ffmpeg
from workers.media.probe import Stream

if TYPE_CHECKING:
    from pathlib import Path

    from workers.context.work import Work

RELEASE = 2
"""Raise it when the same recipe would give other bytes."""
WITHOUT_FRAMES = re.compile(r"^\[out#0[^\]]*\] \[warning\] Output file is empty", re.MULTILINE)


class Rendition(msgspec.Struct, frozen=True):
    """One output of the film."""

    codec: str
    quality: video.Quality
    resolution: str | None = None
    keyframes_every: float = 0
    """Seconds between forced keyframes; 0: the encoder chooses."""


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """What all parts of a job have in common. The same recipe and packets give the same bytes on every worker."""

    release: int = RELEASE
    ffmpeg: str
    """The version of ffmpeg."""
    params: dict[str, Any]
    picture: Stream
    fields: str
    """The field shown first of a film to deinterlace, else `progressive`."""
    rate: tuple[int, int] | None
    """Frames a second of the encoder's times; None: those of the filters."""
    fps: float | None
    """Frames a second to make; None: the film's own."""
    last_frame_us: int
    """How long the last frame of the film is shown, in microseconds. The packets of a part have no durations."""
    offset: int
    """Seconds by which the times of all packets are too late."""
    trimmed: tuple[int, int] | None
    """The film that is wanted, in microseconds, if the packets have more."""
    first_at_zero: bool
    """Whether the first frame of the film is shown from the start."""
    bounds: list[tuple[int | None, int | None]]
    """Start and end of each part, in microseconds of the output; None: the ends of the film."""
    renditions: list[Rendition]
    cues: list[Cue] | None
    """The captions that are drawn into the picture."""


def engine(version: str) -> str:
    """Return who can run a recipe: the release of mediaq's recipes, and the version of ffmpeg."""
    return f"{RELEASE} {version}"


def run(work: Work, recipe: Recipe, source: Path, target: Path, number: int) -> None:
    """Encode the frames of a part. `source`: its packets. Without a frame, the target is an empty file.

    Raises:
        MediaRejected: the packets cannot be decoded, or the recipe is not valid.
        AttemptFailed: any other error.
    """
    start_us, end_us = recipe.bounds[number]
    seconds = ((end_us or 0) - (start_us or 0)) / 1e6
    done = ffmpeg.run(work, arguments(work, recipe, source, target, start_us, end_us), seconds=max(0.0, seconds))
    if WITHOUT_FRAMES.search(done.said):  # a low frame rate, or damage: the file has a header that nothing can read
        target.write_bytes(b"")


def arguments(work: Work, recipe: Recipe, source: Path, target: Path, start_us: int | None, end_us: int | None) -> list[str]:
    """Return ffmpeg's arguments."""
    params = validate(recipe.params, TranscodingParams, "params")
    streams = [word for number, one in enumerate(recipe.renditions) for word in _stream(recipe, params, one, number)]
    graph = _graph(work, recipe, params, start_us, end_us)
    last = recipe.fps is not None and end_us is None  # the filter repeats the last frame for as long as it is shown
    return [
        "-max_error_rate", "1",  # a damaged part must not end the film: in one pass, the errors of the whole film count
        "-copyts",
        *(["-itsoffset", str(-recipe.offset)] if recipe.offset else []),
        *(["-bsf:v", f"setts=pts=PTS:dts=DTS:duration={recipe.last_frame_us / 1e6:.6f}/TB"] if last else []),
        *ffmpeg.input_arguments(source, "nut,mov"),
        "-filter_complex", graph,
        *streams,
        "-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+global_header", "-avoid_negative_ts", "disabled",
        "-max_muxing_queue_size", "4096", "-f", "nut", f"file:{target}",
    ]  # fmt: skip


def _graph(work: Work, recipe: Recipe, params: TranscodingParams, start_us: int | None, end_us: int | None) -> str:
    steps = [_trim(*recipe.trimmed)] if recipe.trimmed else []
    steps += picture.frames(recipe.picture, recipe.fields, recipe.fps)
    if recipe.first_at_zero and start_us is None:
        steps.append("setpts='if(eq(N,0),0,PTS)'")
    if start_us is not None or end_us is not None:
        steps.append(_trim(start_us, end_us))
    drawn = []
    if recipe.cues is not None:
        drawn = [subtitles.write_picture(recipe.cues, work.folder, recipe.picture.width, recipe.picture.height)]
    names = "".join(f"[size{number}]" for number in range(len(recipe.renditions)))
    chains = [f"[0:0]{','.join([*steps, f'split={len(recipe.renditions)}'])}{names}"]
    for number, one in enumerate(recipe.renditions):
        size = size_filters(params, one)
        chains.append(f"[size{number}]{','.join([*size, *drawn])}[picture{number}]")
    return ";".join(chains)


def size_filters(params: TranscodingParams, rendition: Rendition) -> list[str]:
    """Return the filters that fit the picture into the box of a rendition."""
    if params.format == "hls":
        return picture.scaled(rendition.resolution)
    return picture.scaled(params.resolution, params.fit, upscale=params.upscale)


def _trim(start_us: int | None, end_us: int | None) -> str:
    start = [] if start_us is None else [f"start={start_us / 1e6:.6f}"]
    return "trim=" + ":".join([*start, *([] if end_us is None else [f"end={end_us / 1e6:.6f}"])])


def _stream(recipe: Recipe, params: TranscodingParams, one: Rendition, number: int) -> list[str]:
    """Return the arguments of one rendition. Each option names its stream: all are in one file."""
    words = video.arguments(one.codec, params.preset, one.quality)
    if one.keyframes_every:
        words += video.forced_keyframes(one.codec, one.keyframes_every)
    elif one.codec == "h265":
        words += ["-x265-params", "log-level=error"]
    words += video.THREADS.get(one.codec, [])
    if recipe.rate is not None:
        words += ["-enc_time_base", f"{recipe.rate[1]}:{recipe.rate[0]}", "-fps_mode", "vfr"]
    named = [word if place % 2 else f"{word.removesuffix(':v')}:v:{number}" for place, word in enumerate(words)]
    named = [f"{word}:{video.X265_THREADS}" if word.endswith("log-level=error") else word for word in named]
    return ["-map", f"[picture{number}]", *named]
