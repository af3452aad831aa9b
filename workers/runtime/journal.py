"""What one run writes down of itself: how long its stages took, what went wrong, and a log that its owner reads."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from chalicelib.directus.records import timestamp
from chalicelib.domain import attempts
from chalicelib.domain.attempts import AttemptLog, Line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.ledger.types import Claim

ATTEMPTS_KEPT = 20
LINES_KEPT = 60
TEXT_MAX = 300
"""All of it travels with a renewal of the lease, so it is kept to some kilobytes."""


class Journal:
    """The notes of the runs before this one, and of this one. The lease's thread reads it while the run writes."""

    def __init__(self, claim: Claim) -> None:
        self._lock = threading.Lock()
        self._notes = attempts.read(claim.journal)
        for earlier in self._notes.attempts:
            if earlier.outcome is None:
                earlier.outcome, earlier.error = "interrupted", "The worker stopped before it could say why"
        self._run = AttemptLog(attempt=claim.attempt, started_at=timestamp())
        self._notes.attempts = [*self._notes.attempts, self._run][-ATTEMPTS_KEPT:]
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
        """Note how long a stage takes, also when it is cut short."""
        started = time.monotonic()
        try:
            yield
        finally:
            seconds = round(time.monotonic() - started, 3)
            with self._lock:
                self._run.stages = {**self._run.stages, name: seconds}
            self.say(f"{name} took {seconds:g} s")

    def end(self, outcome: attempts.AttemptOutcome, error: str = "") -> None:
        """Note how the run ended; what is said last counts."""
        if self._run.outcome != outcome:
            self.say(f"Attempt {self._run.attempt}: {outcome}" + (f", {error}" if error else ""))
        with self._lock:
            self._run.outcome, self._run.error, self._run.ended_at = outcome, error[:TEXT_MAX], timestamp()
            self._changes += 1

    @property
    def stages(self) -> dict[str, float]:
        """Seconds by stage, of this run."""
        with self._lock:
            return dict(self._run.stages)

    def kept(self) -> dict[str, Any]:
        """Return what the record keeps once the job is over."""
        with self._lock:
            kept: dict[str, Any] = msgspec.to_builtins(self._notes)
            return kept

    def text(self) -> str:
        """Return all of it, as the ledger keeps it."""
        with self._lock:
            return msgspec.json.encode(self._notes).decode()

    def unsent(self) -> tuple[str, int]:
        """Return what the ledger has not heard yet ("": nothing), and the number to call `sent` with."""
        with self._lock:
            changes, known = self._changes, self._changes == self._sent
        return "" if known else self.text(), changes

    def sent(self, changes: int) -> None:
        """Note that the ledger has it, up to a change; 0: it has forgotten everything."""
        with self._lock:
            self._sent = changes
