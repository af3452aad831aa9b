"""The collections of mediaq, as bodies of Directus' REST API."""

from __future__ import annotations

from typing import Any


def _field(name: str, kind: str, special: str = "", **schema: Any) -> dict[str, Any]:
    meta = {"special": [special]} if special else {}
    return {"field": name, "type": kind, "meta": meta, "schema": schema}


def _uuid_key() -> dict[str, Any]:
    return _field("id", "uuid", "uuid", is_primary_key=True, has_auto_increment=False, is_nullable=False)


def _audit() -> list[dict[str, Any]]:
    return [
        _field("user_created", "uuid", "user-created"),
        _field("date_created", "timestamp", "date-created"),
        _field("user_updated", "uuid", "user-updated"),
        _field("date_updated", "timestamp", "date-updated"),
    ]


COLLECTIONS: dict[str, list[dict[str, Any]]] = {
    "media_jobs": [
        _uuid_key(),
        _field("status", "string", default_value="pending", is_nullable=False, is_indexed=True),
        _field("operation", "string", is_nullable=False),
        _field("input_file_id", "uuid", "file"),
        _field("input_url", "text"),
        _field("params", "json", "cast-json"),
        _field("creator_profile_id", "uuid"),
        _field("priority", "integer"),
        _field("output_file_id", "uuid", "file"),
        _field("result", "json", "cast-json"),
        _field("error", "text"),
        _field("progress", "integer", default_value=0),
        _field("attempts", "integer", default_value=0),
        _field("started_at", "timestamp"),
        _field("finished_at", "timestamp"),
        *_audit(),
    ],
    "taxonomy_terms": [
        _field("id", "integer", is_primary_key=True, has_auto_increment=True),
        _field("name", "string", is_nullable=False),
        _field("slug", "string", is_unique=True),
        _field("kind", "string"),
        *_audit(),
    ],
    "platform_connections": [
        _uuid_key(),
        _field("platform", "string"),
        _field("credentials", "text"),
        _field("name", "string"),
        _field("kind", "string"),
        _field("hosts", "json", "cast-json"),
        _field("fingerprint", "string"),
        _field("last_used_at", "timestamp"),
        _field("last_status", "string"),
        *_audit(),
    ],
}

TIER = _field("subscription_tier", "string", default_value="free", is_nullable=False)
"""The plan of a user: a column of directus_users."""

RELATIONS = [
    *((name, field, "directus_users") for name in COLLECTIONS for field in ("user_created", "user_updated")),
    ("media_jobs", "input_file_id", "directus_files"),
    ("media_jobs", "output_file_id", "directus_files"),
]
"""(collection, field, referenced collection)."""
