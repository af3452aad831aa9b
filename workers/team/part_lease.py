"""Keeps the lease of a part alive, and tells its run when to stop."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from aws_lambda_powertools import Logger

from chalicelib.errors import JobStopped, LeaseLost, LedgerUnavailable

if TYPE_CHECKING:
    from types import TracebackType

    from chalicelib.ledger.parts import ClaimedPart, PartsLedger

logger = Logger(service="mediaq", child=True)
RENEW_SECONDS = 2.0


class PartLease:
    """A context manager: inside it, `check` raises as soon as the run of the part must stop."""

    def __init__(self, part: ClaimedPart, ledger: PartsLedger) -> None:
        self._part = part
        self._ledger = ledger
        self._stop: JobStopped | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"part-{part.job_id}-{part.n}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def check(self) -> None:
        """Raise the reason to stop: LeaseLost or WorkerStopping."""
        if self._stop is not None:
            raise self._stop

    def stop(self, reason: JobStopped) -> None:
        """Stop the run."""
        self._stop = self._stop or reason

    def _keep(self) -> None:
        while not self._over.wait(RENEW_SECONDS):
            try:
                if self._ledger.renew(self._part) == "lost":
                    self.stop(LeaseLost("Another worker finished the part, or its job ended"))
                    return
            except LedgerUnavailable as error:
                logger.warning("lease of a part not renewed", extra={"job_id": self._part.job_id, "error": str(error)})
            except Exception:  # a lease that is not renewed is worse than any bug
                logger.exception("lease of a part not renewed", extra={"job_id": self._part.job_id})
