"""Rows of `platform_connections`: the credentials of users, sealed."""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib.directus.records import OPEN_STATES, Connection
from chalicelib.directus.transport import BAD, FORBIDDEN, Transport, data_of, read


class Connections(Transport):
    """The calls for credentials."""

    def read_connection(self, connection_id: str) -> Connection | None:
        """Return a credential; None if there is none."""
        rows = self._rows("GET", "/items/platform_connections", params={"filter[id][_eq]": connection_id})
        return read(rows[0], Connection) if rows else None

    def find_connections(self, user_id: str | None, at_most: int, skip: int = 0) -> list[Connection]:
        """Return the credentials of a user, or of all users, the oldest first."""
        filters: dict[str, Any] = {"user_created": {"_eq": user_id}} if user_id else {}
        page = {"sort": "date_created,id", "limit": str(at_most), "offset": str(skip)}
        params = {"filter": msgspec.json.encode(filters).decode(), **page}
        return [read(row, Connection) for row in self._rows("GET", "/items/platform_connections", params=params)]

    def create_connection(self, values: dict[str, Any], owner: str) -> Connection:
        """Create a credential and give it to its owner."""
        self._call("POST", "/items/platform_connections", json=values)
        try:
            return self.change_connection(values["id"], {"user_created": owner})  # Directus ignores it on creation
        except Exception:
            self.delete_connection(values["id"])
            raise

    def change_connection(self, connection_id: str, values: dict[str, Any]) -> Connection:
        """Change a credential and return it."""
        return read(data_of(self._call("PATCH", f"/items/platform_connections/{connection_id}", json=values)), Connection)

    def replace_sealed(self, connection_id: str, before: str, after: str) -> bool:
        """Replace a sealed text, if it is still `before`."""
        query = {"filter": {"id": {"_eq": connection_id}, "credentials": {"_eq": before}}}
        body = {"query": query, "data": {"credentials": after}}
        return bool(self._rows("PATCH", "/items/platform_connections", params={"fields": "id"}, json=body))

    def note_use(self, connection_id: str, at: str, status: str) -> None:
        """Store when a credential was used and what came of it. Older installations lack the columns."""
        values = {"last_used_at": at, "last_status": status}
        self._call("PATCH", f"/items/platform_connections/{connection_id}", json=values, accept=(BAD, FORBIDDEN))

    def delete_connection(self, connection_id: str) -> None:
        """Delete a credential."""
        self._call("DELETE", f"/items/platform_connections/{connection_id}", accept=(FORBIDDEN,))

    def is_in_use(self, connection_id: str) -> bool:
        """Return whether an open job names the credential."""
        filters = {"creator_profile_id": {"_eq": connection_id}, "status": {"_in": OPEN_STATES}}
        params = {"filter": msgspec.json.encode(filters).decode(), "fields": "id", "limit": "1"}
        return bool(self._rows("GET", "/items/media_jobs", params=params))
