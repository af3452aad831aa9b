"""Describes who encoded which part, for `result.parts`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.ledger.parts import PartRow
from workers.context.team import TeamWork

if TYPE_CHECKING:
    from chalicelib.ledger.parts import PartsState

ROWS_MAX = 200
"""The record keeps so many rows; the counts are those of all parts."""


def describe(count: int, state: PartsState | None, errors: int) -> TeamWork:
    """Return the work of the team. `state` None: the ledger is unreachable, and only the number of parts is known."""
    rows = (
        [row for row in state.parts if isinstance(row, PartRow)] if state is not None and isinstance(state.parts, list) else []
    )
    done = [row for row in rows if row.state == "finished" and row.worker]
    begin = min((row.since for row in done), default=0)
    return TeamWork(
        count,
        max(1, len({row.worker for row in done})),
        sum(max(0, row.runs - 1) for row in rows),
        max([errors, *(int(row.errors) for row in rows)]),
        [_line(row, begin) for row in done[:ROWS_MAX]],
    )


def _line(row: PartRow, begin: float) -> dict[str, Any]:
    return {
        "part": row.n,
        "worker": row.worker,
        "start": round((row.since - begin) / 1000, 3),
        "seconds": round(row.took_ms / 1000, 3),
        "runs": row.runs,
    }
