"""Words, cues, and the limits of a cue. All times are in whole ms."""

from __future__ import annotations

import msgspec

LOW_CONFIDENCE = 0.5
"""Words below this confidence are marked for an editor."""


class Word(msgspec.Struct, frozen=True):
    """One recognised word; `confidence` is 0..1."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float = 1.0


class Style(msgspec.Struct, frozen=True):
    """The limits of a cue: characters per line, lines per cue, characters per second, and durations in ms."""

    line_length: int = 42
    lines: int = 2
    reading_speed: float = 20
    gap_ms: int = 80
    min_ms: int = 833
    max_ms: int = 7000


class Cue(msgspec.Struct, frozen=True):
    """Text on the screen, from `start_ms` until before `end_ms`. A cue of a file without word times has no words."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    words: tuple[Word, ...] = ()

    @property
    def characters(self) -> int:
        """The number of characters to read."""
        return sum(map(len, self.lines))
