"""Makes the coordinators and the helper of one process, if there is a store for parts."""

from __future__ import annotations

import os
import socket
from functools import cached_property, partial
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from chalicelib.errors import TicketsUnavailable
from workers.team.coordinator import Coordinator
from workers.team.helper import Helper
from workers.team.store import PartStore

if TYPE_CHECKING:
    from chalicelib.domain.jobs import MediaJob
    from chalicelib.ledger.parts import PartsLedger
    from chalicelib.queues.tickets import Tickets
    from chalicelib.settings import Settings
    from workers.context.work import Tools

logger = Logger(service="mediaq", child=True)
PARTS_OF_A_WORKER = 3


class Teams:
    """What this process needs to take part."""

    def __init__(self, settings: Settings, ledger: PartsLedger, tickets: Tickets) -> None:
        self._settings = settings
        self._ledger = ledger
        self._tickets = tickets
        self._worker = f"{socket.gethostname()}:{os.getpid()}"

    @cached_property
    def _store(self) -> PartStore:
        return PartStore(self._settings.parts_bucket)

    def coordinator(self, job: MediaJob, token: str) -> Coordinator:
        """Return the team of a job. `token`: of its lease."""
        return Coordinator(
            job,
            token,
            self._ledger,
            self._store,
            self._worker,
            from_seconds=self._settings.parts_from_seconds,
            parts_wanted=PARTS_OF_A_WORKER * self._settings.parts_workers,
            call_lambdas=partial(self._call_lambdas, job),
        )

    def helper(self, tools: Tools) -> Helper | None:
        """Return what takes parts of other jobs; None if there is no store for them."""
        return Helper(self._ledger, self._store, tools, self._worker) if self._settings.parts_bucket else None

    def _call_lambdas(self, job: MediaJob, count: int) -> None:
        try:
            self._tickets.call_for_parts(job.job_id, min(count, self._settings.parts_workers))
        except TicketsUnavailable as error:
            logger.warning("no Lambda called for parts", extra={"job_id": job.job_id, "error": str(error)})
