"""What an engine's process prints, a line each: a word, or how far it is."""

from __future__ import annotations

import sys

import msgspec


class Line(msgspec.Struct, omit_defaults=True):
    """A word from `start` to `end`, or `at`, how far the engine is; all in s."""

    text: str = ""
    start: float = 0
    end: float = 0
    confidence: float = 0
    at: float | None = None


def say(line: Line) -> None:
    """Print a line, at once."""
    sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
    sys.stdout.flush()
