"""Runs parts of other workers' jobs: one part after the other, as long as no whole job is before them."""

from __future__ import annotations

import math
import shutil
import threading
import time
from typing import TYPE_CHECKING

import msgspec
from aws_lambda_powertools import Logger

from chalicelib import tracing
from chalicelib.errors import (
    JobStopped,
    LeaseLost,
    LedgerUnavailable,
    MediaRejected,
    StoreUnavailable,
    WorkerStopping,
)
from chalicelib.ledger.ledger import new_token
from chalicelib.ledger.parts import NO_LIMIT
from workers.context.warnings import WarningCollector
from workers.context.work import Work
from workers.parts import encode, film, join
from workers.sandbox import accounting, sandbox
from workers.team.part_lease import PartLease

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.ledger.parts import ClaimedPart, GiveBack, PartsLedger
    from workers.context.work import Tools
    from workers.team.store import PartStore

logger = Logger(service="mediaq", child=True)
STORE_PAUSE_SECONDS = 30.0
"""How long a worker takes no part after one failed: the store or the worker itself may be out of order."""
PART_SECONDS_MAX = 6 * 3600.0
"""As long as an attempt at the whole job."""
PART_SHARE = 3
"""A worker takes parts whose expected time is at most this fraction of its time left: it may have fewer processors."""
DISK_SHARE = 8
"""A part may fill a worker's free disk up to this fraction: several parts run at a time, and each has a result."""
RECIPE_BYTES_MAX = 16 << 20


class Helper:
    """Takes parts for the workers of this process."""

    def __init__(self, ledger: PartsLedger, store: PartStore, tools: Tools, worker: str) -> None:
        self._ledger = ledger
        self._store = store
        self._tools = tools
        self._worker = worker
        self._engine = encode.engine(tools.programs.version)
        self._leases: set[PartLease] = set()
        self._lock = threading.Lock()
        self._stopped: WorkerStopping | None = None
        self._paused_until = 0.0
        self.until = math.inf
        """When this worker ends, in `time.monotonic`."""

    def stop(self, reason: WorkerStopping) -> None:
        """Give all running parts back, and take no more."""
        with self._lock:
            self._stopped = reason
            for lease in self._leases:
                lease.stop(reason)

    def help(self, pool: str) -> bool:
        """Run one part for a pool. False: there is none to take now. Never raises for an unreachable dependency."""
        if self._stopped is not None or time.monotonic() < self._paused_until:
            return False
        try:
            _, part = self._ledger.claim_any(
                pool,
                new_token(),
                self._engine,
                self._worker,
                bytes_max=self._bytes_max(),
                seconds_max=min(NO_LIMIT, (self.until - time.monotonic()) / PART_SHARE),
            )
        except LedgerUnavailable:
            return False
        if part is None:
            return False
        about = {"job_id": part.job_id, "part": part.n, "run": part.run, "worker": self._worker}
        started = time.monotonic()
        outcome = self._run_safely(part)
        logger.info("part", extra={**about, "outcome": outcome, "seconds": round(time.monotonic() - started, 3)})
        return outcome in ("finished", "lost")

    def _bytes_max(self) -> int:
        """Return the size of the largest source that the disk has room for, with its result."""
        self._tools.work_dir.mkdir(parents=True, exist_ok=True)
        return shutil.disk_usage(self._tools.work_dir).free // DISK_SHARE

    def _run_safely(self, part: ClaimedPart) -> str:
        """Run a part and return what came of it."""
        lease = PartLease(part, self._ledger)
        with self._lock:
            self._leases.add(lease)
            if self._stopped is not None:
                lease.stop(self._stopped)
        how, error = "released", ""
        try:
            traced = tracing.span("part", parent=part.traceparent, kind="consumer", job_id=part.job_id, part=part.n)
            with lease, accounting.metered(), traced:
                return self._run(part, lease)
        except LeaseLost:
            return "lost"
        except StoreUnavailable as failed:
            self._paused_until = time.monotonic() + STORE_PAUSE_SECONDS
            logger.warning("part given back: the store failed", extra={"job_id": part.job_id, "error": str(failed)})
        except (WorkerStopping, LedgerUnavailable):
            pass
        except OSError as failed:  # a full disk; another worker may have more
            self._paused_until = time.monotonic() + STORE_PAUSE_SECONDS
            logger.warning("part given back", extra={"job_id": part.job_id, "error": str(failed)})
        except JobStopped as failed:  # of the film, or of this worker: the coordinator finds out
            how, error = "handed", str(failed)
            self._paused_until = time.monotonic() + STORE_PAUSE_SECONDS
        except Exception:
            how, error = "handed", "An internal error occurred; it has been logged"
            self._paused_until = time.monotonic() + STORE_PAUSE_SECONDS
            logger.exception("part failed", extra={"job_id": part.job_id, "part": part.n})
        finally:
            with self._lock:
                self._leases.discard(lease)
        return self._give_back(part, how, error)  # type: ignore[arg-type]

    def _give_back(self, part: ClaimedPart, how: GiveBack, error: str) -> str:
        try:
            return "lost" if self._ledger.give_back(part, how, error) == "lost" else how
        except LedgerUnavailable:
            return how  # its lease ends

    def _run(self, part: ClaimedPart, lease: PartLease) -> str:
        with sandbox.private_folder(self._tools.work_dir) as folder:
            recipe = self._recipe(part, folder)
            source = folder / film.source_name(part.n, recipe.picture.codec)
            self._store.get(part.source, source)
            out = folder / "out"
            out.mkdir()
            warnings = WarningCollector()
            work = Work(
                params=None,
                input=source,
                folder=out,
                deadline=time.monotonic() + PART_SECONDS_MAX,
                tools=self._tools,
                check=lease.check,
                warnings=warnings,
            )
            target = out / join.encoded_name(part.n)
            encode.run(work, recipe, source, target, part.n)
            lease.check()
            result = self._store.put(f"{part.job_id}/{part.id}", f"result-{part.n}", target)
            cpu_seconds = accounting.current().cpu_seconds
            word = self._ledger.finish(part, result, target.stat().st_size, warnings.decode_errors, cpu_seconds)
        return "finished" if word == "ok" else "lost"

    def _recipe(self, part: ClaimedPart, folder: Path) -> encode.Recipe:
        file = folder / "recipe.json"
        self._store.get(part.recipe, file, RECIPE_BYTES_MAX)
        try:
            return msgspec.json.decode(file.read_bytes(), type=encode.Recipe)
        except msgspec.MsgspecError as error:  # its engine has the same name, so this is a defect
            raise MediaRejected("The recipe of a part cannot be read") from error
