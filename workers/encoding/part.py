"""The part of the input that is encoded: from `params.start`, for `params.duration`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.errors import MediaRejected
from workers.media import ffmpeg, probe

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.domain.params.transcoding import TranscodingParams
    from workers.media.probe import Media

WITHOUT_INDEX = ("mpeg", "mpegts")
"""Containers whose seek would miss the key frame: they are read from the start, and cut at the output."""
NOTHING_LEFT = "The input has no picture after params.start, {:g} s"


def is_cut_late(source: Media) -> bool:
    """Return whether the input is cut at the output."""
    return source.container in WITHOUT_INDEX


def opened(params: TranscodingParams, source: Media, file: Path) -> list[str]:
    """Return the arguments that open the input, at `params.start` if it has an index."""
    trim = ["-ss", ffmpeg.number(params.start)] if params.start else []
    if params.duration is not None:
        trim += ["-t", ffmpeg.number(params.duration)]
    return [*([] if is_cut_late(source) else trim), *ffmpeg.input_arguments(file)]


def cut(params: TranscodingParams, source: Media) -> list[str]:
    """Return the options of an output that cut an input without an index, and that end it whatever the time stamps are.

    They follow the last input, because an option before an input belongs to that input.
    """
    start = ["-ss", ffmpeg.number(params.start)] if is_cut_late(source) and params.start else []
    return [*start, "-t", longest(params, source)]


def longest(params: TranscodingParams, source: Media) -> str:
    """Return the longest duration of an output (s), for ffmpeg: what is cut late is cut here."""
    late = params.duration if is_cut_late(source) and params.duration is not None else probe.DURATION_MAX_SECONDS
    return ffmpeg.number(min(late, probe.DURATION_MAX_SECONDS))


def seconds(params: TranscodingParams, source: Media) -> float:
    """Return the expected duration of the output, in s; 0: unknown.

    Raises:
        MediaRejected: the part starts after the end.
    """
    if params.start and source.duration and params.start >= source.duration:
        raise MediaRejected(f"params.start is {params.start:g} s, but the input is {source.duration:g} s long")
    left = max(0.0, source.duration - params.start)
    return min(left, params.duration) if params.duration is not None and left else params.duration or left


def promised(params: TranscodingParams, source: Media, *kinds: str) -> float:
    """Return the duration of an output with streams of `kinds`, if the input is complete, in s; 0: unknown."""
    used = [source.track(kind) for kind in kinds]
    whole = source.promised([one for one in used if one is not None])
    left = max(0.0, whole - params.start)
    return min(left, params.duration) if params.duration is not None else left
