"""Writes cues as WebVTT, SubRip, TTML, JSON or plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

import msgspec

from chalicelib.domain.captions.cues import LOW_CONFIDENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.domain.captions.cues import Cue, Word

MIME = {
    "vtt": "text/vtt",
    "srt": "application/x-subrip",
    "ttml": "application/ttml+xml",
    "json": "application/json",
    "txt": "text/plain",
}
PARAGRAPH_MS = 2000
"""A pause of this length starts a paragraph of the plain text."""


def clock(seconds: float, point: str = ".") -> str:
    """Format a time as hh:mm:ss.mmm."""
    ms = round(seconds * 1000)
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}{point}{ms % 1000:03}"


def vtt(cues: list[Cue], language: str) -> str:
    """Write WebVTT (W3C)."""
    blocks = [f"WEBVTT\nLanguage: {language}"]
    for cue in cues:
        text = "\n".join(line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for line in cue.lines)
        blocks.append(f"{clock(cue.start_ms / 1000)} --> {clock(cue.end_ms / 1000)}\n{text}")
    return "\n\n".join(blocks) + "\n"


def srt(cues: list[Cue], language: str) -> str:
    """Write SubRip. The format has no language."""
    del language
    blocks = []
    for number, cue in enumerate(cues, 1):
        times = f"{clock(cue.start_ms / 1000, ',')} --> {clock(cue.end_ms / 1000, ',')}"
        blocks.append(f"{number}\n{times}\n" + "\n".join(cue.lines) + "\n")
    return "\n".join(blocks)


def ttml(cues: list[Cue], language: str) -> str:
    """Write TTML 1 (W3C): text at the bottom, centred."""
    style = 'tts:origin="10% 80%" tts:extent="80% 15%" tts:displayAlign="after" tts:textAlign="center"'
    head = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<tt xmlns="http://www.w3.org/ns/ttml" xmlns:tts="http://www.w3.org/ns/ttml#styling" xml:lang={quoteattr(language)}>',
        f'<head><layout><region xml:id="bottom" {style}/></layout></head>',
        '<body region="bottom"><div>',
    ]
    cells = [
        f'<p begin="{clock(cue.start_ms / 1000)}" end="{clock(cue.end_ms / 1000)}">{"<br/>".join(map(escape, cue.lines))}</p>'
        for cue in cues
    ]
    return "\n".join([*head, *cells, "</div></body>", "</tt>"]) + "\n"


def txt(cues: list[Cue], language: str) -> str:
    """Write the text alone. A pause starts a paragraph."""
    del language
    paragraphs: list[list[str]] = []
    before_ms = 0
    for cue in cues:
        if not paragraphs or cue.start_ms - before_ms >= PARAGRAPH_MS:
            paragraphs.append([])
        paragraphs[-1].extend(cue.lines)
        before_ms = cue.end_ms
    return "\n\n".join(" ".join(lines) for lines in paragraphs) + ("\n" if paragraphs else "")


def json(cues: list[Cue], language: str) -> str:
    """Write cues and their words; times in seconds. A word of low confidence has `"check": true`."""
    body = {"language": language, "cues": [plain(cue) for cue in cues]}
    return msgspec.json.encode(body).decode() + "\n"


def plain(cue: Cue) -> dict[str, object]:
    """Return a cue as JSON values; times in seconds."""
    return {
        "start": cue.start_ms / 1000,
        "end": cue.end_ms / 1000,
        "lines": list(cue.lines),
        "words": [_plain_word(word) for word in cue.words],
    }


def _plain_word(word: Word) -> dict[str, object]:
    check = {"check": True} if word.confidence < LOW_CONFIDENCE else {}
    times = {"start": word.start_ms / 1000, "end": word.end_ms / 1000}
    return {"text": word.text, **times, "confidence": word.confidence, **check}


WRITERS: dict[str, Callable[[list[Cue], str], str]] = {"vtt": vtt, "srt": srt, "ttml": ttml, "json": json, "txt": txt}
