"""Credentials for private downloads and deliveries. A secret can be stored and used, and never read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mediaq.wire import Wire

Json = dict[str, Any]


class Credentials:
    """The calls of `/credentials`. A `Client` has them as `client.credentials`."""

    def __init__(self, wire: Wire, url: str) -> None:
        self._wire = wire
        self._url = url

    def create(self, name: str, kind: str, hosts: list[str], secret: Json) -> Json:
        """Store a credential and return it, without the secret.

        `kind`: bearer (token), basic (username, password), header and query (name, value), aws_s3 (access_key_id,
        secret_access_key, region), oauth2_client (token_url, client_id, client_secret).
        """
        body = {"name": name, "kind": kind, "hosts": hosts, "secret": secret}
        return self._one(self._wire.call("POST", self._url, careful=True, json=body))

    def list(self) -> list[Json]:
        """Return the user's credentials; an administrator gets everybody's."""
        found: list[Json] = self._wire.call("GET", self._url)["credentials"]
        return found

    def show(self, key: str) -> Json:
        """Return one credential."""
        return self._one(self._wire.call("GET", f"{self._url}/{key}"))

    def change(self, key: str, **changes: Any) -> Json:
        """Change `name`, or `secret` and `hosts`."""
        return self._one(self._wire.call("PATCH", f"{self._url}/{key}", json=changes))

    def delete(self, key: str, *, force: bool = False) -> None:
        """Delete a credential; `force`: although an open job names it."""
        self._wire.call("DELETE", f"{self._url}/{key}", params={"force": "true"} if force else None)

    def test(self, key: str, url: str) -> Json:
        """Let a worker send a request with the credential; return state, status and error."""
        answer: Json = self._wire.call("POST", f"{self._url}/{key}/test", careful=True, json={"url": url})
        return answer

    def _one(self, answer: Json) -> Json:
        found: Json = answer["credential"]
        return found
