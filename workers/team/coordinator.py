"""Encodes the film of one job in parts, for the worker that holds its lease.

It cuts the film, stores the packets of each part, takes parts itself, and fetches what other workers finished. It never needs
the others, nor the store, nor the ledger: what is missing it encodes from its own input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from chalicelib.errors import StoreUnavailable
from workers.team.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.domain.jobs import MediaJob
    from chalicelib.ledger.parts import PartsLedger
    from workers.context.team import TeamWork
    from workers.context.work import Work
    from workers.parts.film import Film
    from workers.team.store import PartStore

logger = Logger(service="mediaq", child=True)


class Coordinator:
    """The team of one job. See `workers.context.team.Team`."""

    def __init__(
        self,
        job: MediaJob,
        token: str,
        ledger: PartsLedger,
        store: PartStore,
        worker: str,
        *,
        from_seconds: float,
        parts_wanted: int,
        call_lambdas: Callable[[int], None],
    ) -> None:
        """`token`: of the lease of the job. `call_lambdas`: asks Lambdas for help with so many parts."""
        self.from_seconds = from_seconds
        self.parts_wanted = parts_wanted
        self.job = job
        self.token = token
        self.ledger = ledger
        self.store = store
        self.worker = worker
        self.call_lambdas = call_lambdas
        self.folder = f"{job.job_id}/{job.id}"
        self.used = False

    def encode(self, work: Work, film: Film, meanwhile: Callable[[], None]) -> TeamWork:
        """Encode all parts of a film into the folder of the work.

        Raises:
            MediaRejected: a part failed for good.
            JobStopped: as `work.check`.
        """
        self.used = True
        run = Run(self, work, film)
        try:
            return run.perform(meanwhile)
        finally:
            run.close()

    def forget(self) -> None:
        """Delete the files of an ended job. What cannot be deleted ends with the lifecycle rule of the bucket."""
        try:
            self.store.delete_all(self.folder)
        except StoreUnavailable as error:
            logger.warning("files of parts remain in the store", extra={"job_id": self.job.job_id, "error": str(error)})
