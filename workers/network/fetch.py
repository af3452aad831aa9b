"""The one way out: every address that a caller gave goes through `Fetcher`, downloads and deliveries alike.

See `addresses.py` for what may be connected to, and `exchange.py` for how a server is kept from holding us up. Redirects
are followed by hand, under the same rules, and credentials stay with the origin that they were meant for.
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
from workers.network import addresses
from workers.network.watched_request import RequestFailed, WatchedRequest

if TYPE_CHECKING:
    import http.client
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

REDIRECTS_MAX = 3
RESUMES_MAX = 5
RESUME_SECONDS = 0.5
"""Before the first; each further one waits twice as long."""
PIECE = 1 << 20
MOVED = (301, 302, 303, 307, 308)
PASSING = (408, 425, 429)
"""Answers of 4xx that another attempt may not get."""
PATIENCE = (429, 503)
"""Answers that may say how long to wait."""
RETRY_AFTER_MAX_SECONDS = 3600.0
OK, PARTIAL, UNSATISFIABLE = 200, 206, 416
BYTES_MAX = 32 << 30
CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-\d{1,15}/(\d{1,15}|\*)$")


@dataclass(frozen=True)
class Fetched:
    """What came: its size, its SHA-256 in hexadecimal, and the name that the server or the address gives it."""

    bytes: int
    sha256: str
    name: str
    host: str


@dataclass
class _Part:
    """What has arrived so far, and what going on from there takes."""

    target: Path
    max_bytes: int
    arrived: Callable[[int, int | None], None]
    got: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    validator: str = ""
    """What `If-Range` says: a strong ETag, or the date of the last change."""
    begun: bool = False
    """Whether anything has ever arrived."""

    def begin(self, answer: http.client.HTTPResponse) -> int | None:
        """Make ready for an answer's body: go on if it continues, else start anew. Return the whole length if it is known."""
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
    """Talks to the public internet. `allow` names further `host:port` pairs that the operator trusts."""

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
        """Stream `url` into `target`, going on with Range where a connection breaks.

        `arrived` is told the bytes so far and in all; `check` is called several times a second, from another thread, and stops
        the download by raising. `headers` go to the origin of `url` and to no other.

        Raises:
            MediaRejected: the address is not allowed, has no such file, or one that is too large.
            AttemptFailed: the server is unreachable, too slow, or broke off too often.
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
        raise AssertionError  # the last round returns or raises

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
        """Send a file to a presigned https address with PUT; return the status.

        Raises:
            MediaRejected: the address is not allowed, or refuses the file.
            AttemptFailed: the server is unreachable, too slow, or failed.
            RetryLater: the server asks to wait.
        """
        place = addresses.split(url, label)
        if place.scheme != "https":
            raise MediaRejected(f"{label} must be an https URL")
        found = addresses.resolve(place, self._allow, label)
        with file.open("rb") as body:
            sent = {"Content-Length": str(file.stat().st_size), **(headers or {})}
            with WatchedRequest(place, found, label=label, check=check, deadline=time.monotonic() + seconds) as exchange:
                answer = exchange.request("PUT", sent, body)
        if 200 <= answer.status < 300:  # noqa: PLR2004 - success
            return answer.status
        raise _refused(answer, label)

    def post(self, url: str, body: IO[bytes], length: int, headers: Mapping[str, str], seconds: float, label: str) -> int:
        """Send a small body with POST, follow no redirect, and return the status.

        Raises:
            MediaRejected: the address is not allowed.
            AttemptFailed: the server is away or too slow.
        """
        place = addresses.split(url, label)
        found = addresses.resolve(place, self._allow, label)
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
        origin = addresses.split(url, label).origin
        if part.got and part.validator:
            headers |= {"Range": f"bytes={part.got}-", "If-Range": part.validator}
        for _ in range(REDIRECTS_MAX + 1):
            place = addresses.split(url, label)
            kept = (
                headers if place.origin == origin else {name: headers[name] for name in headers.keys() & {"Range", "If-Range"}}
            )
            found = addresses.resolve(place, self._allow, label)
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
    """Write `pieces` of a file of Directus to `target`, telling `arrived` the bytes so far and in all; return its SHA-256."""
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
    """Read Retry-After (RFC 9110), seconds or a date; 0 when it asks for nothing."""
    if text.strip().isdigit():
        return float(text[:10])
    try:
        then = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    return max(0.0, (then - datetime.now(then.tzinfo or UTC)).total_seconds()) if then.tzinfo else 0.0


def _as_utf8(header: str) -> str:
    """Read a header that http.client took for Latin-1 as browsers do."""
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
    """Return the file's name by RFC 6266, else by the address."""
    message = Message()
    message["Content-Disposition"] = disposition[:1000] or "none"
    try:
        name = message.get_filename() or ""
    except (LookupError, UnicodeError, ValueError):
        name = ""
    return PurePosixPath(name.replace("\\", "/")).name or PurePosixPath(unquote(urlsplit(url).path, errors="replace")).name
