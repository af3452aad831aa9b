"""What must be true of the ledger after every transition, whatever came before."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from hypothesis.stateful import RuleBasedStateMachine, invariant

from tests.unit.factories import CYCLE

if TYPE_CHECKING:
    from chalicelib.domain.jobs import MediaJob
    from chalicelib.ledger.ledger import Ledger
    from tests.conftest import Clock, LossyScripts
    from tests.unit.ledger.model import Model

USERS = [str(uuid.UUID(int=number)) for number in range(1, 4)]


class Invariants(RuleBasedStateMachine):
    """Compares the ledger with the model."""

    scripts: LossyScripts
    clock: Clock
    ledger: Ledger
    model: Model
    tickets: list[MediaJob]
    records: dict[str, str]

    @invariant()
    def same_counts_and_order(self) -> None:
        if not hasattr(self, "model"):
            return
        stats, model = self.ledger.stats(), self.model
        counts = (stats.waiting, stats.active, stats.delayed, stats.completed, stats.failed)
        states = [len(model.in_state(state)) for state in ("waiting", "active", "delayed")]
        assert counts == (*states, model.totals["completed"], model.totals["failed"])
        for pool in ("lambda", "container"):
            line = self.scripts.redis.zrange(f"{self.scripts.prefix}:waiting:{pool}", 0, -1)
            assert [one[37:] for one in line] == model.line(pool)

    @invariant()
    def same_charges(self) -> None:
        if not hasattr(self, "model"):
            return
        for user in USERS:
            charged = self.scripts.redis.hget(f"{self.scripts.prefix}:usage:{user}:{CYCLE}", "transcoding")
            assert int(charged or 0) == self.model.charged.get(user, 0)

    @invariant()
    def same_scheduled(self) -> None:
        if not hasattr(self, "model"):
            return
        scheduled = [job.user for job in self.model.jobs.values() if job.scheduled]
        counted = self.scripts.redis.hgetall(f"{self.scripts.prefix}:scheduled")
        assert counted == {user: str(scheduled.count(user)) for user in set(scheduled)}

    @invariant()
    def same_returned(self) -> None:
        """What is or was running, and is not closed: the maintenance task must not count it in Directus."""
        if not hasattr(self, "model"):
            return
        running = {job.job_id for job in self.model.jobs.values() if job.state == "active" or job.runs}
        read_totals = self.ledger.read_totals()
        assert read_totals.seeded or set(read_totals.open) == running

    @invariant()
    def nothing_is_lost(self) -> None:
        """Every open record that was accepted is open in the ledger, or has a ticket that will bring it back."""
        if not hasattr(self, "model"):
            return
        ticketed = {ticket.job_id for ticket in self.tickets}
        for job_id, status in self.records.items():
            if status == "processing":
                assert job_id in self.model.jobs or job_id in ticketed
