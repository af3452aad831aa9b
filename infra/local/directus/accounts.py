"""Users and secrets of a local Directus. They protect nothing: every service listens on loopback only."""

from __future__ import annotations

from typing import NamedTuple

SECRET = "local-secret-0123456789abcdef-0123456789abcdef"  # noqa: S105 - of the local system
INTERNAL_TOKEN = "local-internal-token-0123456789"  # noqa: S105
WEBHOOK_SECRET = "local-webhook-secret-0123456789abcdef"  # noqa: S105
CREDENTIALS_PUBLIC_KEY = "pth7ELvW7AbDGBhzDR3jogcpFsF391Vzl1pQVyzcbQE="
CREDENTIALS_PRIVATE_KEY = "bG9jYWwtY3JlZGVudGlhbHMta2V5LW9mLW1lZGlhcSE="
CREDENTIALS_KEY = "bG9jYWwta2V5LW9mLW1lZGlhcS0wMTIzNDU2Nzg5YWI="
ADMIN_EMAIL, ADMIN_PASSWORD = "admin@example.com", "admin-password-1"
ADMIN_TOKEN = "local-admin-token-0123456789"  # noqa: S105
SERVICE_EMAIL = "service@example.com"
SERVICE_TOKEN = "local-service-token-0123456789"  # noqa: S105
TOKEN_TTL_DAYS = 7


class User(NamedTuple):
    """A demo user, one per tier."""

    email: str
    password: str
    tier: str


DEMO_USERS = tuple(User(f"{tier}@example.com", f"{tier}-password-1", tier) for tier in ("free", "pro", "enterprise"))
BEST = DEMO_USERS[-1]

RIGHTS = {
    "Media user": {"media_jobs": ("create", "read"), "directus_files": ("create", "read"), "taxonomy_terms": ("read",)},
    "Media queue service": {
        "media_jobs": ("create", "read", "update", "delete"),
        "directus_files": ("create", "read", "update", "delete"),
        "taxonomy_terms": ("read",),
        "platform_connections": ("create", "read", "update", "delete"),
        "directus_users": ("read",),
    },
}
"""Role -> collection -> allowed actions. On whole rows only: Directus 12 needs a licence for finer rules."""

TAXONOMY = [
    {"name": "Rock", "slug": "rock", "kind": "genre"},
    {"name": "Jazz", "slug": "jazz", "kind": "genre"},
    {"name": "New York", "slug": "new-york", "kind": "place"},
]
