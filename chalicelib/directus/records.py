"""Rows of Directus, as mediaq reads them. Columns that a given Directus lacks stay at their defaults."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

OPEN_STATES = ["pending", "processing"]
NOT_CANCELLED: dict[str, Any] = {"_or": [{"error": {"_neq": "Cancelled"}}, {"error": {"_null": True}}]}
"""As Directus filters: SQL's null is unequal to nothing."""
JOB_FIELDS = "*,user_created.id,user_created.status,user_created.subscription_tier,input_file_id.*"
LIST_FIELDS = (
    "id,status,operation,priority,error,progress,attempts,date_created,started_at,finished_at,output_file_id,"
    "input_file_id.id,user_created.id"
)
"""Without what an owner may make as long as they like, but for the error."""
ANY_FIELDS = "*,input_file_id.id,user_created.id"
"""Those that there are."""
OPTIONAL_COLUMNS = {"progress", "attempts", "started_at", "finished_at", "result"}


class Owner(msgspec.Struct):
    """A row of `directus_users`: who a record or a quota belongs to."""

    id: str
    status: str = "active"
    subscription_tier: str | None = None


class File(msgspec.Struct):
    """A row of `directus_files`."""

    id: str
    uploaded_by: str | None = None
    title: str | None = None
    filename_download: str | None = None
    type: str | None = None
    filesize: int | str | None = None  # a string from PostgreSQL

    @property
    def size(self) -> int | None:
        """The size in bytes, None when Directus does not know it."""
        return int(self.filesize or 0) if str(self.filesize or "").isdigit() else None


class Connection(msgspec.Struct):
    """A row of `platform_connections`: whose it is, and credentials that only a worker can decrypt."""

    id: str
    user_created: str | None = None
    credentials: str | None = None

    def __repr__(self) -> str:
        """Leave the credentials out."""
        return f"Connection({self.id})"


class Record(msgspec.Struct):
    """A row of `media_jobs`."""

    id: str
    status: str
    operation: str | None = None
    user_created: Owner | None = None
    input_file_id: File | None = None
    input_url: str | None = None
    output_file_id: str | None = None
    params: Any = None
    """A caller's own JSON, of any form."""
    priority: int | None = None
    creator_profile_id: str | None = None
    error: str | None = None
    attempts: int | None = None
    result: Any = None
    progress: int | None = None
    date_created: str | None = None
    started_at: str | None = None
    finished_at: str | None = None


class FailedJobs(msgspec.Struct, frozen=True, kw_only=True):
    """What failed jobs have in common; cancelled ones are none."""

    operation: str | None = None
    user_id: str | None = None
    since: str | None = None
    """When their records were made, at the earliest, in ISO 8601; `until`, at the latest."""
    until: str | None = None
    error: str | None = None
    """What their error contains."""


def timestamp(*, seconds: float = 0) -> str:
    """Return the time as Directus writes it, or that in some seconds."""
    return written(datetime.now(UTC) + timedelta(seconds=seconds))


def iso(ms: int) -> str:
    """Return a time of the ledger (ms since 1970) as Directus writes it."""
    return written(datetime.fromtimestamp(ms / 1000, UTC))


def written(moment: datetime) -> str:
    """Return a moment as Directus writes it: ISO 8601 in UTC, to the ms."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
