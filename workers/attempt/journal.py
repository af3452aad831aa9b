"""Records one run: the duration of its stages, its error, and a log for the owner."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from chalicelib import tracing
from chalicelib.directus.records import timestamp
from chalicelib.domain import attempts
from chalicelib.domain.attempts import AttemptLog, Line
from chalicelib.domain.cost import Cost, together

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.domain.cost import PoolPrices
    from chalicelib.ledger.types import Claim

ATTEMPTS_KEPT = 20
LINES_KEPT = 60
TEXT_MAX = 300
"""The whole journal travels with each renewal of the lease, so it is limited to some kilobytes."""


class Journal:
    """The journal of earlier runs and of this one. The lease thread reads it while the run writes."""

    def __init__(self, claim: Claim) -> None:
        self._lock = threading.Lock()
        self._notes = attempts.read(claim.journal)
        for earlier in self._notes.attempts:
            if earlier.outcome is None:
                earlier.outcome, earlier.error = "interrupted", "The worker stopped without an error message"
        self._run = AttemptLog(attempt=claim.attempt, started_at=timestamp())
        every = [*self._notes.attempts, self._run]
        self._notes.attempts = every[-ATTEMPTS_KEPT:]
        dropped = [self._notes.spent, *(one.cost for one in every[:-ATTEMPTS_KEPT])]
        self._notes.spent = together([one for one in dropped if one is not None])
        self._changes = self._sent = 0
        self.say(f"Attempt {claim.attempt} started")

    def say(self, text: str) -> None:
        """Add a line to the log."""
        with self._lock:
            line = Line(timestamp(), self._run.attempt, text[:TEXT_MAX])
            self._notes.log = [*self._notes.log, line][-LINES_KEPT:]
            self._changes += 1

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Record the duration of a stage, also if it raises."""
        started = time.monotonic()
        try:
            with tracing.span(name):
                yield
        finally:
            seconds = round(time.monotonic() - started, 3)
            with self._lock:
                self._run.stages = {**self._run.stages, name: seconds}
            self.say(f"{name} took {seconds:g} s")

    def end(self, outcome: attempts.AttemptOutcome, error: str = "") -> None:
        """Record the outcome of the run; the last call counts."""
        if self._run.outcome != outcome:
            self.say(f"Attempt {self._run.attempt}: {outcome}" + (f", {error}" if error else ""))
        with self._lock:
            self._run.outcome, self._run.error, self._run.ended_at = outcome, error[:TEXT_MAX], timestamp()
            self._changes += 1

    def spend(self, cost: Cost) -> None:
        """Record what this run used; the last call counts."""
        with self._lock:
            self._run.cost = cost
            self._changes += 1

    def total_cost(self, prices: PoolPrices) -> Cost:
        """Return the cost of the job: of all recorded runs, and what a job costs however short it is."""
        with self._lock:
            runs = [self._notes.spent, *(run.cost for run in self._notes.attempts)]
        total = together([run for run in runs if run is not None]) or Cost(pool="")
        return msgspec.structs.replace(total, usd=round(prices.job + total.usd, 9))

    @property
    def stages(self) -> dict[str, float]:
        """Seconds by stage of this run."""
        with self._lock:
            return dict(self._run.stages)

    def kept(self) -> dict[str, Any]:
        """Return what the record keeps after the end of the job."""
        with self._lock:
            kept: dict[str, Any] = msgspec.to_builtins(self._notes)
            return kept

    def text(self) -> str:
        """Return the journal as the ledger keeps it."""
        with self._lock:
            return msgspec.json.encode(self._notes).decode()

    def unsent(self) -> tuple[str, int]:
        """Return what the ledger does not have yet ("": nothing), and the number to pass to `sent`."""
        with self._lock:
            changes, known = self._changes, self._changes == self._sent
        return "" if known else self.text(), changes

    def sent(self, changes: int) -> None:
        """Mark everything up to a change as stored; 0: the ledger lost everything."""
        with self._lock:
            self._sent = changes
