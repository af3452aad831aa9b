"""HTTP: one session, repeated calls where a repetition changes nothing, and errors that say what to do."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from requests_toolbelt import MultipartEncoder, MultipartEncoderMonitor
from urllib3.util import Retry

from mediaq.errors import ApiError, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]
REPEATED = 4
AWAY = (502, 503, 504)


class Wire:
    """Calls the API and Directus with one token.

    Every call that is repeated is one that may be: an admission is known by its record, and a record by the id that we chose.
    An upload is made once.
    """

    def __init__(self, token: str, timeout: float) -> None:
        self._timeout = timeout
        self._repeating, self._once = requests.Session(), requests.Session()
        retry = Retry(
            total=REPEATED, backoff_factor=0.5, backoff_jitter=0.5, status_forcelist=AWAY, allowed_methods=None,
            raise_on_status=False,
        )  # fmt: skip
        for session, adapter in ((self._repeating, HTTPAdapter(max_retries=retry)), (self._once, HTTPAdapter())):
            session.headers["Authorization"] = f"Bearer {token}"
            for scheme in ("http://", "https://"):
                session.mount(scheme, adapter)

    def call(self, method: str, url: str, **request: Any) -> Any:
        """Make a call and return its JSON.

        Raises:
            ApiError: the answer said no.
            Unreachable: there was none, or 503 again and again.
        """
        return self._sent(self._repeating, method, url, **request).json()

    def upload(self, url: str, fields: list[tuple[str, Any]], sent: Callable[[int, int], None]) -> Any:
        """Send a form with a file, streamed; `sent` is told the bytes so far and in all."""
        form = MultipartEncoder(fields)
        body = MultipartEncoderMonitor(form, lambda monitor: sent(monitor.bytes_read, form.len))
        return self._sent(self._once, "POST", url, data=body, headers={"Content-Type": form.content_type}).json()

    def download(self, url: str, target: IO[bytes], came: Callable[[int, int], None]) -> None:
        """Stream a file into `target`; `came` is told the bytes so far, and in all (0: not known)."""
        with self._sent(self._repeating, "GET", url, stream=True) as answer:
            whole, got = int(answer.headers.get("Content-Length") or 0), 0
            try:
                for piece in answer.iter_content(1 << 20):
                    target.write(piece)
                    got += len(piece)
                    came(got, whole)
            except requests.RequestException as error:
                raise Unreachable(f"the download from {_host(url)} broke off; try again") from error

    def _sent(self, session: requests.Session, method: str, url: str, **request: Any) -> requests.Response:
        try:
            answer = session.request(method, url, timeout=self._timeout, allow_redirects=False, **request)
        except requests.RequestException as error:
            raise Unreachable(f"{_host(url)} cannot be reached: {_why(error)}") from error
        if answer.status_code in AWAY:
            raise Unreachable(f"{_host(url)}: {_said(answer)}; nothing was changed, try again later")
        if answer.status_code >= 300:  # noqa: PLR2004 - anything but success
            raise ApiError(answer.status_code, _said(answer))
        return answer


def _said(answer: requests.Response) -> str:
    """Return the sentence of our API, or of Directus."""
    try:
        body = answer.json()
        if "errors" in body:
            return str(body["errors"][0]["message"])
        return str(body.get("message") or body["error"])
    except (ValueError, KeyError, IndexError, TypeError):
        return f"status {answer.status_code}"


def _host(url: str) -> str:
    return "/".join(url.split("/")[:3])


def _why(error: Exception) -> str:
    return type(error).__name__ if not isinstance(error, requests.ConnectionError) else "no connection"
