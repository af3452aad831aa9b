"""The text files of a package: playlists, the manifest, captions, and the track of thumbnails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.domain.captions import formats
from workers.captions import subtitles
from workers.context.work import Output
from workers.streaming import dash, hls
from workers.streaming.contents import Captions
from workers.streaming.sounds import label_of

if TYPE_CHECKING:
    from chalicelib.domain.captions.parse import Captions as Parsed
    from chalicelib.domain.params.transcoding import TranscodingParams
    from workers.context.work import Work
    from workers.streaming.contents import Contents, Sheet

MASTER, MANIFEST = "output.m3u8", "output.mpd"
VIDEO, SOUND, TEXT, PICTURE = "video/mp4", "audio/mp4", "text/vtt", "image/jpeg"


def write_captions(work: Work, duration: float) -> list[Captions]:
    """Write the captions that the parameters name as WebVTT, cut to the film; `duration` in s."""
    params: TranscodingParams = work.params
    named: dict[str, Parsed] = dict(work.captions_by_language)
    if work.captions is not None and not params.burn_in:
        named[params.captions_language or work.captions.language or "und"] = work.captions
    found: list[Captions] = []
    for language, parsed in named.items():
        cues = subtitles.part_of(parsed.cues, params.start, duration)
        dropped = len(parsed.cues) - len(cues)
        if dropped and not params.start and params.duration is None:
            work.warnings.warn("captions_outside", f"{dropped} of the captions ({language}) are after the end of the film")
        label = label_of(language) or language
        if any(one.label == label for one in found):  # players list captions by label
            label += f" ({language})"
        captions = Captions(f"captions-{language}", label, language, len(cues))
        (work.folder / f"{captions.name}.vtt").write_text(formats.vtt(cues, language))
        found.append(captions)
    return found


def write(work: Work, contents: Contents) -> list[Output]:
    """Write playlists and the manifest; return all outputs, the multivariant playlist first."""
    files: list[Output] = []

    def add(name: str, mime: str, content: str | None = None, *refers_to: str) -> None:
        path = work.folder / name
        if content is not None:
            path.write_text(content)
        files.append(Output(path, name, mime, refers_to))

    target = contents.target_duration
    for video in contents.videos:
        film = f"{video.name}.mp4"
        add(film, VIDEO)
        add(f"{video.name}.m3u8", hls.MIME, hls.media(video.name, video.track, video.segments, target), film)
        add(f"{video.name}-iframes.m3u8", hls.MIME, hls.keyframes(video.name, video.track), film)
    for sound in contents.sounds:
        film = f"{sound.name}.mp4"
        add(film, SOUND)
        add(f"{sound.name}.m3u8", hls.MIME, hls.media(sound.name, sound.track, sound.segments, target), film)
    for captions in contents.captions:
        add(f"{captions.name}.vtt", TEXT)
        add(f"{captions.name}.m3u8", hls.MIME, hls.captions(captions.name, contents.duration), f"{captions.name}.vtt")
    if contents.sheet is not None:
        sheet = contents.sheet
        add(sheet.name, PICTURE)
        add("thumbnails.m3u8", hls.MIME, hls.images(sheet, contents.duration), sheet.name)
        add("thumbnails.vtt", TEXT, thumbnail_track(sheet, contents.videos[0].track.duration), sheet.name)
    names = [one.name for one in files]
    add(MASTER, hls.MIME, hls.multivariant(contents), *(name for name in names if name.endswith(".m3u8")))
    add(MANIFEST, dash.MIME, dash.manifest(contents), *(name for name in names if not name.endswith(".m3u8")))
    return files[-2:] + files[:-2]


def thumbnail_track(sheet: Sheet, duration: float) -> str:
    """Return a WebVTT track that maps times to places on the sheet, as the sprite sheet of `thumbnail` has."""
    count = min(sheet.columns * sheet.rows, round(duration / sheet.every))
    lines = ["WEBVTT", ""]
    for number in range(count):
        x, y = number % sheet.columns * sheet.width, number // sheet.columns * sheet.height
        start, end = number * sheet.every, min(duration, (number + 1) * sheet.every)
        lines += [
            f"{formats.clock(start)} --> {formats.clock(end)}",
            f"{sheet.name}#xywh={x},{y},{sheet.width},{sheet.height}",
            "",
        ]
    return "\n".join(lines)
