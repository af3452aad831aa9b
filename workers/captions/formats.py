"""Writes cues as WebVTT, SubRip or JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.captions.cues import Cue

MIME = {"vtt": "text/vtt", "srt": "application/x-subrip", "json": "application/json"}


def clock(seconds: float, point: str = ".") -> str:
    """Format a time as hh:mm:ss.mmm."""
    ms = round(seconds * 1000)
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}{point}{ms % 1000:03}"


def vtt(cues: list[Cue], language: str, note: str = "") -> str:
    """Write WebVTT (W3C). `note` becomes a comment."""
    blocks = [f"WEBVTT\nLanguage: {language}"] + ([f"NOTE {note}"] if note else [])
    for cue in cues:
        text = "\n".join(line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for line in cue.lines)
        blocks.append(f"{clock(cue.start_ms / 1000)} --> {clock(cue.end_ms / 1000)}\n{text}")
    return "\n\n".join(blocks) + "\n"


def srt(cues: list[Cue], language: str, note: str = "") -> str:
    """Write SubRip. The format has no language and no comments."""
    del language, note
    blocks = []
    for number, cue in enumerate(cues, 1):
        times = f"{clock(cue.start_ms / 1000, ',')} --> {clock(cue.end_ms / 1000, ',')}"
        blocks.append(f"{number}\n{times}\n" + "\n".join(cue.lines) + "\n")
    return "\n".join(blocks)


def json(cues: list[Cue], language: str, note: str = "") -> str:
    """Write cues and their words; times in seconds."""
    out = [
        {
            "start": cue.start_ms / 1000,
            "end": cue.end_ms / 1000,
            "lines": list(cue.lines),
            "words": [
                {"text": word.text, "start": word.start_ms / 1000, "end": word.end_ms / 1000, "confidence": word.confidence}
                for word in cue.words
            ],
        }
        for cue in cues
    ]
    body = {"language": language} | ({"note": note} if note else {}) | {"cues": out}
    return msgspec.json.format(msgspec.json.encode(body), indent=1).decode() + "\n"


WRITERS: dict[str, Callable[[list[Cue], str, str], str]] = {"vtt": vtt, "srt": srt, "json": json}
