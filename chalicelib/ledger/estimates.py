"""The models of the estimates, and the finished jobs that they have not learned yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from chalicelib.domain.estimates.estimator import Learned, decoded, encoded, names
from chalicelib.domain.estimates.shape import MEASURES, Shape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chalicelib.domain.estimates.model import Model
    from chalicelib.ledger.scripts import Scripts

CURSOR_LENGTH = 48
"""A summary begins with the id of its admission."""


class News(NamedTuple):
    """What completed since the models were stored."""

    first: bool
    """Whether nothing was ever stored, or Redis was wiped."""
    jobs: list[Learned]
    """The oldest first; at most 100."""
    cursor: str
    """What to store with the models."""


class _Summary(msgspec.Struct):
    """A line of the history of completed jobs, as the worker wrote it."""

    seconds: float = 0.0
    bytes_out: int = 0
    shapes: list[tuple[str, tuple[float, ...]]] = []


class Estimates:
    """Stores the models. Every method raises `LedgerUnavailable` if Redis is unreachable."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    def models(self, shapes: Sequence[Shape]) -> dict[str, Model]:
        """Return the models for jobs of these shapes, by name; without those that do not exist."""
        wanted = names(shapes)
        found = self._scripts.call("estimates/read", *wanted)
        return {name: decoded(text) for name, text in zip(wanted, found, strict=True) if text}

    def news(self) -> News:
        """Return the jobs that completed since the last `store`."""
        cursor, *lines = self._scripts.call("estimates/news")
        learned = [job for line in reversed(lines) if (job := _learned(line)) is not None]
        return News(cursor == "", learned, lines[0][:CURSOR_LENGTH] if lines else cursor or "-")

    def store(self, models: Mapping[str, Model], cursor: str) -> None:
        """Store models and the cursor of the news that they were learned from."""
        flat = [text for name, model in models.items() for text in (name, encoded(model))]
        self._scripts.call("estimates/store", cursor, *flat)


def _learned(line: str) -> Learned | None:
    """Decode a line of the history; None for one without measures, such as of an earlier release."""
    try:
        summary = msgspec.json.decode(line, type=_Summary)
    except msgspec.MsgspecError:
        return None
    shapes = [Shape(kind, measures) for kind, measures in summary.shapes if len(measures) == MEASURES]
    return Learned(shapes, summary.seconds, summary.bytes_out / 1e6) if shapes else None
