"""Seeds an empty Directus: schema, roles, users, terms, and the Flow that invalidates the taxonomy cache."""

from __future__ import annotations

from typing import Any

import requests

from infra.local.directus import accounts, schema

TAXONOMY_FLOW = "mediaq taxonomy"
CREATED_FLOW = "mediaq created"


class Admin:
    """The REST API of Directus, as administrator."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {accounts.ADMIN_TOKEN}"

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Make one call and return its data.

        Raises:
            RuntimeError: Directus rejected it; the message is its own.
        """
        answer = self._session.request(method, self._url + path, json=body, timeout=60)
        if answer.status_code >= 300:  # noqa: PLR2004 - anything but success
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json()["data"] if answer.content else None


def seed(url: str) -> None:
    """Create everything except the Flow, which needs the URL of the API: see `point_flow`."""
    admin = Admin(url)
    for name, fields in schema.COLLECTIONS.items():
        admin.call("POST", "/collections", {"collection": name, "schema": {}, "meta": {}, "fields": fields})
    for name, field, to in schema.RELATIONS:
        relation = {"collection": name, "field": field, "related_collection": to, "schema": {"on_delete": "SET NULL"}}
        admin.call("POST", "/relations", relation)
    admin.call("POST", "/fields/directus_users", schema.TIER)
    roles = {name: _role(admin, name, rights) for name, rights in accounts.RIGHTS.items()}
    service = {"email": accounts.SERVICE_EMAIL, "role": roles["Media queue service"], "token": accounts.SERVICE_TOKEN}
    admin.call("POST", "/users", service)
    for user in accounts.DEMO_USERS:
        row = {"email": user.email, "password": user.password, "role": roles["Media user"], "subscription_tier": user.tier}
        admin.call("POST", "/users", row)
    admin.call("POST", "/items/taxonomy_terms", accounts.TAXONOMY)


def point_flow(url: str, api: str) -> None:
    """Make Directus call the API at `api` whenever the taxonomy changes."""
    scope = ["items.create", "items.update", "items.delete"]
    _flow(Admin(url), TAXONOMY_FLOW, "taxonomy_terms", scope, f"{api}/api/queue/taxonomy/invalidate")


def enqueue_by_flow(url: str, api: str) -> None:
    """Make Directus enqueue every created media_jobs record, as docs/operations.md describes."""
    _flow(Admin(url), CREATED_FLOW, "media_jobs", ["items.create"], f"{api}/api/queue/media/created")


def _flow(admin: Admin, name: str, collection: str, scope: list[str], to: str) -> None:
    for flow in admin.call("GET", f"/flows?filter[name][_eq]={name}&fields=id"):
        admin.call("DELETE", f"/flows/{flow['id']}")
    trigger = {"type": "action", "scope": scope, "collections": [collection]}
    flow = {"name": name, "status": "active", "trigger": "event", "accountability": "all", "options": trigger}
    flow_id = admin.call("POST", "/flows", flow)["id"]
    request = {
        "method": "POST",
        "url": to,
        "headers": [
            {"header": "X-Internal-Token", "value": accounts.INTERNAL_TOKEN},
            {"header": "Content-Type", "value": "application/json"},
        ],
        "body": "{{ $trigger }}",
    }
    operation = {"flow": flow_id, "key": "call", "name": "Call mediaq", "type": "request", "options": request}
    operation |= {"position_x": 20, "position_y": 1}
    operation_id = admin.call("POST", "/operations", operation)["id"]
    admin.call("PATCH", f"/flows/{flow_id}", {"operation": operation_id})


def _role(admin: Admin, name: str, rights: dict[str, tuple[str, ...]]) -> str:
    policy = admin.call("POST", "/policies", {"name": name, "admin_access": False, "app_access": False})["id"]
    permissions = [
        {"policy": policy, "collection": collection, "action": action, "fields": ["*"], "permissions": {}, "validation": {}}
        for collection, actions in rights.items()
        for action in actions
    ]
    admin.call("POST", "/permissions", permissions)
    role = str(admin.call("POST", "/roles", {"name": name})["id"])
    admin.call("POST", "/access", {"role": role, "policy": policy})
    return role
