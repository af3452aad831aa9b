"""Downloads and deliveries. Every URL from a caller goes through `Fetcher`.

`addresses.py` decides what may be connected to; `watched_request.py` limits slow servers. Redirects are followed here, under
the same rules, and credentials are sent only to the origin they were meant for.
"""

from __future__ import annotations

import errno
import hashlib
import io
import re
import shutil
import time
from dataclasses import dataclass, field
from functools import partial
from typing import IO, TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from chalicelib.domain.validation import encoded_address
from chalicelib.errors import AttemptFailed, MediaRejected
from workers.network import allowed_addresses
from workers.network.responses import as_utf8, name_of, refused
from workers.network.watched_request import RequestFailed, WatchedRequest

if TYPE_CHECKING:
    import http.client
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from workers.network.allowed_addresses import Endpoint
    from workers.network.authorization import Authorization

REDIRECTS_MAX = 3
RESUMES_MAX = 5
RESUME_SECONDS = 0.5
"""The wait before the first resume; it doubles each time."""
PIECE = 1 << 20
MOVED = (301, 302, 303, 307, 308)
OK, PARTIAL, UNSATISFIABLE = 200, 206, 416
BYTES_MAX = 32 << 30
FORM_SECONDS, FORM_MAX_BYTES = 30.0, 64 << 10
"""Limits of the exchange of a form for an access token."""
CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-\d{1,15}/(\d{1,15}|\*)$")


@dataclass(frozen=True)
class Fetched:
    """The downloaded file: size, SHA-256 in hexadecimal, and the name from the server or the URL."""

    bytes: int
    sha256: str
    name: str
    host: str


@dataclass
class _Part:
    """The bytes received so far, and what a resume needs."""

    target: Path
    max_bytes: int
    arrived: Callable[[int, int | None], None]
    got: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    validator: str = ""
    """The value of `If-Range`: a strong ETag, or the last modification."""
    begun: bool = False
    """Whether any response had a body."""

    def begin(self, answer: http.client.HTTPResponse) -> int | None:
        """Prepare for the body of a response: append if it resumes, else restart. Return the total size, if known."""
        if answer.status == PARTIAL:
            continues = CONTENT_RANGE.match(answer.headers.get("Content-Range", ""))
            if continues is None or int(continues[1]) != self.got or not self.got:
                raise AttemptFailed("The server sent another part of the file than was asked for")
            if continues[2] != "*":
                return int(continues[2])
        else:
            self.restart()
            tag = answer.headers.get("ETag", "")
            self.validator = answer.headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag
        return None if answer.length is None else self.got + answer.length

    def restart(self) -> None:
        self.target.unlink(missing_ok=True)
        self.got, self.digest, self.validator = 0, hashlib.sha256(), ""

    def write(self, pieces: Iterator[bytes], whole: int | None) -> None:
        if whole is not None:
            self._check_size(whole)
            _check_space(self.target, whole - self.got)
        with self.target.open("ab") as file:
            for piece in pieces:
                self._check_size(self.got + len(piece))
                file.write(piece)
                self.digest.update(piece)
                self.got += len(piece)
                self.begun = True
                self.arrived(self.got, whole)
        if whole is not None and self.got < whole:
            raise RequestFailed("The server sent less than it had announced")

    def _check_size(self, size: int) -> None:
        if size > self.max_bytes:
            raise MediaRejected(f"The file is larger than {self.max_bytes} bytes")


class Fetcher:
    """An HTTP client for the public internet. `allow` has further `host:port` pairs that the operator trusts."""

    def __init__(self, allow: frozenset[str] = frozenset()) -> None:
        self._allow = allow

    def download(
        self,
        url: str,
        target: Path,
        *,
        arrived: Callable[[int, int | None], None] = lambda got, whole: None,
        check: Callable[[], None] = lambda: None,
        authorization: Authorization | None = None,
        max_bytes: int = BYTES_MAX,
        seconds: float = 6 * 3600,
        label: str = "input_url",
    ) -> Fetched:
        """Stream `url` into `target`, resuming with Range if the connection breaks.

        `arrived` is called with the bytes so far and in total. `check` is called several times a second from another thread,
        and stops the download by raising. `authorization` applies to the origin of `url` only.

        Raises:
            MediaRejected: the address is not allowed, or the file is missing or too large.
            AttemptFailed: the server is unreachable or too slow, or the connection broke too often.
            RetryLater: the server asks to wait.
        """
        part = _Part(target, max_bytes, arrived)
        deadline = time.monotonic() + seconds
        self._prepare(url, authorization, label)
        for number in range(1, RESUMES_MAX + 2):
            try:
                return self._follow(url, part, authorization, label, check, deadline)
            except RequestFailed:
                if number > RESUMES_MAX or not part.begun:
                    raise
                _pause(RESUME_SECONDS * 2 ** (number - 1), check)
        raise AssertionError  # the last iteration returns or raises

    def put(
        self,
        url: str,
        file: Path,
        *,
        check: Callable[[], None] = lambda: None,
        headers: Mapping[str, str] | None = None,
        authorization: Authorization | None = None,
        seconds: float = 3600,
        label: str = "deliver_url",
    ) -> int:
        """PUT a file to a presigned https URL; return the status.

        Raises:
            MediaRejected: the address is not allowed, or the server rejects the file.
            AttemptFailed: the server is unreachable, too slow, or failed.
            RetryLater: the server asks to wait.
        """
        place = allowed_addresses.split(url, label)
        if place.scheme != "https":
            raise MediaRejected(f"{label} must be an https URL")
        self._prepare(url, authorization, label)
        found = allowed_addresses.resolve(place, self._allow, label)
        place, own = _authorized(place, authorization, "PUT")
        with file.open("rb") as body:
            sent = {"Content-Length": str(file.stat().st_size), **(headers or {}), **own}
            with WatchedRequest(place, found, label=label, check=check, deadline=time.monotonic() + seconds) as exchange:
                answer = exchange.request("PUT", sent, body)
        if 200 <= answer.status < 300:  # noqa: PLR2004 - success
            return answer.status
        raise refused(answer, label)

    def post(self, url: str, body: IO[bytes], length: int, headers: Mapping[str, str], seconds: float, label: str) -> int:
        """POST a small body, follow no redirect, and return the status.

        Raises:
            MediaRejected: the address is not allowed.
            AttemptFailed: the server is unreachable or too slow.
        """
        place = allowed_addresses.split(url, label)
        found = allowed_addresses.resolve(place, self._allow, label)
        sent = {"Content-Length": str(length), **headers}
        deadline = time.monotonic() + seconds
        with WatchedRequest(place, found, label=label, check=lambda: None, deadline=deadline) as exchange:
            return exchange.request("POST", sent, body).status

    def probe(self, url: str, authorization: Authorization, *, seconds: float, label: str) -> int:
        """GET the first byte of `url`, follow no redirect, and return the status.

        Raises:
            MediaRejected: the address is not allowed.
            AttemptFailed: the server is unreachable or too slow.
        """
        deadline = time.monotonic() + seconds
        self._prepare(url, authorization, label, seconds)
        place = allowed_addresses.split(url, label)
        found = allowed_addresses.resolve(place, self._allow, label)
        place, own = _authorized(place, authorization, "GET")
        with WatchedRequest(place, found, label=label, check=lambda: None, deadline=deadline) as exchange:
            return exchange.request("GET", {"Range": "bytes=0-0", **own}).status

    def _prepare(self, url: str, authorization: Authorization | None, label: str, seconds: float = FORM_SECONDS) -> None:
        """Check that a credential may be sent to `url`, and fetch its access token, if it needs one."""
        if authorization is not None:
            authorization.check(allowed_addresses.split(url, label), label)
            authorization.prepare(partial(self._post_form, seconds))

    def _post_form(self, seconds: float, url: str, body: bytes, headers: dict[str, str], label: str) -> tuple[int, bytes]:
        """POST a form, follow no redirect, and return the status and the start of the body."""
        place = allowed_addresses.split(url, label)
        found = allowed_addresses.resolve(place, self._allow, label)
        sent = {"Content-Length": str(len(body)), **headers}
        deadline = time.monotonic() + seconds
        with WatchedRequest(place, found, label=label, check=lambda: None, deadline=deadline) as exchange:
            answer = exchange.request("POST", sent, io.BytesIO(body))
            pieces = b""
            while len(pieces) < FORM_MAX_BYTES and (piece := exchange.read(answer, FORM_MAX_BYTES)):
                pieces += piece
            return answer.status, pieces

    def _follow(
        self,
        url: str,
        part: _Part,
        authorization: Authorization | None,
        label: str,
        check: Callable[[], None],
        deadline: float,
    ) -> Fetched:
        origin = allowed_addresses.split(url, label).origin
        resume = {"Range": f"bytes={part.got}-", "If-Range": part.validator} if part.got and part.validator else {}
        for _ in range(REDIRECTS_MAX + 1):
            place = allowed_addresses.split(url, label)
            found = allowed_addresses.resolve(place, self._allow, label)
            asked, own = _authorized(place, authorization if place.origin == origin else None, "GET")
            with WatchedRequest(asked, found, label=label, check=check, deadline=deadline) as exchange:
                answer = exchange.request("GET", {**resume, **own})
                if answer.status not in MOVED:
                    _save(exchange, answer, part, label)
                    name = name_of(answer.headers.get("Content-Disposition", ""), url)
                    return Fetched(part.got, part.digest.hexdigest(), name, place.host)
                there = urljoin(encoded_address(url), encoded_address(as_utf8(answer.headers.get("Location", ""))))
            if place.scheme == "https" and urlsplit(there).scheme != "https":
                raise MediaRejected(f"{label} redirects from https to another scheme")
            url = there
        raise MediaRejected(f"{label} redirects more than {REDIRECTS_MAX} times")


def _authorized(place: Endpoint, authorization: Authorization | None, method: str) -> tuple[Endpoint, dict[str, str]]:
    """Return where to send a request, and the headers of its credential."""
    if authorization is None:
        return place, {}
    headers, path = authorization.apply(place, method)
    return place._replace(path=path), headers


def write(target: Path, expected: int | None, pieces: Iterator[bytes], arrived: Callable[[int, int | None], None]) -> str:
    """Write the chunks of a Directus file to `target`; `arrived` gets the bytes so far and in total. Return the SHA-256."""
    part = _Part(target, BYTES_MAX, arrived)
    part.write(pieces, expected)
    return part.digest.hexdigest()


def _save(exchange: WatchedRequest, answer: http.client.HTTPResponse, part: _Part, label: str) -> None:
    if answer.status == UNSATISFIABLE and part.got:
        part.restart()
        raise RequestFailed(f"{label} has changed")
    if answer.status not in (OK, PARTIAL):
        raise refused(answer, label)
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise MediaRejected(f"{label} answered with a Content-Encoding that was not asked for")
    whole = part.begin(answer)
    part.write(iter(lambda: exchange.read(answer, PIECE), b""), whole)


def _check_space(target: Path, wanted: int) -> None:
    disk = shutil.disk_usage(target.parent)
    if wanted > disk.total:
        raise MediaRejected(f"The file is larger than this worker's disk: {wanted} bytes")
    if wanted > disk.free:
        raise OSError(errno.ENOSPC, "No space left in the work folder")


def _pause(seconds: float, check: Callable[[], None]) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        check()
        time.sleep(0.1)
