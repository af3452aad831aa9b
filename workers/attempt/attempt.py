"""One attempt at a job: read the record, fetch the input, run the operation, store the outputs, close the record.

The record decides: its status changes only while it is open, so an attempt that lost a race notices here. This file uses
neither the ledger nor the tickets; `runner.py` does.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from aws_lambda_powertools import Logger

from chalicelib.directus.records import OPEN_STATES, timestamp
from chalicelib.domain.cost import Cost
from chalicelib.domain.estimates.shape import Facts, shapes_of
from chalicelib.domain.jobs import CANCELLED, OPERATIONS, request_of
from chalicelib.domain.retry_policy import MAX_STALLS
from chalicelib.domain.validation import validate, without_empty
from chalicelib.errors import AttemptFailed, BadRequest, DirectusUnavailable, JobCancelled, MediaRejected
from workers.attempt import orphaned_files
from workers.attempt.inputs import Inputs
from workers.attempt.outputs import PERCENT_FROM, Outputs
from workers.attempt.progress import ProgressReporter
from workers.context.work import Work
from workers.operations import analysis, caption_generation, download, thumbnail, transcoding, upload
from workers.sandbox import accounting, sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from chalicelib.directus.client import Directus
    from chalicelib.directus.records import Record
    from chalicelib.domain.jobs import MediaJob
    from chalicelib.ledger.ledger import Outcome
    from chalicelib.ledger.types import Claim
    from workers.attempt.lease import Lease
    from workers.context.work import Done, Tools

logger = Logger(service="mediaq", child=True)
T = TypeVar("T")
RUN: dict[str, Callable[[Work], Done]] = {
    "transcoding": transcoding.run,
    "thumbnail": thumbnail.run,
    "caption_generation": caption_generation.run,
    "download": download.run,
    "upload": upload.run,
    "analysis": analysis.run,
}
ORPHANS_SECONDS = 120.0
"""How long to keep retrying Directus after the job ended, so that no output is left behind."""


class Attempt:
    """The effect of one claim on its record. `perform` and `fail` return the outcome for the ledger to count."""

    def __init__(self, claim: Claim, lease: Lease, directus: Directus, tools: Tools) -> None:
        self._job: MediaJob = lease.job
        self._claim = claim
        self._lease = lease
        self._directus = directus
        self._tools = tools
        self._fetch_share = 80 if OPERATIONS[self._job.operation].wants_url else 10
        self._maybe_orphans = claim.runs > 1
        """True: unnamed outputs may exist, of an attempt that died or of a repeated upload."""
        self._outputs = Outputs(lease.job, lease, directus, self._with_retries)
        self._journal = lease.journal
        self._prices = tools.prices.of_pool(self._job.pool)
        self._bytes_in = self._bytes_out = 0
        self._facts = Facts()
        self._params: msgspec.Struct | None = None
        makes_parts = tools.make_team if self._job.operation == "transcoding" else None
        self._team = makes_parts(self._job, lease.token) if makes_parts else None

    def perform(self) -> Outcome:
        """Run the job to its end.

        Raises:
            JobStopped: it ended without a result; `runner.py` decides what follows.
            Unavailable: a dependency is unreachable.
        """
        with accounting.metered():
            try:
                return self._perform()
            finally:
                self._note_cost()

    def _perform(self) -> Outcome:
        started = {"attempts": self._claim.attempt, "started_at": timestamp()}
        restarted = {"status": "processing", "progress": 0, "error": None}
        record = self._directus.start_job(self._job.job_id, started | restarted) if self._claim.runs == 1 else None
        if record is None:  # a later attempt, or the record is not pending any more
            record = self._directus.read_job(self._job.job_id)
            if record is None or record.status not in OPEN_STATES:
                self._maybe_orphans = True  # of a run that the ledger may have lost
                return self._settle(record)
            self._maybe_orphans |= record.status == "processing"
            if self._claim.stalls > MAX_STALLS:
                raise MediaRejected("The job stalled more than once: its worker died twice while running it")
            if record.status == "pending":  # otherwise report it: a late answer to an earlier attempt must not be undone
                started |= restarted
            self._lease.confirm()  # the calls before may have outlasted the lease
            self._lease.check()
            if not self._directus.update_open_job(self._job.job_id, started):
                return self._settle(self._directus.read_job(self._job.job_id))
        self._lease.started()
        with sandbox.private_folder(self._tools.work_dir) as folder:
            with ProgressReporter(self._directus, self._lease):
                done, name = self._work(folder, record)
            return self._store(done, name)

    def fail(self, error: str) -> Outcome:
        """Close the record as failed, or as cancelled if it was cancelled first, retrying Directus as long as necessary."""
        self._journal.end("cancelled" if error == CANCELLED else "failed", error)
        values = {"status": "failed", "error": error[:2000], "finished_at": timestamp()}
        result = {"request": request_of(self._job), "cost": self._cost(), **self._journal.kept()}
        try:
            return self._close({**values, "result": result}, "failed", [])
        except JobCancelled:
            return self.cancel()

    def cancel(self) -> Outcome:
        """Close the record as cancelled, unless the cancelling call did it."""
        outcome = self.fail(CANCELLED)
        return "cancelled" if outcome == "failed" else outcome

    def _work(self, folder: Path, record: Record) -> tuple[Done, str]:
        operation = OPERATIONS[self._job.operation]
        try:
            params = validate(without_empty(self._job.params, operation.params), operation.params, "params")
        except BadRequest as error:  # accepted by another release
            raise MediaRejected(str(error)) from error
        self._params = params
        inputs = Inputs(self._job, self._lease, self._directus, self._tools)
        authorization = inputs.authorization()
        target = folder / "input"
        with self._journal.stage("fetch"), inputs.noting_use(authorization):
            source = inputs.fetch(target, record, params=params, authorization=authorization, arrived=self._arrived)
            captions = inputs.captions(params)
            by_language = inputs.captions_by_language(params)
            self._bytes_in = self._facts.bytes = target.stat().st_size
        out = folder / "out"
        out.mkdir()
        share = PERCENT_FROM - self._fetch_share
        work = Work(
            params=params,
            input=target,
            folder=out,
            deadline=time.monotonic() + self._lease.seconds_left,
            tools=self._tools,
            progress=lambda done: self._lease.progress(self._fetch_share + int(share * done)),
            check=self._lease.check,
            source=source,
            captions=captions,
            captions_by_language=by_language,
            authorization=authorization,
            facts=self._facts,
            team=self._team,
        )
        with self._journal.stage("process"), inputs.noting_use(authorization):
            done = RUN[self._job.operation](work)
        if getattr(params, "strict", False):
            work.warnings.check_strict()
        done.result["warnings"] = msgspec.to_builtins(work.warnings.items)
        return done, str(done.result.get("file_name") or source.name)

    def _arrived(self, got: int, expected: int | None) -> None:
        self._lease.check()
        if expected:
            self._lease.progress(int(self._fetch_share * got / expected))

    def _store(self, done: Done, name: str) -> Outcome:
        """Upload the outputs and close the record. A finished result waits, under its lease, until Directus is reachable."""
        try:
            with self._journal.stage("upload"):
                files = self._outputs.upload(done.outputs, name)
        except BaseException:
            self._maybe_orphans = True  # Directus may have stored it without answering
            raise
        self._bytes_out = sum(file["bytes"] for file in files)
        self._note_cost()
        self._journal.end("completed")
        about = {"outputs": files, "stages": self._journal.stages, "attempt": self._claim.attempt}
        about["cost"] = {**self._cost(), "input": msgspec.to_builtins(self._facts)}
        values = {
            "status": "completed",
            "output_file_id": files[0]["file_id"] if files else None,
            "result": {**done.result, **about, **self._journal.kept()},
            "progress": 100,
            "error": None,
            "finished_at": timestamp(),
        }
        return self._close(values, "completed", [file["file_id"] for file in files])

    def measures(self) -> dict[str, object]:
        """Return what the estimates learn from, for the summary of a completed job."""
        shapes = shapes_of(self._job.operation, self._params, self._facts) if self._params is not None else []
        return {"shapes": shapes, "bytes_out": self._bytes_out}

    def _note_cost(self) -> None:
        """Record what this run used so far."""
        used = accounting.current()
        cost = Cost(
            pool=self._job.pool,
            seconds=round(used.seconds, 3),
            cpu_seconds=round(used.cpu_seconds, 3),
            peak_memory_bytes=used.peak_bytes,
            bytes_in=self._bytes_in,
            bytes_out=self._bytes_out,
            usd=round(self._prices.of(used.seconds, self._bytes_in, self._bytes_out), 9),
        )
        self._journal.spend(cost)

    def _cost(self) -> dict[str, Any]:
        cost: dict[str, Any] = msgspec.to_builtins(self._journal.total_cost(self._prices))
        return cost

    def _close(self, values: dict[str, Any], outcome: Outcome, outputs: list[str]) -> Outcome:
        def close() -> bool:
            try:
                # each time: the wait may have outlasted the lease
                self._lease.confirm("cancelling" if values["error"] == CANCELLED else "closing")
            except JobCancelled:
                self._maybe_orphans = True  # uploaded, but no record will name them
                raise
            return self._directus.update_open_job(self._job.job_id, values, give_to=self._job.user_id)

        if not self._with_retries(close):
            record = self._with_retries(lambda: self._directus.read_job(self._job.job_id))
            if record is None or record.output_file_id not in outputs:  # otherwise it was our own call, with its answer lost
                self._delete(outputs)
            return self._settle(record)
        self._closed(outputs)
        return outcome

    def _settle(self, record: Record | None) -> Outcome:
        """Return the outcome of a job whose record was closed by someone else, and delete its unnamed outputs."""
        outcome = _settled(record)
        self._closed(())
        return outcome

    def _closed(self, outputs: Sequence[str]) -> None:
        """Clean up after the record was closed; it names `outputs`."""
        self._lease.closed()
        if self._maybe_orphans:
            self._delete_orphans(outputs)
        if self._team is not None and (self._team.used or self._claim.runs > 1):
            self._team.forget()

    def _delete_orphans(self, keep: Sequence[str]) -> None:
        """Delete what earlier attempts uploaded before they died, retrying Directus for a while."""
        deadline = time.monotonic() + ORPHANS_SECONDS
        while True:
            try:
                self._lease.confirm()
                return orphaned_files.clear(self._directus, self._job.job_id, keep)
            except DirectusUnavailable:
                if time.monotonic() > deadline:
                    logger.warning("orphaned outputs may remain", extra={"job_id": self._job.job_id})
                    return None
            self._lease.wait(random.uniform(1, 3))  # noqa: S311 - jitter

    def _delete(self, files: list[str]) -> None:
        for file in files:
            self._directus.delete_file(file)

    def _with_retries(self, call: Callable[[], T]) -> T:
        while True:
            try:
                return call()
            except DirectusUnavailable as error:
                self._maybe_orphans = True
                self._journal.say("Waiting for Directus")
                logger.warning("waiting for Directus", extra={"job_id": self._job.job_id, "error": str(error)})
                self._lease.wait(random.uniform(1, 3))  # noqa: S311 - jitter


def _settled(record: Record | None) -> Outcome:
    """Return the outcome of a job whose record is closed but which the ledger has not counted."""
    if record is not None and record.status in OPEN_STATES:
        raise AttemptFailed("The record could not be changed")
    if record is not None and record.status == "completed":
        return "completed"
    if record is not None and record.status == "failed" and record.error != CANCELLED:
        return "failed"
    return "cancelled"  # deleted, or set to an unknown status: cancelled by its owner
