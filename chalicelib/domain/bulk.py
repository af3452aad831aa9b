"""The body of `POST /queue/jobs/retry` and `/queue/jobs/cancel`, and their response."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from chalicelib.domain.jobs import OPERATIONS
from chalicelib.domain.queries import PAGE_MAX, PRINTABLE, STATES, JobsQuery, State
from chalicelib.domain.requests import BULK_AT_MOST
from chalicelib.domain.schemas import Answer, JobId
from chalicelib.domain.validation import FieldError, validate, without_empty

FILTERS = ("state", "operation", "user", "since", "until", "search")
_TIME = "an ISO 8601 time with its zone, such as 2026-11-24T18:00:00Z"


def _wants(description: str, **limits: Any) -> msgspec.Meta:
    return msgspec.Meta(description=description, **limits)


class JobSelection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which jobs: those that are named, those that match all filters, or all."""

    jobIds: (  # noqa: N815 - as jobId
        Annotated[list[UUID], _wants(f"a list of 1 to {BULK_AT_MOST} ids of jobs", min_length=1, max_length=BULK_AT_MOST)]
        | None
    ) = None
    state: Annotated[State, _wants(f"one of {', '.join(STATES)}")] | None = None
    operation: Annotated[Literal[tuple(OPERATIONS)], _wants(f"one of {', '.join(OPERATIONS)}")] | None = None  # type: ignore[valid-type]
    user: Annotated[UUID, _wants("the UUID of a user; only administrators name others")] | None = None
    since: Annotated[datetime, _wants(f"{_TIME}: records created at or after it", tz=True)] | None = None
    until: Annotated[datetime, _wants(f"{_TIME}: records created at or before it", tz=True)] | None = None
    search: (
        Annotated[str, _wants("the id of a job, or up to 100 characters of its error", max_length=100, pattern=PRINTABLE)]
        | None
    ) = None
    all: Annotated[bool, _wants("true or false: all jobs, without a filter")] = False
    dry_run: Annotated[bool, _wants("true or false: whether nothing is changed")] = False
    cursor: Annotated[str, _wants("the next of an earlier answer", max_length=200, pattern=r"^[A-Za-z0-9_=-]*$")] | None = None
    limit: Annotated[int, _wants(f"an integer from 1 to {PAGE_MAX}, the most jobs of a call", ge=1, le=PAGE_MAX)] = PAGE_MAX

    def __post_init__(self) -> None:
        """Check that the caller says which jobs, so that none are changed by mistake."""
        filtered = any(getattr(self, name) is not None for name in FILTERS)
        if (self.jobIds is not None) + filtered + self.all != 1:
            raise FieldError(
                "jobIds", f"given, or at least one of {', '.join(FILTERS)}, or all: true; and only one of the three"
            )

    def query_for(self, action: str) -> JobsQuery:
        """Return the filters as a query of records. The ledger knows the state of an open one."""
        given = {name: getattr(self, name) for name in FILTERS if getattr(self, name) is not None}
        if "state" not in given and action == "cancel":
            given["state"] = "waiting"  # all open ones, for Directus
        if "state" not in given and action == "retry":
            given["state"] = "failed"
        return JobsQuery(**given)


class ActionResult(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The result for one job."""

    jobId: JobId  # noqa: N815
    ok: Annotated[bool, _wants("whether it was done, or in a dry run would be tried")]
    status: Annotated[int, _wants("the status that a refused one would have alone")] = 200
    error: str = ""
    reason: str = ""
    message: str = ""

    @classmethod
    def of(cls, job_id: str, error: Any) -> ActionResult:
        """Return the result; `error` None: it was done."""
        if error is None:
            return cls(jobId=job_id, ok=True)
        body = {name: value for name, value in error.body().items() if name in ("error", "reason", "message")}
        return cls(jobId=job_id, ok=False, status=error.status, **body)


class BulkActionAnswer(Answer, kw_only=True):
    """One result for each selected job."""

    dry_run: bool
    results: list[ActionResult]
    next: Annotated[str | None, _wants("the cursor for the next call; null: there are no more")]


def parse_selection(data: dict[str, Any]) -> JobSelection:
    """Parse a body.

    Raises:
        BadRequest: the message names the field and what it must be.
    """
    return validate(without_empty(data, JobSelection), JobSelection)
