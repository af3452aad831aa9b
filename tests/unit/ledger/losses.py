"""What a ledger loses in a wipe or a failover, and how its workers restore it: a part of the machine of the property test."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from hypothesis.stateful import precondition, rule

from chalicelib.ledger.codec import LostJob
from chalicelib.ledger.ledger import new_token
from chalicelib.ledger.usage import UsageLedger
from tests.unit.factories import CYCLE
from tests.unit.ledger.invariants import USERS, Invariants
from tests.unit.ledger.model import Model
from tests.unit.ledger.model_job import Job
from tests.unit.ledger.snapshot import dump, restore

if TYPE_CHECKING:
    from chalicelib.domain.jobs import MediaJob


class Losses(Invariants):
    """Wipes and rollbacks."""

    saved: tuple[dict[bytes, tuple[bytes, int]], Model] | None

    def as_model(self, job: MediaJob) -> Job:
        return Job(job.job_id, job.id, job.user_id, job.pool, job.priority, 0, job.wall_ms)

    @rule()
    def save(self) -> None:
        """From here on, writes may be lost."""
        keys = self.scripts.redis.scan_iter(count=1000)
        self.saved = ({key: dump(self.scripts, key) for key in keys}, self.model.copy())

    @precondition(lambda self: self.saved is not None)
    @rule()
    def roll_back(self) -> None:
        """A failover to a replica that had not heard the last writes."""
        assert self.saved is not None
        dump, model = self.saved
        self.scripts.redis.flushall()
        for key, value in dump.items():
            restore(self.scripts, key, value)
        self.model, self.saved = copy.deepcopy(model), None
        self.put_back_all()

    @rule()
    def flush(self) -> None:
        """Redis is wiped."""
        self.scripts.redis.flushall()
        self.model, self.saved = Model(), None
        for user in USERS:
            UsageLedger(self.scripts).seed_jobs(user, CYCLE, "transcoding", 0)
        self.put_back_all()

    def put_back_all(self) -> None:
        """Every ticket is met by a worker, which adopts what the ledger does not know."""
        for ticket in list(self.tickets):
            record = self.records.get(ticket.job_id)
            if record in ("pending", "processing"):
                probe = self.ledger.claim("nowhere", ticket.id, ticket.job_id, new_token()).word
                self.model.promote(self.clock.ms)
                if probe == "unknown":
                    self.adopt_one(ticket, record, "")

    def adopt_one(self, job: MediaJob, record: Any, token: str) -> None:
        got = self.ledger.adopt([LostJob(job, record, 0, token)])
        assert got == [self.model.adopt(self.as_model(job), record, token, self.clock.ms)]
