"""Captions in a film: a track of their own, or drawn into the picture.

The captions were parsed (`chalicelib.domain.captions.parse`), and the file that ffmpeg reads is written here: no style, no font
and no file that the input names reaches the renderer.
"""

from __future__ import annotations

import importlib.util
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.domain.captions import formats
from chalicelib.domain.captions.cues import Cue
from chalicelib.errors import AttemptFailed, MediaRejected
from workers.media import ffmpeg, tracks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chalicelib.domain.params.transcoding import TranscodingParams
    from workers.context.work import Work
    from workers.media.probe import Media

CODECS = {"mp4": "mov_text", "mov": "mov_text", "webm": "webvtt", "mkv": "subrip"}
"""Format -> the codec of a caption track."""
FONT_OF_HEIGHT, FONT_OF_WIDTH = 0.065, 0.05
"""The size of the font: 6.5 % of the height, unless a line of 42 characters would not fit into the width."""
SCRIPTS = (
    "ARABIC", "ARMENIAN", "BENGALI", "DEVANAGARI", "ETHIOPIC", "GEORGIAN", "GUJARATI", "GURMUKHI", "HEBREW", "KANNADA", "KHMER",
    "LAO", "MALAYALAM", "MYANMAR", "ORIYA", "SINHALA", "TAMIL", "TELUGU", "THAI",
)  # fmt: skip
"""Scripts with a font of their own, as Unicode names them. The main font has Latin, Greek and Cyrillic."""
MAIN_SCRIPTS = ("LATIN", "GREEK", "CYRILLIC")
MAIN_FONT = "Noto Sans"
STYLE_FIELDS = (
    "Name,Fontname,Fontsize,PrimaryColour,SecondaryColour,OutlineColour,BackColour,Bold,Italic,Underline,StrikeOut,ScaleX,ScaleY,"
    "Spacing,Angle,BorderStyle,Outline,Shadow,Alignment,MarginL,MarginR,MarginV,Encoding"
)
WORD_JOINER = "\u2060"


class Subtitles(NamedTuple):
    """ffmpeg's arguments for the captions of an output: an input and a track of their own, or a filter that draws them."""

    input: list[str]
    output: list[str]
    filters: list[str]
    result: dict[str, object]
    cues: tuple[Cue, ...] = ()
    """What is drawn."""


def prepare(work: Work, source: Media, *, late: bool, shape: tuple[int, int] | None = None) -> Subtitles | None:
    """Write the captions of a job of `transcoding` as ffmpeg reads them; None without captions.

    `late`: the film is cut at the output, so what is drawn has the times of the input. `shape`: width and height of the
    picture, if it is not that of the input.

    Raises:
        MediaRejected: there is no font for the script of a cue.
    """
    params: TranscodingParams = work.params
    if work.captions is None:
        return None
    start = 0.0 if late and params.burn_in else params.start
    left = max(0.0, source.duration - start) if source.duration else None
    longest = left if late and params.burn_in else min(filter(None, (left, params.duration)), default=None)
    cues = part_of(work.captions.cues, start, longest)  # a later cue would lengthen the film
    dropped = len(work.captions.cues) - len(cues)
    if dropped and not params.start and params.duration is None:
        work.warnings.warn("captions_outside", f"{dropped} of the captions are after the end of the film")
    language = tracks.alpha3(params.captions_language or work.captions.language)
    result: dict[str, object] = {"cues": len(cues), "burned_in": params.burn_in, "language": language}
    if params.burn_in:
        picture = source.track("video")
        assert picture is not None or shape is not None
        width, height = shape or (picture.width, picture.height) if picture else shape or (0, 0)
        return Subtitles([], ["-sn"], [write_picture(cues, work.folder, width, height)], result, tuple(cues))
    file = work.folder / "captions.vtt"
    file.write_text(formats.vtt(cues, "und"))
    # QuickTime files have the bibliographic codes of their own table
    shown = tracks.alpha3(language, quicktime=True) if params.format == "mov" else language
    tags = ["-metadata:s:s:0", f"language={shown}", "-disposition:s:0", "default"]
    track = ["-map", "1:s:0", "-c:s", CODECS[params.format], *tags]
    return Subtitles(["-i", f"file:{file}"], track, [], result)


def add_track(work: Work, film: Path, target: Path, captions: Subtitles, muxer: list[str]) -> None:
    """Copy a film of ours to `target`, with its caption track."""
    faststart = ["-movflags", "+faststart"] if target.suffix in (".mp4", ".mov") else []
    tracks_of_film = ["-map", "0:v", "-map", "0:a?", "-c:v", "copy", "-c:a", "copy", "-map_chapters", "0"]
    opened = [*ffmpeg.input_arguments(film), *captions.input]
    ffmpeg.run(work, [*opened, *tracks_of_film, *captions.output, *faststart, *muxer, f"file:{target}"], share=(1, 1))
    film.unlink()


def part_of(cues: Iterable[Cue], start: float, duration: float | None) -> list[Cue]:
    """Return the cues of a part of the film, with times from its start. `start` and `duration` are in s."""
    start_ms = round(start * 1000)
    end_ms = None if duration is None else round(duration * 1000)
    found = []
    for cue in cues:
        begins, ends = max(0, cue.start_ms - start_ms), cue.end_ms - start_ms
        if end_ms is not None:
            ends = min(ends, end_ms)
        if ends > begins:
            found.append(Cue(begins, ends, cue.lines))
    return found


def write_picture(cues: list[Cue], folder: Path, width: int, height: int) -> str:
    """Write cues to be drawn into a picture of this shape, and return the filter that draws them.

    Raises:
        MediaRejected: there is no font for the script of a cue.
    """
    size = max(1, round(min(height * FONT_OF_HEIGHT, width * FONT_OF_WIDTH)))
    margin = round(height * 0.05)
    style = f"{MAIN_FONT},{size},&H00FFFFFF,&H00FFFFFF,&H00000000,&H80000000,0,0,0,0,100,100,0,0,1,{size / 12:.2f},0,2"
    head = [
        "[Script Info]", "ScriptType: v4.00+", f"PlayResX: {width}", f"PlayResY: {height}", "WrapStyle: 0",
        "ScaledBorderAndShadow: yes", "", "[V4+ Styles]",
        f"Format: {STYLE_FIELDS}",
        f"Style: Default,{style},{margin},{margin},{margin},1", "", "[Events]",
        "Format: Layer,Start,End,Style,Text",
    ]  # fmt: skip
    events = [
        f"Dialogue: 0,{_clock(cue.start_ms)},{_clock(cue.end_ms)},Default,{_drawn(cue.lines, number)}"
        for number, cue in enumerate(cues, 1)
    ]
    (folder / "captions.ass").write_text("\n".join([*head, *events]) + "\n")
    fonts = folder / "fonts"
    if not fonts.exists():
        fonts.symlink_to(_fonts())
    return "ass=filename=captions.ass:fontsdir=fonts"  # relative: the folder of the job is where ffmpeg runs


def _drawn(lines: tuple[str, ...], number: int) -> str:
    """Return the text of a cue: nothing in it is a command of the renderer. A word has the font of its script."""
    shown, current = [], MAIN_FONT
    for line in lines:
        words = []
        for word in line.split(" "):
            font = _font(word, number)
            change = f"{{\\fn{font}}}" if font != current else ""
            current = font
            words.append(change + word.replace("\\", "\\" + WORD_JOINER).replace("{", "\\{").replace("}", "\\}"))
        shown.append(" ".join(words))
    return "\\N".join(shown)


def _font(word: str, number: int) -> str:
    for char in filter(str.isalpha, word):
        script = unicodedata.name(char, "UNKNOWN").split()[0].partition("-")[0]
        if script in SCRIPTS:
            return f"{MAIN_FONT} {script.title()}"
        if script not in (*MAIN_SCRIPTS, "MODIFIER", "FEMININE", "MASCULINE"):
            about = f"Cue {number} cannot be drawn: there is no font for {script.lower()} letters"
            raise MediaRejected(f"{about}. Leave out burn_in for a caption track")
    return MAIN_FONT


def _fonts() -> Path:
    found = importlib.util.find_spec("manimgx_fonts")
    if found is None or not found.submodule_search_locations:
        raise AttemptFailed("The worker has no fonts: the Python package manimgx-fonts is not installed")
    return Path(found.submodule_search_locations[0])


def _clock(ms: int) -> str:
    """Format a time as h:mm:ss.cc."""
    return f"{ms // 3_600_000}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms // 10 % 100:02}"
