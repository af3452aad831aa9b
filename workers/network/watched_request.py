"""One request to an address that was looked at, under watch: it can be stopped at any moment, whatever the server does.

A server that sends a byte a second keeps every read alive. So a thread watches the clock, the pace and the job, and shuts
the socket when one of them says so; the read that is under way ends at once.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import threading
import time
from functools import cache
from typing import IO, TYPE_CHECKING, Self

import certifi

from chalicelib.errors import AttemptFailed, JobStopped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from workers.network.addresses import Endpoint

CONNECT_SECONDS = 5.0
ADDRESSES_TRIED = 3
SILENCE_SECONDS = 30.0
HEAD_SECONDS = 30.0
"""From the connection to the end of the answer's head."""
PACE_SECONDS, PACE_BYTES = 30.0, 30 * 1024
"""A transfer of less than this in any such time is given up."""
WATCH_SECONDS = 0.25


class RequestFailed(AttemptFailed):
    """The connection broke, or the server did not answer: what has arrived may be worth going on from."""


class WatchedRequest:
    """A context manager: connects, sends a request, and has the answer. `label` names the URL in messages."""

    def __init__(
        self,
        place: Endpoint,
        found: list[str],
        *,
        label: str,
        check: Callable[[], None],
        deadline: float,
    ) -> None:
        self._place = place
        self._label = label
        self._check = check
        self._deadline = deadline
        self._moved = 0
        self._head_due: float | None = None
        self._stopped: JobStopped | None = None
        self._answer: http.client.HTTPResponse | None = None
        self._over = threading.Event()
        raw = self._open(found)
        self._handle = socket.socket(fileno=raw.dup().detach())  # the watcher's: TLS takes `raw` for itself
        self._raw = raw
        self._watcher = threading.Thread(target=self._watch, name="exchange", daemon=True)

    def __enter__(self) -> Self:
        self._head_due = time.monotonic() + HEAD_SECONDS
        self._watcher.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._over.set()
        self._watcher.join()
        for one in (self._answer, self._handle, self._raw):
            if one is not None:
                one.close()

    def request(self, method: str, headers: Mapping[str, str], body: IO[bytes] | None = None) -> http.client.HTTPResponse:
        """Send a request and return the answer, its head read.

        Raises:
            Broken: the server did not answer.
            JobStopped: the watcher stopped it.
        """
        cut = False
        try:
            if self._place.scheme == "https":
                self._raw = _tls().wrap_socket(self._raw, server_hostname=self._place.host)
            connection = http.client.HTTPConnection(self._place.host, self._place.port)
            connection.sock = self._raw
            sent = {"Host": self._place.host_header, "User-Agent": "mediaq", "Accept-Encoding": "identity", **headers}
            if body is not None:
                self._head_due = None  # begins when the body has left
                try:
                    connection.request(method, self._place.path, body=_Counted(body, self._count), headers=sent)
                except ConnectionError:  # it may refuse the body before all of it is sent, and say why
                    cut = True
                self._head_due = time.monotonic() + HEAD_SECONDS
            else:
                connection.request(method, self._place.path, headers=sent)
            answer = self._answer = connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._why(f"{self._label} could not be reached") from error
        self._head_due = None
        if cut and answer.status < 300:  # noqa: PLR2004 - success, of something that never arrived whole
            raise RequestFailed(f"{self._label} broke the connection off before it had everything")
        return answer

    def read(self, answer: http.client.HTTPResponse, most: int) -> bytes:
        """Return what has arrived of the body, up to `most` bytes; nothing at its end.

        Raises:
            Broken: the connection broke off.
            JobStopped: the watcher stopped it.
        """
        try:
            piece = answer.read1(most)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._why(f"{self._label} broke the download off") from error
        if self._stopped is not None:  # the end of the body may be our own doing
            raise self._stopped
        self._count(len(piece))
        return piece

    def _open(self, found: list[str]) -> socket.socket:
        tried = found[:ADDRESSES_TRIED]
        for number, address in enumerate(tried, 1):
            try:
                opened = socket.create_connection((address, self._place.port), timeout=CONNECT_SECONDS)
            except OSError as error:
                self._check()
                if number == len(tried):
                    raise RequestFailed(f"{self._label} could not be reached") from error
                continue
            opened.settimeout(SILENCE_SECONDS)
            return opened
        raise RequestFailed(f"The host of {self._label} has no address")

    def _count(self, moved: int) -> None:
        self._moved += moved

    def _why(self, otherwise: str) -> JobStopped:
        return self._stopped or RequestFailed(otherwise)

    def _watch(self) -> None:
        paced, moved = time.monotonic(), 0
        while not self._over.wait(WATCH_SECONDS):
            now = time.monotonic()
            if self._head_due is not None:
                paced, moved = now, self._moved
            if now - paced > PACE_SECONDS:
                if self._moved - moved < PACE_BYTES:
                    self._stop(AttemptFailed(f"{self._label} is too slow: under {PACE_BYTES >> 10} KiB in {PACE_SECONDS:g} s"))
                paced, moved = now, self._moved
            if self._head_due is not None and now > self._head_due:
                self._stop(AttemptFailed(f"{self._label} did not answer within {HEAD_SECONDS:g} s"))
            if now > self._deadline:
                self._stop(AttemptFailed(f"{self._label} took longer than it may"))
            try:
                self._check()
            except JobStopped as reason:
                self._stop(reason)

    def _stop(self, reason: JobStopped) -> None:
        if self._stopped is None:
            self._stopped = reason
            try:
                self._handle.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it has ended by itself


class _Counted:
    """A request's body that tells how much of it has been read."""

    def __init__(self, body: IO[bytes], count: Callable[[int], None]) -> None:
        self._body = body
        self._count = count

    def read(self, size: int = -1) -> bytes:
        piece = self._body.read(size)
        self._count(len(piece))
        return piece


@cache
def _tls() -> ssl.SSLContext:
    """Verify servers by the certificates of certifi, or by those that SSL_CERT_FILE names on purpose."""
    context = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE") or certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
