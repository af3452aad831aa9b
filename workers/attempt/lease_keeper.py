"""Renews the leases of all running jobs of a process, in one call every two seconds."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from chalicelib.errors import LedgerUnavailable

if TYPE_CHECKING:
    from chalicelib.ledger.ledger import Ledger
    from chalicelib.ledger.types import Renewal
    from workers.attempt.lease import Lease

logger = Logger(service="mediaq", child=True)
RENEW_SECONDS = 2.0
STARTED_SECONDS = 0.2
"""How soon the ledger learns that a record is processing. A cancel waits for it; a shorter job need not report it."""
TICK_SECONDS = 0.1


class LeaseKeeper:
    """A thread that lives as long as there are leases to renew."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._leases: set[Lease] = set()
        self._started: dict[Lease, float] = {}
        """Leases to renew soon, and since when."""
        self._round_at = 0.0
        self._running = False

    def add(self, lease: Lease) -> None:
        """Renew a lease from now on."""
        with self._lock:
            self._leases.add(lease)
            if self._running:
                return
            self._round_at = time.monotonic() + RENEW_SECONDS
            threading.Thread(target=self._keep, name="leases", daemon=True).start()  # may fail: then the next lease tries again
            self._running = True

    def discard(self, lease: Lease) -> None:
        """Renew it no more. A renewal that is on its way changes nothing: the job has ended."""
        with self._lock:
            self._leases.discard(lease)
            self._started.pop(lease, None)

    def renew_soon(self, lease: Lease) -> None:
        """Renew a lease that has something to report, if it is still there in a moment."""
        with self._lock:
            self._started[lease] = time.monotonic()

    def _keep(self) -> None:
        while (due := self._due()) is not None:
            self._renew(due)
            time.sleep(TICK_SECONDS)

    def _due(self) -> list[Lease] | None:
        """Return what to renew now; None: there is no lease, and the thread ends."""
        with self._lock:
            if not self._leases:
                self._running = False
                self._started.clear()
                return None
            now = time.monotonic()
            if now >= self._round_at:
                self._round_at = now + RENEW_SECONDS
                due = list(self._leases)
            else:
                due = [lease for lease, since in self._started.items() if now >= since + STARTED_SECONDS]
            for lease in due:
                self._started.pop(lease, None)
            return due

    def _renew(self, due: list[Lease]) -> None:
        renewals = [(lease, *renewal) for lease in due if (renewal := _renewal(lease)) is not None]
        if not renewals:
            return
        try:
            words = self._ledger.renew_all([renewal for _, renewal, _ in renewals])
        except LedgerUnavailable as error:
            logger.warning("leases not renewed", extra={"leases": len(due), "error": str(error)})
            return
        except Exception:  # a lease that is not renewed is worse than any bug
            logger.exception("leases not renewed")
            return
        for (lease, _, changes), word in zip(renewals, words, strict=True):
            try:
                lease.renewed(word, changes)
            except LedgerUnavailable as error:
                logger.warning("lease not renewed", extra={"job_id": lease.job.job_id, "error": str(error)})
            except Exception:
                logger.exception("lease not renewed", extra={"job_id": lease.job.job_id})


def _renewal(lease: Lease) -> tuple[Renewal, int] | None:
    """Return the next renewal of a lease; None: it cannot be built, which must not keep the others."""
    try:
        return lease.renewal()
    except Exception:
        logger.exception("lease not renewed", extra={"job_id": lease.job.job_id})
        return None
