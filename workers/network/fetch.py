"""Downloads and deliveries. Every URL from a caller goes through `Fetcher`.

`addresses.py` decides what may be connected to; `watched_request.py` limits slow servers. Redirects are followed here, under
the same rules, and credentials are sent only to the origin they were meant for.
"""

from __future__ import annotations

import errno
import hashlib
import re
import shutil
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

from chalicelib.domain.validation import encoded_address
from chalicelib.errors import AttemptFailed, MediaRejected, RetryLater
from workers.network import allowed_addresses
from workers.network.watched_request import RequestFailed, WatchedRequest

if TYPE_CHECKING:
    import http.client
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

REDIRECTS_MAX = 3
RESUMES_MAX = 5
RESUME_SECONDS = 0.5
"""The wait before the first resume; it doubles each time."""
PIECE = 1 << 20
MOVED = (301, 302, 303, 307, 308)
PASSING = (408, 425, 429)
"""4xx statuses that may be temporary."""
PATIENCE = (429, 503)
"""Statuses that may have a Retry-After header."""
RETRY_AFTER_MAX_SECONDS = 3600.0
OK, PARTIAL, UNSATISFIABLE = 200, 206, 416
BYTES_MAX = 32 << 30
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
        headers: Mapping[str, str] | None = None,
        max_bytes: int = BYTES_MAX,
        seconds: float = 6 * 3600,
        label: str = "input_url",
    ) -> Fetched:
        """Stream `url` into `target`, resuming with Range if the connection breaks.

        `arrived` is called with the bytes so far and in total. `check` is called several times a second from another thread,
        and stops the download by raising. `headers` are sent to the origin of `url` only.

        Raises:
            MediaRejected: the address is not allowed, or the file is missing or too large.
            AttemptFailed: the server is unreachable or too slow, or the connection broke too often.
            RetryLater: the server asks to wait.
        """
        part = _Part(target, max_bytes, arrived)
        deadline = time.monotonic() + seconds
        for number in range(1, RESUMES_MAX + 2):
            try:
                return self._follow(url, part, dict(headers or {}), label, check, deadline)
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
        found = allowed_addresses.resolve(place, self._allow, label)
        with file.open("rb") as body:
            sent = {"Content-Length": str(file.stat().st_size), **(headers or {})}
            with WatchedRequest(place, found, label=label, check=check, deadline=time.monotonic() + seconds) as exchange:
                answer = exchange.request("PUT", sent, body)
        if 200 <= answer.status < 300:  # noqa: PLR2004 - success
            return answer.status
        raise _refused(answer, label)

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

    def _follow(
        self,
        url: str,
        part: _Part,
        headers: dict[str, str],
        label: str,
        check: Callable[[], None],
        deadline: float,
    ) -> Fetched:
        origin = allowed_addresses.split(url, label).origin
        if part.got and part.validator:
            headers |= {"Range": f"bytes={part.got}-", "If-Range": part.validator}
        for _ in range(REDIRECTS_MAX + 1):
            place = allowed_addresses.split(url, label)
            kept = (
                headers if place.origin == origin else {name: headers[name] for name in headers.keys() & {"Range", "If-Range"}}
            )
            found = allowed_addresses.resolve(place, self._allow, label)
            with WatchedRequest(place, found, label=label, check=check, deadline=deadline) as exchange:
                answer = exchange.request("GET", kept)
                if answer.status not in MOVED:
                    _save(exchange, answer, part, label)
                    name = _named(answer.headers.get("Content-Disposition", ""), url)
                    return Fetched(part.got, part.digest.hexdigest(), name, place.host)
                there = urljoin(encoded_address(url), encoded_address(_as_utf8(answer.headers.get("Location", ""))))
            if place.scheme == "https" and urlsplit(there).scheme != "https":
                raise MediaRejected(f"{label} redirects from https to another scheme")
            url = there
        raise MediaRejected(f"{label} redirects more than {REDIRECTS_MAX} times")


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
        raise _refused(answer, label)
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise MediaRejected(f"{label} answered with a Content-Encoding that was not asked for")
    whole = part.begin(answer)
    part.write(iter(lambda: exchange.read(answer, PIECE), b""), whole)


def _refused(answer: http.client.HTTPResponse, label: str) -> MediaRejected | AttemptFailed:
    status = answer.status
    text = f"{label} answered with status {status}"
    if status in PATIENCE and (seconds := _retry_after(answer.headers.get("Retry-After", ""))):
        return RetryLater(text, min(seconds, RETRY_AFTER_MAX_SECONDS))
    lasting = 300 <= status < 500 and status not in PASSING  # noqa: PLR2004 - 3xx where none is followed, and 4xx
    return MediaRejected(text) if lasting else AttemptFailed(text)


def _retry_after(text: str) -> float:
    """Parse Retry-After (RFC 9110), seconds or a date; 0 if there is none."""
    if text.strip().isdigit():
        return float(text[:10])
    try:
        then = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    return max(0.0, (then - datetime.now(then.tzinfo or UTC)).total_seconds()) if then.tzinfo else 0.0


def _as_utf8(header: str) -> str:
    """Decode a header as browsers do: http.client decodes it as Latin-1."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header


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


def _named(disposition: str, url: str) -> str:
    """Return the file name, from Content-Disposition (RFC 6266) or from the URL."""
    message = Message()
    message["Content-Disposition"] = disposition[:1000] or "none"
    try:
        name = message.get_filename() or ""
    except (LookupError, UnicodeError, ValueError):
        name = ""
    return PurePosixPath(name.replace("\\", "/")).name or PurePosixPath(unquote(urlsplit(url).path, errors="replace")).name
