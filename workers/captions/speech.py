"""What an engine is asked, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chalicelib.domain.captions.cues import Word


@dataclass(frozen=True)
class Asked:
    """The speech to recognise: its language (`auto`: unknown), its length in s (0: unknown), and terms to expect."""

    language: str
    seconds: float = 0
    terms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Heard:
    """The words, and their language. `probability` is that of a detected language, 0..1."""

    words: list[Word]
    language: str
    probability: float | None = None
