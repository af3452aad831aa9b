"""Describes who encoded which part, for `result.parts`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.context.team import TeamWork

if TYPE_CHECKING:
    from chalicelib.ledger.parts import PartsState

ROWS_MAX = 200
"""The record keeps so many rows; the counts are those of all parts."""


def describe(total: int, state: PartsState | None, errors: int) -> TeamWork:
    """Return the work of the team. `state` None: the ledger is unreachable, and only the number of parts is known."""
    rows = state.rows if state is not None else []
    done = [row for row in rows if row.state == "finished" and row.worker]
    begin = min((row.since for row in done), default=0)
    by_start = sorted(done, key=lambda row: row.since)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(row.worker for row in by_start), 1)}
    timeline = [
        {
            "part": row.n,
            "worker": numbers[row.worker],
            "start": round((row.since - begin) / 1000, 3),
            "seconds": round(row.took_ms / 1000, 3),
            "runs": row.runs,
        }
        for row in done[:ROWS_MAX]
    ]
    repeated = sum(max(0, row.runs - 1) for row in rows)
    return TeamWork(total, max(1, len(numbers)), repeated, max([errors, *(int(row.errors) for row in rows)]), timeline)
