r"""Reads cues from WebVTT, SubRip or our JSON. Every error names the cue and says what is wrong.

Markup in the text (`<i>`, `<v Name>`, `{\an8}`) is dropped: what remains is text, which is safe to show, burn in and convert.
"""

from __future__ import annotations

import html
import re
from typing import Annotated

import msgspec

from chalicelib.domain.captions.cues import Cue, Word
from chalicelib.errors import BadRequest

CUES_MAX = 20_000
BYTES_MAX = 4 << 20
LINES_MAX = 8
TEXT_MAX = 1000
HOURS_MAX = 24
TIMES = re.compile(
    r"^\s*(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})\s*-->\s*(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})(?:\s.*)?$"
)
MARKUP = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")
TAG = r"^([A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3})?$(?!\n)"
LANGUAGE = re.compile(r"^Language:\s*([A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3})\s*$", re.MULTILINE)


class Captions(msgspec.Struct, frozen=True):
    """Cues in order, and their language; "" if the file does not say."""

    cues: list[Cue]
    language: str = ""


class WordBody(msgspec.Struct):
    """A word; times in s."""

    text: Annotated[str, msgspec.Meta(max_length=TEXT_MAX, description="a word")]
    start: Annotated[float, msgspec.Meta(ge=0, le=HOURS_MAX * 3600, description="a number of seconds")]
    end: Annotated[float, msgspec.Meta(ge=0, le=HOURS_MAX * 3600, description="a number of seconds")]
    confidence: Annotated[float, msgspec.Meta(ge=0, le=1, description="a number from 0 to 1")] = 1.0


class CueBody(msgspec.Struct):
    """A cue; times in s."""

    start: Annotated[float, msgspec.Meta(ge=0, le=HOURS_MAX * 3600, description="a number of seconds")]
    end: Annotated[float, msgspec.Meta(ge=0, le=HOURS_MAX * 3600, description="a number of seconds")]
    lines: Annotated[list[str], msgspec.Meta(min_length=1, max_length=LINES_MAX, description=f"1 to {LINES_MAX} lines")]
    words: list[WordBody] = msgspec.field(default_factory=list)


class CaptionsBody(msgspec.Struct):
    """Captions as JSON: what `formats.json` writes."""

    cues: Annotated[list[CueBody], msgspec.Meta(max_length=CUES_MAX, description=f"a list of at most {CUES_MAX} cues")]
    language: Annotated[str, msgspec.Meta(pattern=TAG, description="a language tag such as en or de-DE")] = ""


def parse(data: bytes, kind: str = "", max_bytes: int = BYTES_MAX) -> Captions:
    """Read a file of captions. `kind` is `json`, `vtt` or `srt`; without it, the content tells.

    Raises:
        BadRequest: it is too large, has another format, or cues that end before they start, overlap, or are out of order.
    """
    if len(data) > max_bytes:
        raise BadRequest(f"The captions must be at most {max_bytes >> 20} MB")
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise BadRequest("The captions must be text in UTF-8") from error
    found = _from_json(data) if (kind or _kind_of(text)) == "json" else _from_text(text)
    _check_times(found.cues)
    return found


def _kind_of(text: str) -> str:
    return "json" if text.lstrip().startswith("{") else "text"


def _from_json(data: bytes) -> Captions:
    try:
        body = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=CaptionsBody)
    except msgspec.ValidationError as error:
        raise BadRequest(f"The captions are not valid: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest("The captions are not valid JSON") from error
    cues = []
    for number, cue in enumerate(body.cues, 1):
        lines = tuple(_line(line, number) for line in cue.lines)
        words = tuple(Word(word.text, _ms(word.start), _ms(word.end), word.confidence) for word in cue.words)
        if not any(lines):
            raise BadRequest(f"Cue {number} has no text")
        cues.append(Cue(_ms(cue.start), _ms(cue.end), tuple(filter(None, lines)), words))
    return Captions(cues, body.language)


def _from_text(text: str) -> Captions:
    """Read WebVTT or SubRip: blocks between blank lines, each with a line of times. Comments and styles are left out."""
    header, cues = "", list[Cue]()
    blocks = re.split(r"\n[ \t]*\n", text.strip("\n"))
    for block in blocks:
        lines = block.split("\n")
        at = next((at for at, line in enumerate(lines[:2]) if "-->" in line), None)
        if at is None:
            if block.startswith("WEBVTT"):
                header = block
            elif block.strip() and not block.startswith(("NOTE", "STYLE", "REGION")):
                raise BadRequest(f"The captions are neither WebVTT nor SubRip: {block.strip()[:60]!r} has no times")
            continue
        if len(cues) == CUES_MAX:
            raise BadRequest(f"The captions must have at most {CUES_MAX} cues")
        number = len(cues) + 1
        times = TIMES.match(lines[at])
        if times is None:
            shown = lines[at].strip()[:60]
            raise BadRequest(f"Cue {number}: {shown!r} must be two times, such as 00:00:01.000 --> 00:00:02.500")
        spoken = tuple(filter(None, (_line(line, number) for line in lines[at + 1 :])))
        if len(spoken) > LINES_MAX:
            raise BadRequest(f"Cue {number} has more than {LINES_MAX} lines")
        if spoken:  # an empty cue shows nothing
            cues.append(Cue(_time(times.groups()[:4]), _time(times.groups()[4:]), spoken))
    if not header and not cues and text.strip():
        raise BadRequest("The captions are neither WebVTT nor SubRip nor JSON")
    language = LANGUAGE.search(header)
    return Captions(cues, language[1] if language else "")


def _line(text: str, number: int) -> str:
    if len(text) > TEXT_MAX:
        raise BadRequest(f"Cue {number} has a line of more than {TEXT_MAX} characters")
    plain = html.unescape(MARKUP.sub("", text))
    return " ".join("".join(char if char.isprintable() else " " for char in plain).split())


def _check_times(cues: list[Cue]) -> None:
    before_ms = 0
    for number, cue in enumerate(cues, 1):
        if cue.end_ms <= cue.start_ms:
            raise BadRequest(f"Cue {number} must end after it starts")
        if cue.start_ms < before_ms:
            raise BadRequest(f"Cue {number} must start after cue {number - 1} ends: sort the cues, and do not let them overlap")
        before_ms = cue.end_ms


def _time(parts: tuple[str | None, ...]) -> int:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    return ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(fraction.ljust(3, "0"))


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
