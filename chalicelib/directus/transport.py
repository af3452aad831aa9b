"""The HTTP connection to Directus: every call, its errors, and how responses are read."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
import requests
from requests.adapters import HTTPAdapter

from chalicelib.errors import DirectusUnavailable

OK, NO_CONTENT, BAD, UNAUTHORIZED, FORBIDDEN = 200, 204, 400, 401, 403
Row = TypeVar("Row", bound=msgspec.Struct)


class Transport:
    """Calls Directus, with our service token unless stated otherwise.

    Every method raises `DirectusUnavailable` if Directus is unreachable, throttles, or rejects our access.
    """

    def __init__(self, url: str, token: str, timeout: float) -> None:
        self._url = url
        self._timeout = (min(3.0, timeout), timeout)
        self._session = requests.Session()
        adapter = HTTPAdapter(pool_maxsize=64)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, adapter)
        self._session.trust_env = False  # ignore proxies and .netrc of the machine
        self._authorization = f"Bearer {token}"

    def _rows(self, method: str, path: str, **request: Any) -> list[dict[str, Any]]:
        return list(data_of(self._call(method, path, **request)))

    def _call(
        self, method: str, path: str, *, token: str = "", accept: tuple[int, ...] = (), **request: Any
    ) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}" if token else self._authorization, **request.pop("headers", {})}
        timeout = request.pop("timeout", self._timeout)
        try:
            answer = self._session.request(
                method, self._url + path, headers=headers, timeout=timeout, allow_redirects=False, **request
            )
        except (requests.RequestException, UnicodeError) as error:
            raise DirectusUnavailable from error
        if answer.status_code not in (OK, NO_CONTENT, *accept):
            raise refused(method, path, answer)
        return answer


class DirectusRefusal(Exception):
    """The error message of a response."""


def refused(method: str, path: str, answer: requests.Response) -> DirectusUnavailable:
    """Return the error of a response that says no; its text is the cause, for the log."""
    error = DirectusUnavailable("Directus refused the call")
    error.__cause__ = DirectusRefusal(f"{method} {path} answered {answer.status_code}: {answer.text[:300]}")
    answer.close()
    return error


def data_of(answer: requests.Response) -> Any:
    """Return the `data` of a response."""
    try:
        return answer.json()["data"]
    except (ValueError, KeyError, TypeError) as error:
        raise DirectusUnavailable("Directus answered in an unknown form") from error


def read(row: Any, model: type[Row]) -> Row:
    """Convert a row."""
    try:
        return msgspec.convert(row, model, strict=False)
    except msgspec.ValidationError as error:
        raise DirectusUnavailable("Directus answered in an unknown form") from error
