"""The Directus client. The only file that knows Directus URLs.

Behaviour was measured on Directus 12.4 and 11.17; `tests/contract` checks the real Directus and the stand-in alike. Records are
read as a filtered list and not as an item: an empty list means "missing", while a 403 means that our own access is wrong.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from aws_lambda_powertools import Logger

from chalicelib.directus.connections import Connections
from chalicelib.directus.files import Files
from chalicelib.directus.records import (
    ANY_FIELDS,
    JOB_FIELDS,
    LIST_FIELDS,
    NOT_CANCELLED,
    OPEN_STATES,
    OPTIONAL_COLUMNS,
    Owner,
    Record,
)
from chalicelib.directus.transport import BAD, FORBIDDEN, OK, UNAUTHORIZED, data_of, read, refused

logger = Logger(service="mediaq", child=True)
IDS_IN_A_URL = 100  # Node rejects headers of more than 16 kB
PLAIN = {"user_created": None, "input_file_id": None}
"""In place of the ids of related rows."""
PAGE, PAGES_MAX = 500, 10
"""Records a call, and calls, when all of a user are read."""
PING_TIMEOUT = (3.0, 5.0)
REFUSED = (BAD, UNAUTHORIZED, FORBIDDEN)
# Directus 12.4 rejects a write to an unknown column by a non-administrator with this 403 message
UNKNOWN_COLUMN = re.compile(r'field \\?"(\w+)\\?" in collection')


class Directus(Files, Connections):
    """The calls that mediaq makes, with its service token unless stated otherwise.

    Every method raises `DirectusUnavailable` if Directus is unreachable, throttles, or rejects our access.
    """

    def __init__(self, url: str, token: str, timeout: float) -> None:
        super().__init__(url, token, timeout)
        self._missing: frozenset[str] = frozenset()
        self._list_fields = LIST_FIELDS

    # Records

    def read_job(self, job_id: str) -> Record | None:
        """Return a record with its owner and its input file; None if it does not exist."""
        rows = self._rows("GET", "/items/media_jobs", params={"filter[id][_eq]": job_id, "fields": JOB_FIELDS})
        return read(rows[0], Record) if rows else None

    def read_jobs(self, job_ids: list[str]) -> dict[str, Record]:
        """Return several records, by their ids."""
        params = {"filter[id][_in]": ",".join(job_ids), "fields": JOB_FIELDS, "limit": "-1"}
        rows = self._rows("GET", "/items/media_jobs", params=params)
        return {row["id"]: read(row, Record) for row in rows}

    def create_job(self, values: dict[str, Any], token: str) -> bool:
        """Create a record as the user of `token`; False if Directus does not allow it."""
        return self._call("POST", "/items/media_jobs", json=values, token=token, accept=REFUSED).status_code not in REFUSED

    def replace_output(self, job_id: str, before: str | None, values: dict[str, Any], *, give_to: str | None = None) -> bool:
        """Update a completed record if its output is still `before`; False if it is not."""
        output = {"_eq": before} if before else {"_null": True}
        return bool(self._update(job_id, {"status": {"_eq": "completed"}, "output_file_id": output}, values, give_to=give_to))

    def start_job(self, job_id: str, values: dict[str, Any]) -> Record | None:
        """Update a pending record and return it with owner and input file; None if it is not pending or does not exist."""
        rows = self._update(job_id, {"status": {"_eq": "pending"}}, values, fields=JOB_FIELDS)
        return read(rows[0], Record) if rows else None

    def update_open_job(self, job_id: str, values: dict[str, Any], *, give_to: str | None = None) -> bool:
        """Update a record unless it is completed or failed; False if it is, or does not exist.

        `give_to`: the user who becomes the owner of the output file, in the same call, if permissions allow it.
        """
        return bool(self._update(job_id, {"status": {"_in": OPEN_STATES}}, values, give_to=give_to))

    def reopen_job(self, job_id: str) -> bool:
        """Set a failed record back to pending; False if it was not failed. `result` keeps the original request."""
        values = {"status": "pending", "error": None, "progress": 0, "attempts": 0, "finished_at": None}
        return bool(self._update(job_id, {"status": {"_eq": "failed"}}, values))

    def count_completed(self, user_id: str, operations: list[str], since: str) -> dict[str, int]:
        """Count a user's completed jobs created at or after `since` (ISO 8601), by operation."""
        mine = {"user_created": {"_eq": user_id}, "status": {"_eq": "completed"}, "date_created": {"_gte": since}}
        rows = self._counts({**mine, "operation": {"_in": operations}}, "operation")
        return dict.fromkeys(operations, 0) | {row["operation"]: int(row["count"]) for row in rows}

    def read_completed(self, at_most: int) -> list[Record]:
        """Return the records of jobs that completed last, the oldest first."""
        params = {"filter[status][_eq]": "completed", "fields": "*", "sort": "-date_created", "limit": str(at_most)}
        return [read({**row, **PLAIN}, Record) for row in reversed(self._rows("GET", "/items/media_jobs", params=params))]

    def read_results(self, user_id: str, since: str, until: str) -> list[Any]:
        """Return the `result` of a user's jobs created since `since` and finished before `until` (ISO 8601).

        At most PAGE * PAGES_MAX, the newest: a caller waits for them.
        """
        filters = {
            "user_created": {"_eq": user_id},
            "status": {"_in": ["completed", "failed"]},
            "date_created": {"_gte": since},
        }
        about = {"fields": "result,finished_at", "sort": "-date_created", "limit": str(PAGE)}
        asked = {"filter": msgspec.json.encode(filters).decode(), **about}
        results: list[Any] = []
        for page in range(1, PAGES_MAX + 1):
            answer = self._call("GET", "/items/media_jobs", params={**asked, "page": str(page)}, accept=(FORBIDDEN,))
            rows = data_of(answer) if answer.status_code == OK else []  # 403: an installation without these columns
            results += [row.get("result") for row in rows if (row.get("finished_at") or until) < until]
            if len(rows) < PAGE:
                break
        return results

    def count_status(self, status: str, among: list[str] | None = None) -> int:
        """Count the records of a status, without cancelled ones: all, or only `among` these ids."""
        filters: dict[str, Any] = {"status": {"_eq": status}, **(NOT_CANCELLED if status == "failed" else {})}
        if among is None:
            return self._count(filters)
        chunks = [among[at : at + IDS_IN_A_URL] for at in range(0, len(among), IDS_IN_A_URL)]
        return sum(self._count({**filters, "id": {"_in": chunk}}) for chunk in chunks)

    def find_jobs(self, filters: dict[str, Any], at_most: int, skip: int = 0, *, oldest_first: bool = False) -> list[Record]:
        """Return up to `at_most` records, newest first and then by id, after skipping `skip`."""
        sort = "date_created,id" if oldest_first else "-date_created,-id"
        page = {"sort": sort, "limit": str(at_most), "offset": str(skip), "fields": self._list_fields}
        params = {"filter": msgspec.json.encode(filters).decode(), **page}
        accept = (FORBIDDEN,) if self._list_fields != ANY_FIELDS else ()
        answer = self._call("GET", "/items/media_jobs", params=params, accept=accept)
        if answer.status_code == FORBIDDEN:  # a column that this Directus does not have
            self._list_fields = ANY_FIELDS
            return self.find_jobs(filters, at_most, skip, oldest_first=oldest_first)
        return [read(row, Record) for row in data_of(answer)]

    # Users

    def whoami(self, token: str) -> str | None:
        """Return the id of the user that `token` belongs to; None if Directus rejects it."""
        answer = self._call("GET", "/users/me", params={"fields": "id"}, token=token, accept=REFUSED)
        return str(data_of(answer)["id"]) if answer.status_code == OK else None

    def is_admin(self, token: str) -> bool:
        """Return whether the owner of `token` is an administrator. Directus decides, not a claim in the token."""
        answer = self._call("GET", "/policies/me/globals", token=token, accept=REFUSED)
        return answer.status_code == OK and data_of(answer).get("admin_access") is True

    def read_user(self, user_id: str) -> Owner | None:
        """Return a user; None if there is none."""
        rows = self._rows("GET", "/users", params={"filter[id][_eq]": user_id, "fields": "id,status,subscription_tier"})
        return read(rows[0], Owner) if rows else None

    def ping(self) -> None:
        """Check that Directus answers."""
        self._call("GET", "/server/ping", timeout=PING_TIMEOUT)

    # Taxonomy

    def taxonomy_terms(self) -> list[dict[str, Any]]:
        """Return all rows of `taxonomy_terms`."""
        return self._rows("GET", "/items/taxonomy_terms", params={"limit": "-1"})

    # Updates

    def _count(self, filters: dict[str, Any]) -> int:
        return int(self._counts(filters)[0]["count"])  # PostgreSQL returns a string

    def _counts(self, filters: dict[str, Any], by: str | None = None) -> list[dict[str, Any]]:
        params = {"filter": msgspec.json.encode(filters).decode(), "aggregate[count]": "*"}
        return self._rows("GET", "/items/media_jobs", params=params | ({"groupBy[]": by} if by else {}))

    def _update(
        self, job_id: str, where: dict[str, Any], values: dict[str, Any], *, fields: str = "id", give_to: str | None = None
    ) -> list[dict[str, Any]]:
        """Update a record without the optional columns that this Directus lacks; return the row, if it matched `where`."""
        query = {"filter": {"id": {"_eq": job_id}, **where}}
        giving = bool(give_to and values.get("output_file_id"))
        while True:
            known = {name: value for name, value in values.items() if name not in self._missing}
            if giving:
                known["output_file_id"] = {"id": known["output_file_id"], "uploaded_by": give_to}
            body = {"query": query, "data": known}
            answer = self._call("PATCH", "/items/media_jobs", params={"fields": fields}, json=body, accept=(BAD, FORBIDDEN))
            if answer.status_code == OK:
                return list(data_of(answer))
            named = UNKNOWN_COLUMN.search(answer.text)
            if named is not None and named[1] in OPTIONAL_COLUMNS & known.keys():
                self._missing |= {named[1]}
            elif giving:  # forbidden, or the user is gone: the output stays ours
                logger.warning("Directus does not let us give an output to its user", extra={"job_id": job_id})
                giving = False
            else:
                raise refused("PATCH", "/items/media_jobs", answer)
