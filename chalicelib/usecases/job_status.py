"""Job status, for `GET /jobs` and `GET /jobs/{jobId}`: merges the Directus record with the live state in the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from chalicelib.directus.records import OPEN_STATES, iso
from chalicelib.domain import attempts, queries, warning_codes
from chalicelib.domain.job_schemas import CallbackState, Delivery, Job, JobDetail, JobPart, JobParts, JobsAnswer
from chalicelib.domain.jobs import CANCELLED, UnknownEnvelope, decode
from chalicelib.domain.queries import Cursor
from chalicelib.errors import DirectusUnavailable

if TYPE_CHECKING:
    from chalicelib.access.auth import Caller
    from chalicelib.access.ownership import Ownership
    from chalicelib.directus.client import Directus
    from chalicelib.directus.records import Record
    from chalicelib.domain.jobs import MediaJob
    from chalicelib.domain.queries import JobsQuery
    from chalicelib.ledger.ledger import Ledger
    from chalicelib.ledger.parts import PartsLedger
    from chalicelib.ledger.types import JobSnapshot

READS = 5
"""How many pages of records are read for one page of jobs, if only the ledger knows the wanted state."""
ERROR_MAX = 2000
"""The maximum length of `error`: the owner can write any length."""
OPEN = ("waiting", "delayed", "active")
NOT_OF_THE_OPERATION = {"attempts", "log", "stages", "attempt", "request", "spent"}


class JobStatusReader:
    """Reads job status."""

    def __init__(self, directus: Directus, ledger: Ledger, parts: PartsLedger, ownership: Ownership) -> None:
        self._directus = directus
        self._ledger = ledger
        self._parts_ledger = parts
        self._ownership = ownership

    def page(self, query: JobsQuery, caller: Caller) -> JobsAnswer:
        """List jobs, newest first: the caller's own, or everybody's for an administrator.

        Raises:
            Forbidden: another user's jobs, and the caller is not an administrator.
        """
        user = self._ownership.visible_user(str(query.user) if query.user else None, caller)
        after = queries.read_cursor(query.cursor) if query.cursor else None
        found: list[Job] = []
        for _ in range(READS):
            filters = queries.as_filter(query, user, after)
            records = self._directus.find_jobs(filters, query.limit + 1, after.skip if after else 0)
            more, records = len(records) > query.limit, records[: query.limit]
            for at, record in enumerate(self._merge(records)):
                if not query.state or query.state == record.state:
                    found.append(record)
                if len(found) == query.limit:
                    rest = more or at + 1 < len(records)
                    return JobsAnswer(jobs=found, next=cursor_after(records[: at + 1], after).encode() if rest else None)
            if not more:
                return JobsAnswer(jobs=found, next=None)
            after = cursor_after(records, after)
        return JobsAnswer(jobs=found, next=after.encode() if after else None)

    def show(self, job_id: str, caller: Caller) -> JobDetail:
        """Return one job.

        Raises:
            NotFound: there is no such record, or the caller may not see it.
        """
        record, _ = self._ownership.read(job_id, caller)
        snapshot = self._ledger.get(job_id)
        state = state_of(record, snapshot)
        open_ = snapshot if snapshot and snapshot.state in OPEN and state in OPEN else None  # its end may be about to be stored
        written = attempts.read(open_.journal) if open_ and open_.journal else attempts.from_result(record.result)
        job = _envelope(snapshot.body if snapshot else None)
        last = written.attempts[-1].stages if written.attempts else {}
        return JobDetail(
            **msgspec.structs.asdict(_job(record, snapshot)),
            pool=open_.pool if open_ and open_.pool else None,  # type: ignore[arg-type]
            position=open_.position if open_ else None,
            estimated_start=_when(open_.starts_ms) if open_ else None,
            paused=open_.paused if open_ else False,
            run_at=_when(open_.at_ms) if open_ and state == "delayed" else None,
            input_url=record.input_url,
            params=job.params if job else record.params,
            attempts=written.attempts,
            log=written.log,
            stages=last,
            parts=self._parts(job_id, open_),
            warnings=warning_codes.from_result(record.result),
            callback=_callback(snapshot),
            result=_result(record),
        )

    def _parts(self, job_id: str, running: JobSnapshot | None) -> JobParts | None:
        """Return the parts of a running job; None if it runs whole."""
        if running is None or not running.parts:
            return None
        state = self._parts_ledger.read(job_id, running.id)
        if state is None:
            return None
        names = dict.fromkeys(row.worker for row in sorted(state.rows, key=lambda row: row.since) if row.worker)
        numbers = {name: number for number, name in enumerate(names, 1)}
        parts = [
            JobPart(
                part=row.n,
                state=row.state,
                worker=numbers.get(row.worker),
                started_at=_when(round(row.since)) if row.since else None,
                seconds=round(row.took_ms / 1000, 3) if row.state == "finished" else None,
                runs=row.runs,
                error=row.error,
            )
            for row in state.rows
        ]
        return JobParts(count=state.count, finished=state.done, parts=parts)

    def _merge(self, records: list[Record]) -> list[Job]:
        sights = self._ledger.get_many([record.id for record in records])
        return [_job(record, snapshot) for record, snapshot in zip(records, sights, strict=True)]


def state_of(record: Record, snapshot: JobSnapshot | None) -> Any:
    """Return the state of a job. A running job that the ledger lost is restored by its worker within seconds."""
    if record.status == "completed":
        return "completed"
    if record.status == "failed":
        return "cancelled" if record.error == CANCELLED else "failed"
    if record.status not in OPEN_STATES:
        return "other"
    if snapshot is not None and snapshot.state != "retracted":
        return snapshot.state  # also for a job that ended after its record was read
    return "pending" if record.status == "pending" else "active"


def _job(record: Record, snapshot: JobSnapshot | None) -> Job:
    state = state_of(record, snapshot)
    progress = snapshot.progress if snapshot is not None and state == "active" else record.progress
    return Job(
        jobId=record.id,
        bullJobId=snapshot.id if snapshot else None,
        user=record.user_created.id if record.user_created else None,
        operation=(snapshot.operation if snapshot else None) or record.operation,
        state=state,
        priority=(snapshot.priority if snapshot else None) or record.priority,
        progress=max(0, min(100, progress or 0)),
        failed_attempts=snapshot.attempts if snapshot is not None and state in OPEN else _failed_attempts(record, state),
        created_at=record.date_created,
        started_at=record.started_at,
        finished_at=record.finished_at,
        input_file_id=record.input_file_id.id if record.input_file_id else None,
        output_file_id=record.output_file_id,
        error=record.error and record.error[:ERROR_MAX],
    )


def _failed_attempts(record: Record, state: str) -> int:
    """Return the failed attempts. The record counts started attempts; the last one of a job that did not fail is not failed."""
    return max(0, (record.attempts or 0) - (state != "failed"))


def _result(record: Record) -> dict[str, Any] | None:
    if not isinstance(record.result, dict):
        return None
    return {name: value for name, value in record.result.items() if name not in NOT_OF_THE_OPERATION} or None


def _envelope(body: str | None) -> MediaJob | None:
    try:
        return decode(body) if body else None
    except UnknownEnvelope:  # of a later release
        return None


def _callback(snapshot: JobSnapshot | None) -> CallbackState | None:
    if snapshot is not None and snapshot.webhook is not None:
        attempts = snapshot.webhook.attempts
        went_well = bool(attempts) and not attempts[-1].error
        finished = "delivered" if went_well else "given up"
        return CallbackState(
            url=snapshot.webhook.url,
            state=finished if snapshot.webhook.finished else "trying",  # type: ignore[arg-type]
            deliveries=[Delivery(iso(one.at_ms), one.status or None, one.error) for one in attempts],
        )
    if snapshot is not None and snapshot.callback_url:
        return CallbackState(url=snapshot.callback_url, state="waiting", deliveries=[])
    return None


def cursor_after(records: list[Record], before: Cursor | None) -> Cursor:
    """Return the cursor of the next page. `before` is the cursor of this page."""
    made = records[-1].date_created
    same = sum(record.date_created == made for record in records)
    try:
        cursor = msgspec.convert([made, same], Cursor, strict=False)
    except msgspec.ValidationError as error:
        raise DirectusUnavailable("media_jobs has no date_created, by which jobs are listed") from error
    if before is not None and before.made == cursor.made:
        return Cursor(cursor.made, before.skip + same)
    return cursor


def _when(ms: int | None) -> str | None:
    return None if ms is None else iso(ms)
