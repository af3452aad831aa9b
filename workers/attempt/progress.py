"""Reports progress to Directus from a thread of its own, so that a slow Directus delays neither the work nor the lease."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from chalicelib.errors import DirectusUnavailable

if TYPE_CHECKING:
    from types import TracebackType

    from chalicelib.directus.client import Directus
    from workers.attempt.lease import Lease

EVERY_SECONDS = 5.0
EVERY_POINTS = 5


class ProgressReporter:
    """A context manager: inside it, progress is written to the record at most every 5 s and 5 points."""

    def __init__(self, directus: Directus, lease: Lease) -> None:
        self._directus = directus
        self._lease = lease
        self._told = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._report, name=f"progress-{lease.job.job_id}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def _report(self) -> None:
        while not self._over.wait(EVERY_SECONDS):
            percent = self._lease.percent
            if percent - self._told < EVERY_POINTS or self._lease.stopping:
                continue
            try:
                self._directus.update_open_job(self._lease.job.job_id, {"progress": percent})
                self._told = percent
            except DirectusUnavailable:
                continue  # the next report has newer progress
