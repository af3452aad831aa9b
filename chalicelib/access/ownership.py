"""Authorization: who owns a record, and who may act for the owner (administrators and operators)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from chalicelib.access.auth import ON_BEHALF, OPERATOR
from chalicelib.errors import Forbidden, NotFound, Unauthorized

if TYPE_CHECKING:
    from chalicelib.access.auth import Caller
    from chalicelib.directus.client import Directus
    from chalicelib.directus.records import Owner, Record


CACHE_SECONDS = 5.0
CACHE_ENTRIES = 1000


class Ownership:
    """Authorizes access to records."""

    def __init__(self, directus: Directus) -> None:
        self._directus = directus
        self._verdicts: dict[str, tuple[float, bool]] = {}
        self._active: dict[str, float] = {}

    def owner(self, record: Record | None, caller: Caller) -> tuple[Record, Owner]:
        """Return the record and its owner.

        Raises:
            NotFound: there is no such record, or the caller may not act on it; the answer does not say which.
            Unauthorized: the caller is suspended.
        """
        owner = record.user_created if record else None
        if record is None or owner is None:
            raise NotFound("jobId must be the id of one of your media_jobs records")
        if caller is not ON_BEHALF and owner.id != caller.user_id:
            if not self.is_administrator(caller):
                raise NotFound("jobId must be the id of one of your media_jobs records")
        elif owner.status != "active":
            if caller is ON_BEHALF:
                raise Forbidden("The owner of the record is suspended")
            raise Unauthorized
        return record, owner

    def read(self, job_id: str, caller: Caller) -> tuple[Record, Owner]:
        """Return the record, authorized like `owner`."""
        return self.owner(self._directus.read_job(job_id), caller)

    def visible_user(self, wanted: str | None, caller: Caller) -> str | None:
        """Return the user whose jobs the caller sees; None: everybody's. `wanted`: the user that they ask for, if any.

        Raises:
            Forbidden: another user's jobs, and the caller is not an administrator.
        """
        if wanted != caller.user_id and self.is_administrator(caller):
            return wanted
        self.check_active(caller)
        if wanted not in (None, caller.user_id):
            raise Forbidden("user must be yourself: only administrators see the jobs of others")
        return caller.user_id

    def check_active(self, caller: Caller) -> None:
        """Check that a caller who is not an administrator is not suspended: a signed token outlives a suspension.

        Raises:
            Unauthorized: the user is suspended or deleted.
        """
        if time.monotonic() < self._active.get(caller.user_id, 0.0):
            return
        user = self._directus.read_user(caller.user_id)
        if user is None or user.status != "active":
            raise Unauthorized
        if len(self._active) >= CACHE_ENTRIES:
            self._active.clear()
        self._active[caller.user_id] = time.monotonic() + CACHE_SECONDS

    def is_administrator(self, caller: Caller) -> bool:
        """Return whether Directus lists the caller as an administrator; cached briefly. Suspended users are not."""
        if caller is OPERATOR or caller is ON_BEHALF:
            return caller is OPERATOR
        until, verdict = self._verdicts.get(caller.token, (0.0, False))
        if time.monotonic() < until:
            return verdict
        verdict = self._directus.is_admin(caller.token)
        if verdict:
            self.check_active(caller)
        if len(self._verdicts) >= CACHE_ENTRIES:
            self._verdicts.clear()
        self._verdicts[caller.token] = (time.monotonic() + CACHE_SECONDS, verdict)
        return verdict
