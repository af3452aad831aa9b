"""Builds cues from words, as broadcasters set them. Pure: words and a style in, cues out. All times are in whole ms.

True of every result: the order and the text of the words are kept; lines are short enough and few enough; a cue lasts between
the shortest and the longest duration; cues have a minimum gap. A cue stays long enough to be read, unless the next one would
then start more than LAG_MS after it is spoken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PAUSE_MS = 1200
"""A silence of this length ends a cue."""
LAG_MS = 1500
"""The longest delay of the next cue in favour of reading time."""
SENTENCE_ENDS = (".", "?", "!", "…", "。", "？", "！")  # noqa: RUF001 - of scripts that have their own
CLAUSE_ENDS = (",", ";", ":", "—", "–")  # noqa: RUF001 - dashes


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
    """Text on the screen, from `start_ms` until before `end_ms`."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    words: tuple[Word, ...]

    @property
    def characters(self) -> int:
        """The number of characters to read."""
        return sum(map(len, self.lines))


def build(words: Iterable[Word], style: Style) -> list[Cue]:
    """Return the cues of `words`."""
    return list(_timed(list(_grouped(list(_sized(words, style)), style)), style))


def wrap(texts: list[str], length: int) -> list[str]:
    """Break words into the fewest lines of at most `length` characters, as even as possible.

    A line break after a clause and a longer lower line are preferred. No word may be longer than `length`.
    """
    best: list[tuple[tuple[int, float], int]] = [((0, 0.0), 0)] * (len(texts) + 1)  # cost of the rest, by where its line ends
    for first in range(len(texts) - 1, -1, -1):
        options, width = [], -1
        for end in range(first + 1, len(texts) + 1):
            width += len(texts[end - 1]) + 1
            if width > length:
                break
            last = end == len(texts)
            ragged = (1 - width / length) ** 2 * (0.9 if last else 1.0)
            ragged -= 0.05 if not last and texts[end - 1].endswith((*CLAUSE_ENDS, *SENTENCE_ENDS)) else 0
            lines, cost = best[end][0]
            options.append(((lines + 1, cost + ragged), end))
        best[first] = min(options)
    broken: list[str] = []
    at = 0
    while at < len(texts):
        end = best[at][1]
        broken.append(" ".join(texts[at:end]))
        at = end
    return broken


def _sized(words: Iterable[Word], style: Style) -> Iterator[Word]:
    """Sort the words, and split those longer than a line, sharing their time."""
    clock = 0
    for word in words:
        text = "".join(char if char.isprintable() else " " for char in word.text)
        start = max(clock, word.start_ms)
        end = max(start, word.end_ms)
        clock = start
        pieces = [part[at : at + style.line_length] for part in text.split() for at in range(0, len(part), style.line_length)]
        for number, piece in enumerate(pieces):
            begin, finish = (start + (end - start) * share // len(pieces) for share in (number, number + 1))
            yield Word(piece, begin, finish, word.confidence)


def _grouped(words: list[Word], style: Style) -> Iterator[list[Word]]:
    readable = int(style.reading_speed * style.max_ms / 1000)
    group: list[Word] = []
    for word in words:
        if group and _ends(group, word, style, readable):
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def _ends(group: list[Word], word: Word, style: Style, readable: int) -> bool:
    """Return whether a cue ends before `word`."""
    texts = [one.text for one in group] + [word.text]
    lasted = group[-1].end_ms - group[0].start_ms
    return (
        word.start_ms - group[-1].end_ms >= PAUSE_MS
        or word.end_ms - group[0].start_ms > style.max_ms
        or sum(map(len, texts)) + len(texts) - 1 > min(readable, style.line_length * style.lines)
        or len(wrap(texts, style.line_length)) > style.lines
        or (group[-1].text.endswith(SENTENCE_ENDS) and lasted >= style.min_ms)
    )


def _timed(groups: list[list[Word]], style: Style) -> Iterator[Cue]:
    free_ms = 0
    for number, group in enumerate(groups):
        lines = tuple(wrap([word.text for word in group], style.line_length))
        start = max(free_ms, group[0].start_ms)
        read_ms = -(-sum(map(len, lines)) * 1000 // style.reading_speed)
        end = max(group[-1].end_ms, start + int(read_ms))
        if number + 1 < len(groups):
            end = min(end, groups[number + 1][0].start_ms + LAG_MS - style.gap_ms)
        end = max(start + style.min_ms, min(end, start + style.max_ms))
        yield Cue(start, end, lines, tuple(group))
        free_ms = end + style.gap_ms
