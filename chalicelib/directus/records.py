"""Rows of Directus, typed. Columns that an installation does not have keep their defaults."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

OPEN_STATES = ["pending", "processing"]
NOT_CANCELLED: dict[str, Any] = {"_or": [{"error": {"_neq": "Cancelled"}}, {"error": {"_null": True}}]}
"""As a Directus filter. `_neq` would drop rows where SQL compares with null."""
JOB_FIELDS = "*,user_created.id,user_created.status,user_created.subscription_tier,input_file_id.*"
LIST_FIELDS = (
    "id,status,operation,priority,error,progress,attempts,date_created,started_at,finished_at,output_file_id,"
    "input_file_id.id,user_created.id"
)
"""Without columns whose length the owner decides, except `error`."""
ANY_FIELDS = "*,input_file_id.id,user_created.id"
"""The optional columns that this installation has."""
OPTIONAL_COLUMNS = {"progress", "attempts", "started_at", "finished_at", "result"}


class Owner(msgspec.Struct):
    """A row of `directus_users`: the owner of a record or of a quota."""

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
    filesize: int | str | None = None  # PostgreSQL returns a string

    @property
    def size(self) -> int | None:
        """The size in bytes; None if Directus does not know it."""
        return int(self.filesize or 0) if str(self.filesize or "").isdigit() else None


class Connection(msgspec.Struct):
    """A row of `platform_connections`: its owner, and credentials that only a worker can decrypt."""

    id: str
    user_created: str | None = None
    credentials: str | None = None
    name: str | None = None
    kind: str | None = None
    """None: stored without mediaq, as encrypted headers."""
    hosts: Any = None
    """A list of host names; anything, if somebody else wrote the row."""
    fingerprint: str | None = None
    date_created: str | None = None
    last_used_at: str | None = None
    last_status: str | None = None

    @property
    def host_list(self) -> list[str]:
        """The hosts."""
        return [one for one in self.hosts if isinstance(one, str)] if isinstance(self.hosts, list) else []

    def __repr__(self) -> str:
        """Leave out the credentials."""
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
    """JSON from the caller, of any shape."""
    priority: int | None = None
    creator_profile_id: str | None = None
    error: str | None = None
    attempts: int | None = None
    result: Any = None
    progress: int | None = None
    date_created: str | None = None
    started_at: str | None = None
    finished_at: str | None = None


def timestamp(*, seconds: float = 0) -> str:
    """Return the current time, plus some seconds, in the format of Directus."""
    return written(datetime.now(UTC) + timedelta(seconds=seconds))


def iso(ms: int) -> str:
    """Return a time of the ledger (ms since 1970) in the format of Directus."""
    return written(datetime.fromtimestamp(ms / 1000, UTC))


def written(moment: datetime) -> str:
    """Return a time in the format of Directus: ISO 8601, UTC, ms."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
