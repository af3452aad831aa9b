"""The output of an engine process, one line each: a word, the progress, the language, or a refusal."""

from __future__ import annotations

import sys

import msgspec


class Line(msgspec.Struct, omit_defaults=True):
    """A word from `start` to `end`, or the progress `at`, all in s; or the detected language; or why the speech is refused."""

    text: str = ""
    start: float = 0
    end: float = 0
    confidence: float = 0
    at: float | None = None
    language: str = ""
    probability: float | None = None
    refused: str = ""


def say(line: Line) -> None:
    """Print a line and flush."""
    sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
    sys.stdout.flush()
