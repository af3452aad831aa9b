"""Compares cues with the limits of a style. What is beyond them is a warning: an editor may have a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.domain.captions.cues import Cue, Style

WARNINGS_MAX = 100


class Exceeded(msgspec.Struct, frozen=True):
    """One limit that a cue exceeds. `cue` counts from 1."""

    cue: int
    code: str
    message: str


def check(cues: list[Cue], style: Style) -> list[Exceeded]:
    """Return what exceeds the limits: at most WARNINGS_MAX entries, in the order of the cues."""
    found: list[Exceeded] = []
    before_ms: int | None = None
    for number, cue in enumerate(cues, 1):
        found += [Exceeded(number, code, message) for code, message in _of(cue, style, before_ms)]
        if len(found) >= WARNINGS_MAX:
            break
        before_ms = cue.end_ms
    return found[:WARNINGS_MAX]


def _of(cue: Cue, style: Style, before_ms: int | None) -> Iterator[tuple[str, str]]:
    lasts_ms = cue.end_ms - cue.start_ms
    longest = max(map(len, cue.lines))
    speed = cue.characters * 1000 / lasts_ms
    if longest > style.line_length:
        yield "line_length", f"A line has {longest} characters, more than {style.line_length}"
    if len(cue.lines) > style.lines:
        yield "lines", f"It has {len(cue.lines)} lines, more than {style.lines}"
    if speed > style.reading_speed:
        yield "reading_speed", f"It has {speed:.0f} characters a second, more than {style.reading_speed:g}"
    if not style.min_ms <= lasts_ms <= style.max_ms:
        yield "duration", f"It lasts {lasts_ms / 1000:g} s, not {style.min_ms / 1000:g} to {style.max_ms / 1000:g} s"
    if before_ms is not None and cue.start_ms - before_ms < style.gap_ms:
        yield (
            "gap",
            f"It starts {(cue.start_ms - before_ms) / 1000:g} s after the cue before, less than {style.gap_ms / 1000:g} s",
        )
