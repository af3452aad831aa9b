"""Builds cues from words, as broadcasters set them. Pure: words and a style in, cues out. All times are in whole ms.

True of every result: the order and the text of the words are kept; lines are short enough and few enough; a cue lasts between
the shortest and the longest duration; cues have a minimum gap. A cue stays long enough to be read, unless the next one would
then start more than LAG_MS after it is spoken. Text is broken at sentences and clauses where the limits allow it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from chalicelib.domain.captions.cues import Cue, Style, Word
from workers.captions import breaks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PAUSE_MS = 1200
"""A silence of this length ends a cue."""
LAG_MS = 1500
"""The longest delay of the next cue in favour of reading time."""
CUE_COST = 1.0
"""The cost of one more cue: as much as a break anywhere."""
EMPTY_WEIGHT = 0.6
"""The weight of a cue that is nearly empty: even cues are preferred."""
BREAK_WEIGHT = 0.12
"""The weight of a break between lines against uneven lines."""


def build(words: Iterable[Word], style: Style, language: str = "en") -> list[Cue]:
    """Return the cues of `words`."""
    groups = [group for run in _runs(_sized(words, style)) for group in _grouped(run, style, language)]
    return list(_timed(groups, style, language))


def wrap(texts: list[str], length: int, language: str = "en") -> list[str]:
    """Break words into the fewest lines of at most `length` characters: even, and broken where `breaks` allows.

    A longer lower line is preferred. No word may be longer than `length`.
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
            broken = 0.0 if last else BREAK_WEIGHT * breaks.cost(texts[end - 1], texts[end], language)
            lines, rest = best[end][0]
            options.append(((lines + 1, rest + ragged + broken), end))
        best[first] = min(options)
    lines_of: list[str] = []
    at = 0
    while at < len(texts):
        end = best[at][1]
        lines_of.append(" ".join(texts[at:end]))
        at = end
    return lines_of


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


def _runs(words: Iterable[Word]) -> Iterator[list[Word]]:
    """Split the words where nothing is said for PAUSE_MS."""
    run: list[Word] = []
    for word in words:
        if run and word.start_ms - run[-1].end_ms >= PAUSE_MS:
            yield run
            run = []
        run.append(word)
    if run:
        yield run


def _grouped(words: list[Word], style: Style, language: str) -> list[list[Word]]:
    """Split a run into cues: the split of least cost, of those whose cues keep the limits."""
    costs = [breaks.cost(one.text, other.text, language) for one, other in pairwise(words)]
    ends = [breaks.ends_sentence(word.text) for word in words]
    best: list[tuple[float, int]] = [(0.0, 0)] * (len(words) + 1)
    for first in range(len(words) - 1, -1, -1):
        options, sentences = [], 0.0
        for end, filled in _fitting(words, first, style):
            if end - first > 1 and ends[end - 2] and words[end - 2].end_ms - words[first].start_ms >= style.min_ms:
                sentences += breaks.INSIDE  # a sentence that is long enough ends its cue
            broken = costs[end - 1] if end < len(words) else 0.0
            uneven = EMPTY_WEIGHT * (1 - filled) ** 2
            options.append((CUE_COST + sentences + broken + uneven + best[end][0], -end))
        cost, end = min(options)
        best[first] = (cost, -end)
    groups, at = [], 0
    while at < len(words):
        groups.append(words[at : best[at][1]])
        at = best[at][1]
    return groups


def _fitting(words: list[Word], first: int, style: Style) -> Iterator[tuple[int, float]]:
    """Yield the ends of the cues that may start with a word, and how full each is, 0..1. One word is always possible."""
    readable = min(int(style.reading_speed * style.max_ms / 1000), style.line_length * style.lines)
    characters, lines, width = -1, 1, -1
    for end in range(first + 1, len(words) + 1):
        size = len(words[end - 1].text)
        characters += size + 1
        width += size + 1
        if width > style.line_length:
            lines, width = lines + 1, size
        lasted = words[end - 1].end_ms - words[first].start_ms
        if end > first + 1 and (characters > readable or lines > style.lines or lasted > style.max_ms):
            return
        yield end, min(1.0, characters / readable)


def _timed(groups: list[list[Word]], style: Style, language: str) -> Iterator[Cue]:
    free_ms = 0
    for number, group in enumerate(groups):
        lines = tuple(wrap([word.text for word in group], style.line_length, language))
        start = max(free_ms, group[0].start_ms)
        read_ms = -(-sum(map(len, lines)) * 1000 // style.reading_speed)
        end = max(group[-1].end_ms, start + int(read_ms))
        if number + 1 < len(groups):
            end = min(end, groups[number + 1][0].start_ms + LAG_MS - style.gap_ms)
        end = max(start + style.min_ms, min(end, start + style.max_ms))
        yield Cue(start, end, lines, tuple(group))
        free_ms = end + style.gap_ms
