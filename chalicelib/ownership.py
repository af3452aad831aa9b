"""Whose a record is, and who may act for its owner: an administrator by Directus' word, and whoever operates the deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.auth import OPERATOR
from chalicelib.errors import NotFound, Unauthorized

if TYPE_CHECKING:
    from chalicelib.auth import Caller
    from chalicelib.directus import Directus
    from chalicelib.records import Owner, Record


class Ownership:
    """Asks Directus who may do what."""

    def __init__(self, directus: Directus) -> None:
        self._directus = directus

    def owner(self, record: Record | None, caller: Caller) -> tuple[Record, Owner]:
        """Return the record and its owner, for a caller who may act for them.

        Raises:
            NotFound: there is no such record, or it is not the caller's; the answer does not say which.
            Unauthorized: the caller is suspended.
        """
        owner = record.user_created if record else None
        if record is None or owner is None:
            raise NotFound("jobId must be the id of one of your media_jobs records")
        if owner.id != caller.user_id:
            if not self.is_administrator(caller):
                raise NotFound("jobId must be the id of one of your media_jobs records")
        elif owner.status != "active":
            raise Unauthorized
        return record, owner

    def read(self, job_id: str, caller: Caller) -> tuple[Record, Owner]:
        """Read a record, as `owner` lets the caller."""
        return self.owner(self._directus.read_job(job_id), caller)

    def is_administrator(self, caller: Caller) -> bool:
        """Ask Directus. A suspended one is refused: their signed token goes on being good there until it expires."""
        if caller is OPERATOR:
            return True
        if not self._directus.is_admin(caller.token):
            return False
        user = self._directus.read_user(caller.user_id)
        if user is None or user.status != "active":
            raise Unauthorized
        return True
