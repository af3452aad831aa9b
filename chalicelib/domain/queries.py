"""The query of `GET /queue/jobs`: filters and the cursor."""

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
"""The allowed range of times. At the ends of the calendar, a time zone would overflow."""
PAGE = 20
RANGES = {"15m": 15, "1h": 60, "24h": 1440}
"""Range of the trend -> minutes."""
PRINTABLE = r"^[^\x00-\x1f\x7f]*$"


def _wants(description: str, **limits: Any) -> msgspec.Meta:
    return msgspec.Meta(description=description, **limits)


class TrendQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of `GET /queue/trend`."""

    range: Annotated[Literal[tuple(RANGES)], _wants(f"one of {', '.join(RANGES)}")] = "15m"  # type: ignore[valid-type]


class JobsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of `GET /queue/jobs`. A missing parameter is UNSET; None would accept the text "null"."""

    state: Annotated[State, _wants(f"one of {', '.join(STATES)}")] | UnsetType = UNSET
    operation: Annotated[Literal[tuple(OPERATIONS)], _wants(f"one of {', '.join(OPERATIONS)}")] | UnsetType = UNSET  # type: ignore[valid-type]
    user: Annotated[UUID, _wants("the UUID of a user; only administrators see the jobs of others")] | UnsetType = UNSET
    since: (
        Annotated[
            datetime,
            _wants("an ISO 8601 time with its zone, such as 2026-11-24T18:00:00Z: records created at or after it", tz=True),
        ]
        | UnsetType
    ) = UNSET
    until: (
        Annotated[
            datetime,
            _wants("an ISO 8601 time with its zone, such as 2026-11-24T18:00:00Z: records created at or before it", tz=True),
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
    """The end of a page. Lists go from the newest to the oldest record. Directus sorts ids but cannot compare them."""

    made: Annotated[datetime, msgspec.Meta(tz=True)]
    """`date_created` of the last record of the page."""
    skip: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
    """How many records of that time were already listed."""

    def encode(self) -> str:
        """Return the cursor as text."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode()


def parse(query: dict[str, list[str]]) -> JobsQuery:
    """Parse the query string.

    Raises:
        BadRequest: the message names the parameter and what it must be.
    """
    for name, values in query.items():
        if len(values) > 1:
            raise BadRequest(f"{name[:100]} must be given once")
    said: dict[str, Any] = {name: values[0] for name, values in query.items()}
    if re.fullmatch("[0-9]{1,9}", said.get("limit", "")):
        said["limit"] = int(said["limit"])
    return validate(said, JobsQuery)


def read_cursor(text: str) -> Cursor:
    """Parse a cursor."""
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text), type=Cursor)
    except (ValueError, msgspec.MsgspecError) as error:
        raise BadRequest("cursor must be the next of an earlier answer") from error


def as_filter(query: JobsQuery, user: str | None, after: Cursor | None, *, oldest_first: bool = False) -> dict[str, Any]:
    """Return the Directus filter. Only the ledger knows in which open state a job is."""
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
        tests.append({"date_created": {"_gte" if oldest_first else "_lte": _written(after.made)}})
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
    """Directus answers 400 if an id is not a UUID and the column is one."""
    try:
        return {"id": {"_eq": str(UUID(text))}}
    except ValueError:
        return {"error": {"_contains": text}}
