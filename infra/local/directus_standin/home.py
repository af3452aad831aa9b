"""Rows, files and permissions of the stand-in. Answers and error codes are those measured on Directus 12.4."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
from flask import g, request

from infra.local.directus import accounts, schema
from infra.local.directus_standin import query
from infra.local.directus_standin.store import Row, Store

FILE_COLUMNS = (
    "id", "storage", "filename_disk", "filename_download", "title", "type", "folder", "uploaded_by", "created_on",
    "modified_on", "filesize", "width", "height", "duration", "metadata",
)  # fmt: skip
USER_COLUMNS = ("id", "email", "password", "role", "status", "token", "subscription_tier")
COLUMNS = {
    "directus_files": set(FILE_COLUMNS),
    "directus_users": set(USER_COLUMNS),
    **{name: {field["field"] for field in fields} for name, fields in schema.COLLECTIONS.items()},
}
RELATIONS = {(name, field): to for name, field, to in schema.RELATIONS}
ADMIN = "Administrator"


class Refusal(Exception):
    """A Directus error: status, code, message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


FORBIDDEN = (403, "FORBIDDEN", "You don't have permission to access this.")
BAD_CREDENTIALS = (401, "INVALID_CREDENTIALS", "Invalid user credentials.")


class StandIn:
    """Rows, files and permissions."""

    def __init__(self, state: Path) -> None:
        state.mkdir(parents=True, exist_ok=True)
        self.store = Store(state / "rows.db")
        self.files = state / "uploads"
        self.files.mkdir(exist_ok=True)
        if not self.store.all("directus_users"):
            self._seed()

    def _seed(self) -> None:
        self._user(accounts.ADMIN_EMAIL, ADMIN, password=accounts.ADMIN_PASSWORD, token=accounts.ADMIN_TOKEN)
        self._user(accounts.SERVICE_EMAIL, "Media queue service", token=accounts.SERVICE_TOKEN)
        for user in accounts.DEMO_USERS:
            self._user(user.email, "Media user", password=user.password, subscription_tier=user.tier)
        for number, term in enumerate(accounts.TAXONOMY, 1):
            self.store.insert("taxonomy_terms", {**dict.fromkeys(COLUMNS["taxonomy_terms"]), "id": number, **term})

    def _user(self, email: str, role: str, **values: Any) -> Row:
        row = {"id": str(uuid.uuid4()), "email": email, "role": role, "status": "active", "token": None, "password": None}
        row |= {"subscription_tier": "free", **values}
        self.store.insert("directus_users", row)
        return row

    def caller(self) -> Row | None:
        """Return the owner of the request's token."""
        token = request.headers.get("Authorization", "").removeprefix("Bearer ").strip() or request.args.get("access_token", "")
        if not token:
            return None
        if token.count(".") != 2:  # noqa: PLR2004 - a JWS has two dots
            user = next((one for one in self.store.all("directus_users") if one["token"] == token), None)
            if user is None or user["status"] != "active":
                raise Refusal(*BAD_CREDENTIALS)
            return user
        try:
            claims = jwt.decode(token, accounts.SECRET, algorithms=["HS256", "HS512"], issuer="directus")
        except jwt.ExpiredSignatureError:
            raise Refusal(401, "TOKEN_EXPIRED", "Token expired.") from None
        except jwt.InvalidIssuerError:
            raise Refusal(*BAD_CREDENTIALS) from None
        except jwt.PyJWTError:
            raise Refusal(403, "INVALID_TOKEN", "Invalid token.") from None
        return self.store.get("directus_users", claims.get("id"))

    def allow(self, collection: str, action: str) -> Row:
        """Return the caller, who must have the permission."""
        user: Row | None = g.caller
        if user is None or collection not in COLUMNS:
            raise Refusal(*FORBIDDEN)
        if user["role"] != ADMIN and action not in accounts.RIGHTS.get(user["role"], {}).get(collection, ()):
            raise Refusal(*FORBIDDEN)
        return user

    def expand(self, collection: str, field: str, row: Row) -> Row | None:
        """Follow a relation."""
        to = RELATIONS.get((collection, field))
        if to is None or row.get(field) is None:
            return None
        return self.store.get(to, row[field])

    def read(self, collection: str, asked: Row) -> list[Row]:
        """Answer a query on a collection."""
        columns = COLUMNS[collection]
        by_id = (asked.get("filter") or {}).get("id") or {}
        keys = [by_id["_eq"]] if "_eq" in by_id else query.listed(by_id["_in"]) if "_in" in by_id else None
        if keys is None:
            stored = self.store.all(collection)
        else:  # indexes for the usual filters; a scan would give the same result
            stored = [row for key in dict.fromkeys(keys) if (row := self.store.get(collection, key))]
        try:
            if "aggregate" in asked:
                return query.count(stored, asked, columns)
            rows = query.select(stored, asked, columns)
            return [self.shape(collection, row, asked.get("fields")) for row in rows]
        except query.UnknownColumn:
            raise Refusal(*FORBIDDEN) from None
        except query.UnknownOperator:
            raise Refusal(400, "INVALID_QUERY", "Invalid query. Unknown filter operator.") from None

    def shape(self, collection: str, row: Row, fields: list[str] | None) -> Row:
        """Return a row for a response: secrets hidden, relations expanded."""
        shown = {**row, **{name: "**********" for name in ("password", "token") if row.get(name) and "email" in row}}
        return query.shape(shown, fields, COLUMNS[collection], lambda field, one: self.expand(collection, field, one))

    def create(self, collection: str, values: Row, user: Row) -> Row:
        """Create a row for the caller, whatever the body says; unknown columns are ignored."""
        columns = COLUMNS[collection]
        for field in schema.COLLECTIONS.get(collection, []):
            required = field["schema"].get("is_nullable") is False and "default_value" not in field["schema"]
            if required and not field["schema"].get("is_primary_key") and values.get(field["field"]) is None:
                message = f'Validation failed for field "{field["field"]}". Value is required.'
                raise Refusal(400, "FAILED_VALIDATION", message)
        defaults = {one["field"]: one["schema"].get("default_value") for one in schema.COLLECTIONS.get(collection, [])}
        key = self.store.next_number(collection) if collection == "taxonomy_terms" else str(uuid.uuid4())
        row = {**dict.fromkeys(columns), **defaults, "id": key}
        row |= {name: value for name, value in values.items() if name in columns}
        if collection == "directus_users":
            row |= {"status": values.get("status", "active"), "subscription_tier": values.get("subscription_tier", "free")}
        elif collection != "directus_files":
            row |= {"user_created": user["id"], "date_created": now()}
        if not self.store.insert(collection, row):
            raise Refusal(400, "RECORD_NOT_UNIQUE", 'Value for field "id" has to be unique.')
        return row

    def change(self, collection: str, key: object, values: Row, user: Row) -> Row:
        """Update a row. Unknown columns are ignored only for an administrator."""
        for name in values:
            if name not in COLUMNS[collection] and user["role"] != ADMIN:
                message = f'You don\'t have permission to access field "{name}" in collection "{collection}" or it does not'
                raise Refusal(403, "FORBIDDEN", f"{message} exist. Queried in root.")
        known = {name: value for name, value in values.items() if name in COLUMNS[collection] and name != "id"}
        for name, value in known.items():
            if isinstance(value, dict) and (related := RELATIONS.get((collection, name))):  # the related row is changed too
                self.change(related, value["id"], value, self.allow(related, "update"))
                known[name] = value["id"]
        if "date_updated" in COLUMNS[collection]:
            known |= {"user_updated": user["id"], "date_updated": now()}
        return self.store.change(collection, key, known)

    def upload(self, user: Row) -> Row:
        """Store a multipart upload."""
        sent = request.files.get("file")
        if sent is None:
            raise Refusal(400, "INVALID_PAYLOAD", 'Invalid payload. No "file" was uploaded.')
        name, key = sent.filename or "file", str(uuid.uuid4())
        disk = key + Path(name).suffix
        sent.save(self.files / disk)
        size = (self.files / disk).stat().st_size
        values: Row = {
            **request.form.to_dict(),
            "id": key,
            "storage": "local",
            "filename_disk": disk,
            "filename_download": name,
        }
        values |= {"type": sent.mimetype, "filesize": size, "uploaded_by": user["id"], "created_on": now()}
        values.setdefault("title", Path(name).stem.replace("_", " ").title())
        return self.create("directus_files", values, user)

    def remove_file(self, row: Row) -> None:
        """Delete a file and its row."""
        (self.files / row["filename_disk"]).unlink(missing_ok=True)
        self.store.delete("directus_files", row["id"])


def now() -> str:
    """Return the time as Directus writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
