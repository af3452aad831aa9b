"""Reports this worker to the ledger every ten seconds, and to the health check of its container."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from aws_lambda_powertools import Logger

from chalicelib import VERSION
from chalicelib.errors import LedgerUnavailable
from chalicelib.ledger.workers import Heartbeat

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.ledger.workers import WorkersLedger
    from workers.context.programs import Programs
    from workers.runtime.runner import Runner

logger = Logger(service="mediaq", child=True)
BEAT_SECONDS = 10.0
JOBS_MAX = 20
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Heartbeats:
    """A thread that reports until the process ends."""

    def __init__(
        self,
        ledger: WorkersLedger,
        programs: Programs,
        *,
        kind: Literal["container", "lambda"],
        pools: list[str],
        slots: int,
        health_file: Path | None = None,
    ) -> None:
        """`health_file`: touched as long as the worker is healthy; None: no container looks at it."""
        self._ledger = ledger
        self._health_file = health_file
        self._healthy: Callable[[], bool] = lambda: True
        self._runner: Runner | None = None
        host = socket.gethostname()
        self._about = Heartbeat(
            id=os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME") or f"{host}:{os.getpid()}",
            kind=kind,
            pools=pools,
            host=host,
            version=VERSION,
            started_ms=round(time.time() * 1000),
            slots=slots,
            ffmpeg=programs.version,
            missing=programs.missing,
        )
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="heartbeat")

    def start(self, healthy: Callable[[], bool]) -> None:
        """Report now, and every ten seconds. `healthy`: whether the worker polls its pools."""
        self._healthy = healthy
        self._thread.start()

    def follow(self, runner: Runner | None) -> None:
        """Report the jobs of `runner` from now on; None: there are none."""
        self._runner = runner

    def drain(self) -> None:
        """Report that the worker takes no more jobs: it serves no pool any more."""
        self._about.pools, self._about.slots = [], 0
        self.beat()

    def stop(self) -> None:
        """Report that the worker stops."""
        self._over.set()
        self._thread.join()
        with suppress(LedgerUnavailable):
            self._ledger.leave(self._about.id)

    def beat(self) -> None:
        """Report once. Never raises for an unreachable Redis."""
        with self._lock:  # the last report must be the newest
            self._beat()

    def _beat(self) -> None:
        if self._health_file is not None and self._healthy():
            self._health_file.parent.mkdir(parents=True, exist_ok=True)
            self._health_file.touch()
        self._about.jobs = self._runner.running()[:JOBS_MAX] if self._runner is not None else []
        self._about.memory_bytes = _resident_bytes()
        if self._runner is not None and self._runner.last_error[1]:
            self._about.last_error, self._about.last_error_ms = self._runner.last_error
        with suppress(LedgerUnavailable):
            self._ledger.beat(self._about)

    def _run(self) -> None:
        while True:
            try:
                self.beat()
            except Exception:  # a worker that is taken for dead is worse than any bug
                logger.exception("heartbeat not sent")
            if self._over.wait(BEAT_SECONDS):
                return


def _resident_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES
    except (OSError, ValueError, IndexError):  # not on Linux
        return 0
