"""The use case that retries or cancels all jobs that match a filter, or that are named: a hundred a call, oldest first."""

from __future__ import annotations

import time
from itertools import takewhile
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from chalicelib.domain import queries
from chalicelib.domain.bulk import ActionResult, BulkActionAnswer
from chalicelib.domain.queries import Cursor
from chalicelib.errors import ApiError, BadRequest, Conflict, NotFound, RecordBusy, Unavailable
from chalicelib.usecases.job_status import cursor_after, state_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.access.auth import Caller
    from chalicelib.access.ownership import Ownership
    from chalicelib.directus.client import Directus
    from chalicelib.directus.records import Record
    from chalicelib.domain.bulk import JobSelection
    from chalicelib.ledger.ledger import Ledger
    from chalicelib.usecases.cancel import Canceller
    from chalicelib.usecases.retry import Retrier

CALL_SECONDS = 15.0
"""How long a call acts: API Gateway waits for 29 s. It leaves the other jobs to the next call."""
RETRIED_AT_ONCE = 10
Action = Literal["retry", "cancel"]
STATES: dict[Action, tuple[str, ...]] = {
    "retry": ("failed", "cancelled"),
    "cancel": ("pending", "waiting", "delayed", "active"),
}


class _Found(NamedTuple):
    """A page of jobs."""

    records: list[Record]
    """Of the filter."""
    wanted: list[str]
    """Those of them in a wanted state."""
    more: bool

    def up_to(self, tried: int) -> _Found:
        """Return the part of the page up to the wanted jobs that there was no time for."""
        if tried == len(self.wanted):
            return self
        end = [one.id for one in self.records].index(self.wanted[tried])
        return _Found(self.records[:end], self.wanted[:tried], more=True)


class BulkActions:
    """Acts on many jobs, each with the rights of the caller."""

    def __init__(
        self, directus: Directus, ledger: Ledger, ownership: Ownership, retrier: Retrier, canceller: Canceller
    ) -> None:
        self._directus = directus
        self._ledger = ledger
        self._ownership = ownership
        self._retrier = retrier
        self._canceller = canceller

    def run(self, action: Action, selection: JobSelection, caller: Caller) -> BulkActionAnswer:
        """Retry or cancel the selected jobs. An error of one does not affect the others.

        Raises:
            BadRequest: jobs in that state cannot be retried or cancelled.
            Forbidden: another user's jobs, and the caller is not an administrator.
            Unavailable: a dependency is unreachable, and nothing was done.
        """
        if selection.state is not None and selection.state not in STATES[action]:
            raise BadRequest(f"state must be one of {', '.join(STATES[action])}")
        if selection.jobIds is not None:
            ids = [str(job_id) for job_id in selection.jobIds]
            results = self._act(action, ids, selection, caller)
            busy = [ActionResult.of(job_id, RecordBusy()) for job_id in ids if job_id not in {one.jobId for one in results}]
            return BulkActionAnswer(dry_run=selection.dry_run, results=[*results, *busy], next=None)
        after = queries.read_cursor(selection.cursor) if selection.cursor else None
        found = self._find(action, selection, after, caller)
        results = self._act(action, found.wanted, selection, caller)
        found = found.up_to(len(results))
        following = _next(found, results, selection, after) if found.more else None
        return BulkActionAnswer(dry_run=selection.dry_run, results=results, next=following)

    def run_all(self, action: Action, selection: JobSelection, caller: Caller, at_most: int) -> Iterator[ActionResult]:
        """Retry or cancel up to `at_most` jobs, call by call."""
        left = at_most
        while left > 0:
            answer = self.run(action, msgspec.structs.replace(selection, limit=min(left, queries.PAGE_MAX)), caller)
            yield from answer.results
            left -= len(answer.results)
            if answer.next is None:
                return
            selection = msgspec.structs.replace(selection, cursor=answer.next)

    def _find(self, action: Action, selection: JobSelection, after: Cursor | None, caller: Caller) -> _Found:
        user = self._ownership.visible_user(str(selection.user) if selection.user else None, caller)
        query = selection.query_for(action)
        filters = queries.as_filter(query, user, after, oldest_first=True)
        skip = after.skip if after else 0
        records = self._directus.find_jobs(filters, selection.limit + 1, skip, oldest_first=True)
        more, records = len(records) > selection.limit, records[: selection.limit]
        sights = self._ledger.get_many([record.id for record in records])
        states = [state_of(record, snapshot) for record, snapshot in zip(records, sights, strict=True)]
        wanted = (selection.state,) if selection.state else STATES[action]
        return _Found(records, [one.id for one, state in zip(records, states, strict=True) if state in wanted], more)

    def _act(self, action: Action, ids: list[str], selection: JobSelection, caller: Caller) -> list[ActionResult]:
        allowed = {job_id: self._refusal(record, action, caller) for job_id, record in self._records(ids).items()}
        answers = dict.fromkeys(ids, NotFound("jobId must be the id of one of your media_jobs records"))
        results: dict[str, ApiError | None] = {**answers, **allowed}
        todo = [job_id for job_id in results if results[job_id] is None]
        tried = dict.fromkeys(todo) if selection.dry_run else self._try_all(action, todo)
        until = next((job_id for job_id in todo if job_id not in tried), None)
        done = takewhile(lambda job_id: job_id != until, results)
        return [ActionResult.of(job_id, (results | tried)[job_id]) for job_id in done]

    def _try_all(self, action: Action, ids: list[str]) -> dict[str, ApiError | None]:
        """Retry or cancel jobs as long as there is time, at least one; return the error of each that was tried."""
        results: dict[str, ApiError | None] = {}
        until, size = time.monotonic() + CALL_SECONDS, RETRIED_AT_ONCE if action == "retry" else 1
        for at in range(0, len(ids), size):
            if results and time.monotonic() > until:
                break
            some = ids[at : at + size]
            results |= self._retrier.retry_all(some) if action == "retry" else {some[0]: self._cancel(some[0])}
        return results

    def _records(self, ids: list[str]) -> dict[str, Record]:
        return self._directus.read_jobs(sorted(set(ids))) if ids else {}

    def _refusal(self, record: Record, action: Action, caller: Caller) -> ApiError | None:
        """Return why the caller may not act on a job; None: they may."""
        try:
            self._ownership.owner(record, caller)
            if action == "retry" and record.status != "failed":
                raise Conflict(f"jobId names a job that is {record.status}; only a failed one can be retried")
            if action == "cancel" and record.status in ("completed", "failed"):
                raise Conflict("jobId names a job that is completed or failed already")
        except Unavailable:
            raise
        except ApiError as error:
            return error
        return None

    def _cancel(self, job_id: str) -> ApiError | None:
        try:
            answer = self._canceller.cancel(job_id)
        except ApiError as error:
            return error
        if answer == "closing":
            return Conflict("jobId names a job that is being closed this moment")
        return None if answer == "cancelled" else Conflict("jobId names a job that is completed or failed already")


def _next(found: _Found, results: list[ActionResult], selection: JobSelection, after: Cursor | None) -> str:
    """Return the cursor of the next page. Jobs that were retried or cancelled are not on it: they match no longer."""
    gone = set() if selection.dry_run else {one.jobId for one in results if one.ok}
    last = cursor_after(found.records, after)
    left = sum(one.date_created == found.records[-1].date_created and one.id not in gone for one in found.records)
    before = after.skip if after is not None and after.made == last.made else 0
    return Cursor(last.made, before + left).encode()
