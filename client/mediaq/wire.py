"""HTTP: one session, safe retries, and errors with a next step."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from requests_toolbelt import MultipartEncoder, MultipartEncoderMonitor
from urllib3.util import Retry

from mediaq.errors import ApiError, MediaqError, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]
REPEATED = 4
AWAY = (502, 503, 504)
RETRY_AFTER_MAX = 30
EXAMPLE = "http://127.0.0.1:3001/api/queue"
WRONG_ADDRESS = (
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
)


class Wire:
    """Calls the API and Directus with one token.

    Calls that are safe to repeat are retried: an admission is identified by its record, and a record by the id that we chose.
    Other calls are retried only if they were not sent or got a 503. Uploads are not retried.
    """

    def __init__(self, token: str, timeout: float) -> None:
        self._timeout = timeout
        self._token = token
        self._repeating, self._careful = self._session(_retry()), self._session(_retry(read=0, status_forcelist=[503]))
        self._once = self._session(Retry(0))

    def call(
        self,
        method: str,
        url: str,
        *,
        public: bool = False,
        careful: bool = False,
        accept: tuple[int, ...] = (),
        **request: Any,
    ) -> Any:
        """Make a call and return its JSON, also for a status in `accept`.

        `public`: without a token. `careful`: do not retry after it was sent.

        Raises:
            ApiError: the server rejected the call.
            Unreachable: no answer, or 503 after several tries.
        """
        if not public:
            self._need_token()
        session = self._once if accept else self._careful if careful else self._repeating
        return _json(self._sent(session, method, url, accept, **request))

    def text(self, url: str) -> str:
        """Return a text."""
        self._need_token()
        answer = self._sent(self._repeating, "GET", url)
        answer.encoding = "utf-8"
        return answer.text

    def upload(self, url: str, fields: list[tuple[str, Any]], sent: Callable[[int, int], None]) -> Any:
        """Upload a form with a file as a stream; `sent` is called with the bytes so far and in total."""
        self._need_token()
        form = MultipartEncoder(fields)
        body = MultipartEncoderMonitor(form, lambda monitor: sent(monitor.bytes_read, form.len))
        return _json(self._sent(self._once, "POST", url, data=body, headers={"Content-Type": form.content_type}))

    def download(self, url: str, target: IO[bytes], came: Callable[[int, int], None]) -> None:
        """Download a file to `target`; `came` is called with the bytes so far and in total (0: unknown)."""
        self._need_token()
        with self._sent(self._repeating, "GET", url, stream=True) as answer:
            whole, got = int(answer.headers.get("Content-Length") or 0), 0
            try:
                for piece in answer.iter_content(1 << 20):
                    target.write(piece)
                    got += len(piece)
                    came(got, whole)
            except requests.RequestException as error:
                raise Unreachable(f"the download from {_host(url)} broke off; try again") from error

    def _session(self, retry: Retry) -> requests.Session:
        session = requests.Session()
        session.auth = self._sign  # not a header, which a .netrc would replace
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=retry))
        return session

    def _need_token(self) -> None:
        if not self._token:
            raise MediaqError("no token: set MEDIAQ_TOKEN to a Directus token, or pass one")

    def _sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def _sent(
        self, session: requests.Session, method: str, url: str, accept: tuple[int, ...] = (), **request: Any
    ) -> requests.Response:
        try:
            answer = session.request(method, url, timeout=self._timeout, allow_redirects=False, **request)
        except WRONG_ADDRESS as error:
            raise MediaqError(f"{url} is no http or https address") from error
        except requests.RequestException as error:
            raise Unreachable(f"{_host(url)} is unreachable: {_why(error)}; try again later") from error
        if answer.status_code in accept:
            return answer
        if answer.status_code in AWAY:
            raise Unreachable(f"{_host(url)} is unavailable: {_said(answer)}; try again later")
        if answer.status_code >= 300:  # noqa: PLR2004 - anything but success
            raise ApiError(answer.status_code, _said(answer))
        return answer


def _retry(**changes: Any) -> Retry:
    usual: dict[str, Any] = {
        "total": REPEATED, "backoff_factor": 0.5, "backoff_jitter": 0.5, "status_forcelist": AWAY, "allowed_methods": None,
        "raise_on_status": False, "retry_after_max": RETRY_AFTER_MAX,
    }  # fmt: skip
    return Retry(**{**usual, **changes})


def _json(answer: requests.Response) -> Any:
    try:
        return answer.json()
    except ValueError as error:
        raise MediaqError(f"{answer.url} does not answer in JSON: is it the address of the API, such as {EXAMPLE}?") from error


def _said(answer: requests.Response) -> str:
    """Return the error message of our API or of Directus."""
    try:
        body = answer.json()
        if "errors" in body:
            return str(body["errors"][0]["message"])
        return str(body.get("message") or body["error"])
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return f"status {answer.status_code}"


def _host(url: str) -> str:
    return "/".join(url.split("/")[:3])


def _why(error: Exception) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted"
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return "no answer in time"
    return "no connection" if isinstance(error, requests.ConnectionError) else type(error).__name__
