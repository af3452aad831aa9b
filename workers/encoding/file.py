"""The arguments of a whole output file: its inputs, tracks, tags and container."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.encoding import part, sound
from workers.media import ffmpeg

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.domain.params.transcoding import TranscodingParams
    from workers.captions import subtitles
    from workers.media.probe import Media

MUXERS = {"mkv": "matroska", "m4a": "ipod"}
ABOUT_THE_INPUT = ("major_brand", "minor_version", "compatible_brands")
"""Tags that describe the input's container."""


def muxer(params: TranscodingParams) -> str:
    """Return ffmpeg's name of the format."""
    return MUXERS.get(params.format, params.format)


def arguments(
    params: TranscodingParams,
    source: Media,
    file: Path,
    target: Path,
    shown: list[str],
    measured: dict[str, float] | None = None,
    captions: subtitles.Subtitles | None = None,
    more: list[str] | None = None,
    opened: list[str] | None = None,
    heard: list[str] | None = None,
) -> list[str]:
    """Return ffmpeg's arguments.

    `shown`: those of the picture. `measured`: the first pass of the loudness. `more`: further inputs. `opened` and `heard`:
    those that open the film and those of its sound, if they are not the usual ones.
    """
    return [
        *(opened or part.opened(params, source, file)),
        *(ffmpeg.input_arguments(target.with_name("palette.png")) if params.format == "gif" else []),
        *(captions.input if captions else []),
        *(more or []),
        *shown,
        *(heard or _sound(params, source, measured)),
        *(captions.output if captions else ["-sn"]), "-dn", "-map_chapters", "-1" if params.strip_metadata else "0",
        *(["-map_metadata", "-1", "-fflags", "+bitexact"] if params.strip_metadata else []),
        # Otherwise a time code tag becomes a track, which tells when and with which camera it was filmed.
        *(["-map_metadata:s:v", "-1", "-map_metadata:s:a", "-1"] if params.strip_metadata else []),
        *[word for name in ABOUT_THE_INPUT for word in ("-metadata", f"{name}=")],
        *(["-rf64", "auto"] if params.format == "wav" else []),  # without it, files above 4 GiB are broken
        *(["-movflags", "+faststart"] if params.format in ("mp4", "mov", "m4a") else []),
        "-max_muxing_queue_size", "4096",
        *part.cut(params, source),
        "-f", muxer(params), f"file:{target}",
    ]  # fmt: skip


def _sound(params: TranscodingParams, source: Media, measured: dict[str, float] | None) -> list[str]:
    heard = source.track("audio")
    if params.sound_codec is None or heard is None:
        return ["-an"]
    filters = ",".join(sound.filters(params, heard, measured))
    return ["-map", f"0:{heard.index}", "-af", filters, *sound.encoder(params, heard)]
