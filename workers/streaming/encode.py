"""Encodes all renditions of a package: one decode, one process."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from workers.encoding import part, picture, sound, video
from workers.media import ffmpeg, framing
from workers.streaming.segments import KEYFRAME_SECONDS

if TYPE_CHECKING:
    from chalicelib.domain.params.transcoding import TranscodingParams
    from workers.context.work import Work
    from workers.encoding.picture import Look
    from workers.media.probe import Media
    from workers.streaming.ladder import Rendition
    from workers.streaming.sounds import Voice

FRAGMENTED = "+cmaf+frag_keyframe+delay_moov+default_base_moof+global_sidx+skip_trailer"
SAMPLE_RATE_MAX = 48_000
"""Players know no higher one for AAC, and the header of a track has no room for it."""
SHEET = "thumbnails.jpg"
THUMBNAILS_MAX, THUMBNAIL_SECONDS, THUMBNAIL_SIDE, COLUMNS = 100, 2.0, 160, 10


class Grid(NamedTuple):
    """The sheet of thumbnails: columns, rows, and the seconds between two of them."""

    columns: int
    rows: int
    every: float


def first_at_zero(params: TranscodingParams, source: Media) -> list[str]:
    """Return the filters that show the first frame from the start: a player expects a picture there.

    An input without an index is cut here: see `part`.
    """
    late = part.is_cut_late(source) and params.start
    start = ffmpeg.number(params.start)
    return [*([f"trim=start={start}", f"setpts='PTS-{start}/TB'"] if late else []), "setpts='if(eq(N,0),0,PTS)'"]


def thumbnail_grid(seconds: float) -> Grid | None:
    """Return the grid for a film of `seconds`; None if it is too short."""
    count = min(THUMBNAILS_MAX, int(seconds / THUMBNAIL_SECONDS))
    return Grid(min(COLUMNS, count), -(-count // COLUMNS), seconds / count) if count > 1 else None


def arguments(
    work: Work, source: Media, look: Look | None, renditions: list[Rendition], voices: list[Voice], grid: Grid | None
) -> list[str]:
    """Return ffmpeg's arguments that follow the input: the files of all renditions, in the folder of the work."""
    graph = ["-filter_complex", _graph(look, renditions, grid)] if look is not None and (renditions or grid) else []
    outputs = [word for number, one in enumerate(renditions) for word in _video(work, source, one, number)]
    outputs += [word for one in voices for word in _sound(work, source, one)]
    if grid is not None:
        encoder = ["-c:v", "mjpeg", "-q:v", "4", "-pix_fmt", "yuvj420p", "-frames:v", "1", "-update", "1", "-f", "image2"]
        outputs += ["-map", "[sheet]", *encoder, f"file:{work.folder / SHEET}"]
    return [*graph, *outputs]


def _graph(look: Look, renditions: list[Rendition], grid: Grid | None) -> str:
    """Return the filters: all that is common once, then one branch for each rendition."""
    names = [f"[size{number}]" for number in range(len(renditions))] + (["[small]"] if grid else [])
    chains = [f"[0:{look.stream}]{','.join([*look.filters, *look.timed, f'split={len(names)}'])}{''.join(names)}"]
    for number, one in enumerate(renditions):
        steps = [*picture.scaled(one.resolution), *look.drawn]
        chains.append(f"[size{number}]{','.join(steps)}[picture{number}]")
    if grid is not None:
        side = str(THUMBNAIL_SIDE)
        steps = [f"fps={ffmpeg.number(1 / grid.every)}", *framing.fit((side, side)), f"tile={grid.columns}x{grid.rows}"]
        chains.append(f"[small]{','.join(steps)}[sheet]")
    return ";".join(chains)


def _video(work: Work, source: Media, one: Rendition, number: int) -> list[str]:
    params: TranscodingParams = work.params
    tag = ["-tag:v", "hvc1"] if one.codec == "h265" else []
    encoder = video.arguments(one.codec, params.preset, one.quality)
    keyframes = video.forced_keyframes(one.codec, KEYFRAME_SECONDS)
    target = f"file:{work.folder / f'{one.name}.mp4'}"
    return ["-map", f"[picture{number}]", *encoder, *keyframes, *tag, *_file(params, source), target]


def copied(work: Work, source: Media, one: Rendition) -> list[str]:
    """Return the arguments that copy an encoded picture into the file of a rendition."""
    tag = ["-tag:v", "hvc1"] if one.codec == "h265" else []
    target = f"file:{work.folder / f'{one.name}.mp4'}"
    return ["-map", "0:v:0", "-c:v", "copy", *tag, *_file(work.params, source), target]


def _sound(work: Work, source: Media, one: Voice) -> list[str]:
    params: TranscodingParams = work.params
    late = part.is_cut_late(source) and params.start
    start = ffmpeg.number(params.start)
    trimmed = [f"atrim=start={start}", f"asetpts=PTS-{start}/TB"] if late else []
    # gaps become silence: the sound is a file of its own, and its times must be those of the picture
    rate = f"{SAMPLE_RATE_MAX}:" if one.stream.sample_rate > SAMPLE_RATE_MAX else ""
    steps = [*trimmed, f"aresample={rate}async=1:first_pts=0", *sound.filters(params, one.stream, one.loudness)]
    encoder = sound.encoder(params, one.stream)
    fragments = ["-frag_duration", str(round(KEYFRAME_SECONDS * 1e6))]
    target = f"file:{work.folder / f'{one.name}.mp4'}"
    return ["-map", f"0:{one.stream.index}", "-af", ",".join(steps), *encoder, *fragments, *_file(params, source), target]


def _file(params: TranscodingParams, source: Media) -> list[str]:
    about = ["-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact", "-max_muxing_queue_size", "4096"]
    return [*about, "-t", part.longest(params, source), "-movflags", FRAGMENTED, "-f", "mp4"]
