"""What a caller of `GET /queue/jobs` says: the filter, and where to go on."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from chalicelib.directus.records import NOT_CANCELLED, OPEN_STATES, written
from chalicelib.domain.jobs import CANCELLED, OPERATIONS
from chalicelib.domain.validation import validate
from chalicelib.errors import BadRequest

State = Literal["pending", "waiting", "delayed", "active", "completed", "failed", "cancelled"]
STATES = get_args(State)
PAGE_MAX = 100
EARLIEST, LATEST = datetime(1000, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
"""No record is older or younger, and at the ends of the calendar a time zone would lead out of it."""
PAGE = 20
PRINTABLE = r"^[^\x00-\x1f\x7f]*$"


def _wants(description: str, **limits: Any) -> msgspec.Meta:
    return msgspec.Meta(description=description, **limits)


class JobsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of `GET /queue/jobs`. What is not given is UNSET: the word null in a URL would else be taken for None."""

    state: Annotated[State, _wants(f"one of {', '.join(STATES)}")] | UnsetType = UNSET
    operation: Annotated[Literal[tuple(OPERATIONS)], _wants(f"one of {', '.join(OPERATIONS)}")] | UnsetType = UNSET  # type: ignore[valid-type]
    user: Annotated[UUID, _wants("the UUID of a user; only administrators see the jobs of others")] | UnsetType = UNSET
    since: (
        Annotated[
            datetime,
            _wants("an ISO 8601 time with its zone, such as 2026-11-24T18:00:00Z: records made then or later", tz=True),
        ]
        | UnsetType
    ) = UNSET
    until: (
        Annotated[
            datetime,
            _wants("an ISO 8601 time with its zone, such as 2026-11-24T18:00:00Z: records made then or before", tz=True),
        ]
        | UnsetType
    ) = UNSET
    search: (
        Annotated[str, _wants("the id of a job, or up to 100 characters of its error", max_length=100, pattern=PRINTABLE)]
        | UnsetType
    ) = UNSET
    cursor: (
        Annotated[str, _wants("the next of an earlier answer", max_length=200, pattern=r"^[A-Za-z0-9_=-]*$")] | UnsetType
    ) = UNSET
    limit: Annotated[int, _wants(f"an integer from 1 to {PAGE_MAX}, the most jobs to list", ge=1, le=PAGE_MAX)] = PAGE


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ended; lists go from the newest record to the oldest. Directus orders ids, but compares none."""

    made: Annotated[datetime, msgspec.Meta(tz=True)]
    """When the last record of the page was made."""
    skip: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
    """How many of those that were made at that moment have been listed."""

    def encode(self) -> str:
        """Return what a caller sends back."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode()


def parse(query: dict[str, list[str]]) -> JobsQuery:
    """Read the query of a URL.

    Raises:
        BadRequest: the text names the parameter and what it must be.
    """
    for name, values in query.items():
        if len(values) > 1:
            raise BadRequest(f"{name[:100]} must be given once")
    said: dict[str, Any] = {name: values[0] for name, values in query.items()}
    if re.fullmatch("[0-9]{1,9}", said.get("limit", "")):
        said["limit"] = int(said["limit"])
    return validate(said, JobsQuery)


def read_cursor(text: str) -> Cursor:
    """Read where to go on."""
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text), type=Cursor)
    except (ValueError, msgspec.MsgspecError) as error:
        raise BadRequest("cursor must be the next of an earlier answer") from error


def as_filter(query: JobsQuery, user: str | None, after: Cursor | None) -> dict[str, Any]:
    """Return the filter of Directus for it. Which of the open states a job is in, only the ledger knows."""
    tests: list[dict[str, Any]] = [_status(query.state)]
    if user is not None:
        tests.append({"user_created": {"_eq": user}})
    if query.operation:
        tests.append({"operation": {"_eq": query.operation}})
    if query.since:
        tests.append({"date_created": {"_gte": _written(query.since)}})
    if query.until:
        tests.append({"date_created": {"_lte": _written(query.until)}})
    if query.search:
        tests.append(_search(query.search))
    if after is not None:
        tests.append({"date_created": {"_lte": _written(after.made)}})
    return {"_and": tests}


def _written(moment: datetime) -> str:
    return written(min(max(moment, EARLIEST), LATEST))


def _status(state: str | UnsetType) -> dict[str, Any]:
    match state:
        case msgspec.UNSET:
            return {"status": {"_in": [*OPEN_STATES, "completed", "failed"]}}
        case "completed":
            return {"status": {"_eq": "completed"}}
        case "failed":
            return {"_and": [{"status": {"_eq": "failed"}}, NOT_CANCELLED]}
        case "cancelled":
            return {"_and": [{"status": {"_eq": "failed"}}, {"error": {"_eq": CANCELLED}}]}
        case _:
            return {"status": {"_in": OPEN_STATES}}


def _search(text: str) -> dict[str, Any]:
    """Directus answers 400 to an id that is no UUID where its column is one."""
    try:
        return {"id": {"_eq": str(UUID(text))}}
    except ValueError:
        return {"error": {"_contains": text}}
