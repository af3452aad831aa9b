"""A Directus, stand-in or real, for the contract tests."""

from __future__ import annotations

from typing import Any

import requests

from chalicelib.directus.client import Directus
from infra.local.directus import accounts
from infra.local.stack import login

BEST = accounts.BEST


class Server:
    """A Directus, as its clients see it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.service = Directus(url, accounts.SERVICE_TOKEN, 10)
        self.token = login(url, BEST.email, BEST.password)

    def call(self, method: str, path: str, token: str | None = None, **request: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return requests.request(method, self.url + path, headers=headers, timeout=20, **request)

    def record(self, **values: Any) -> dict[str, Any]:
        answer = self.call("POST", "/items/media_jobs", self.token, json={"operation": "transcoding", **values})
        assert answer.status_code == 200, answer.text
        row: dict[str, Any] = answer.json()["data"]
        return row
