"""One attempt at a job: the record read, the input fetched, the operation run, the outputs stored, the record closed.

The record has the last word: every change of its status goes through only while it is open, so an attempt that lost a race
finds that out here. Nothing in this file knows the ledger or the tickets; `runner.py` does.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

from aws_lambda_powertools import Logger

from chalicelib.directus import OPEN_STATES
from chalicelib.errors import AttemptFailed, BadRequest, DirectusUnavailable, MediaRejected
from chalicelib.jobs import CANCELLED, MAX_STALLS, OPERATIONS
from chalicelib.validation import validate, without_empty
from workers import fetch, sandbox
from workers.operations import Work, transcoding
from workers.progress import ProgressReporter

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.directus import Directus, Record
    from chalicelib.jobs import MediaJob
    from chalicelib.ledger import Claim, Outcome
    from workers.lease import Lease
    from workers.operations import Done, Output

logger = Logger(service="mediaq", child=True)
T = TypeVar("T")
RUN: dict[str, Callable[[Work], Done]] = {"transcoding": transcoding.run}
FETCH_SHARE, PROCESS_SHARE = 10, 80  # of 100 points of progress; the rest is the upload
INPUT_MAX_BYTES = 32 << 30


@dataclass(frozen=True)
class Tools:
    """What the machine lends to every job."""

    work_dir: Path
    ffmpeg: str
    fetcher: fetch.Fetcher


class Attempt:
    """What one claim does to its record. `perform` and `fail` return how the job ended, for the ledger to count."""

    def __init__(self, claim: Claim, lease: Lease, directus: Directus, tools: Tools) -> None:
        self._job: MediaJob = lease.job
        self._claim = claim
        self._lease = lease
        self._directus = directus
        self._tools = tools
        self._maybe_strays = claim.runs > 1
        """Whether there may be outputs that nobody will name: of an attempt that died, or of an upload that was repeated."""
        self._stages: dict[str, float] = {}

    def perform(self) -> Outcome:
        """Run the job to its end.

        Raises:
            JobStopped: it ended without a result; `runner.py` decides what follows.
            Unavailable: a dependency is away.
        """
        record = self._directus.read_job(self._job.job_id)
        if record is None or record.status not in OPEN_STATES:
            return self._settle(record)
        self._maybe_strays |= record.status == "processing"
        if self._claim.stalls > MAX_STALLS:
            raise MediaRejected("The job stalled more than once: its worker died twice while running it")
        started = {"attempts": self._claim.attempt, "started_at": _now()}
        if record.status == "pending":  # else it says so, and a late answer to an earlier attempt must not be undone
            started |= {"status": "processing", "progress": 0, "error": None}
        if not self._directus.update_open_job(self._job.job_id, started):
            return self._settle(self._directus.read_job(self._job.job_id))
        with sandbox.private_folder(self._tools.work_dir) as folder:
            with ProgressReporter(self._directus, self._lease):
                done, name = self._work(folder, record)
            return self._store(done, name)

    def fail(self, error: str) -> Outcome:
        """Close the record as failed, waiting for Directus if it has to."""
        values = {"status": "failed", "error": error[:2000], "finished_at": _now()}
        return self._close(values, "failed", [])

    def _work(self, folder: Path, record: Record) -> tuple[Done, str]:
        operation = OPERATIONS[self._job.operation]
        try:
            params = validate(without_empty(self._job.params), operation.params, "params")
        except BadRequest as error:  # enqueued by a release that accepted it
            raise MediaRejected(str(error)) from error
        source = folder / "input"
        with self._stage("fetch"):
            name = self._fetch(source, record)
        out = folder / "out"
        out.mkdir()
        work = Work(
            params=params,
            input=source,
            folder=out,
            seconds=self._lease.seconds_left,
            ffmpeg=self._tools.ffmpeg,
            progress=lambda share: self._lease.progress(FETCH_SHARE + int(PROCESS_SHARE * share)),
            check=self._lease.check,
        )
        with self._stage("process"):
            return RUN[self._job.operation](work), name

    def _fetch(self, target: Path, record: Record) -> str:
        """Bring the input to disk, never into memory; return the name it had."""

        def arrived(got: int, expected: int | None) -> None:
            self._lease.check()
            if got > INPUT_MAX_BYTES:
                raise MediaRejected(f"The input is larger than {INPUT_MAX_BYTES >> 30} GiB")
            if expected:
                self._lease.progress(int(FETCH_SHARE * got / expected))

        if self._job.input_file_id is None:
            assert self._job.input_url is not None
            self._tools.fetcher.download(self._job.input_url, target, arrived)
            return PurePosixPath(self._job.input_url.split("?")[0]).stem
        with self._directus.open_file(self._job.input_file_id) as opened:
            if opened is None:
                if self._directus.read_file(self._job.input_file_id):  # the row is there: its content is gone, or refused to us
                    raise AttemptFailed("Directus does not give the input file out")
                raise MediaRejected("The input file does not exist any more")
            fetch.write(target, *opened, arrived)
        file = record.input_file_id
        named = file is not None and file.id == self._job.input_file_id and file.filename_download
        return Path(named).stem if named else "media"

    def _store(self, done: Done, name: str) -> Outcome:
        """Upload the outputs and close the record: a finished result waits, under its lease, for Directus to come back."""
        try:
            with self._stage("upload"):
                ids = [self._patiently(partial(self._upload, output, name)) for output in done.outputs]
        except BaseException:
            self._maybe_strays = True  # Directus may have it all, and only we do not know its id
            raise
        values = {
            "status": "completed",
            "output_file_id": ids[0] if ids else None,
            "result": {**done.result, "stages": self._stages, "attempt": self._claim.attempt},
            "progress": 100,
            "error": None,
            "finished_at": _now(),
        }
        return self._close(values, "completed", ids)

    def _upload(self, output: Output, name: str) -> str:
        size = output.path.stat().st_size

        def sent(count: int) -> None:
            self._lease.check()
            self._lease.progress(FETCH_SHARE + PROCESS_SHARE + min(9, 9 * count // max(1, size)))

        with output.path.open("rb") as stream:
            return self._directus.upload_file(
                stream,
                title=f"{self._job.job_id}/{output.name}",
                name=_safe(name) + output.path.suffix,
                mime=output.mime,
                sent=sent,
            )

    def _close(self, values: dict[str, Any], outcome: Outcome, outputs: list[str]) -> Outcome:
        def close() -> bool:
            self._lease.confirm()  # each time: the wait for Directus may have outlasted the lease
            return self._directus.update_open_job(self._job.job_id, values)

        if not self._patiently(close):
            record = self._patiently(lambda: self._directus.read_job(self._job.job_id))
            if record is None or record.output_file_id not in outputs:  # else it was our own call, its answer lost
                self._delete(outputs)
            return self._settle(record)
        if self._maybe_strays:
            self._delete_strays(outputs)
        return outcome

    def _settle(self, record: Record | None) -> Outcome:
        """Say how a job ended whose record is closed already, and clean up behind whoever closed it."""
        outcome = _settled(record)
        if self._maybe_strays:
            self._delete_strays([record.output_file_id] if record and record.output_file_id else [])
        return outcome

    def _delete_strays(self, keep: list[str]) -> None:
        """Delete what earlier attempts uploaded before they died, and nothing of an admission that came after us."""
        try:
            self._lease.confirm()
            record = self._directus.read_job(self._job.job_id)
            if record is not None and (record.status in OPEN_STATES or record.output_file_id not in (None, *keep)):
                return
            self._delete([one for one in self._directus.find_files(f"{self._job.job_id}/") if one not in keep])
        except DirectusUnavailable:
            logger.warning("outputs of an earlier attempt may be left over", extra={"job_id": self._job.job_id})

    def _delete(self, files: list[str]) -> None:
        for file in files:
            self._directus.delete_file(file)

    def _patiently(self, call: Callable[[], T]) -> T:
        while True:
            try:
                return call()
            except DirectusUnavailable as error:
                self._maybe_strays = True
                logger.warning("waiting for Directus", extra={"job_id": self._job.job_id, "error": str(error)})
                self._lease.wait(random.uniform(1, 3))  # noqa: S311 - jitter

    def _stage(self, name: str) -> _Stage:
        return _Stage(self._stages, name)


class _Stage:
    """Notes how many seconds a stage took."""

    def __init__(self, stages: dict[str, float], name: str) -> None:
        self._stages = stages
        self._name = name

    def __enter__(self) -> None:
        self._started = time.monotonic()

    def __exit__(self, *error: object) -> None:
        self._stages[self._name] = round(time.monotonic() - self._started, 3)


def _settled(record: Record | None) -> Outcome:
    """Say how a job ended whose record is closed already: only the ledger has not heard of it."""
    if record is not None and record.status in OPEN_STATES:
        raise AttemptFailed("The record could not be changed")
    if record is not None and record.status == "completed":
        return "completed"
    if record is not None and record.status == "failed" and record.error != CANCELLED:
        return "failed"
    return "cancelled"  # deleted, or set to a status that is none of ours: somebody does not want it any more


def _safe(name: str) -> str:
    kept = "".join(char if char.isalnum() or char in "-_. " else "_" for char in name).strip(". ")
    return kept[:100] or "media"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
