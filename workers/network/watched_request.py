"""One HTTP request to a checked address, which can be stopped at any moment, whatever the server does.

A server that sends one byte a second keeps every read alive. So a second thread watches the time, the rate and the job, and
shuts the socket down to stop; a pending read then ends at once.
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

    from workers.network.allowed_addresses import Endpoint

CONNECT_SECONDS = 5.0
ADDRESSES_TRIED = 3
SILENCE_SECONDS = 30.0
HEAD_SECONDS = 30.0
"""From the connection to the end of the response headers."""
PACE_SECONDS, PACE_BYTES = 30.0, 30 * 1024
"""The minimum rate: a transfer of less than this in any such period is aborted."""
WATCH_SECONDS = 0.25


class RequestFailed(AttemptFailed):
    """The connection broke or the server did not answer; the download may be resumed."""


class WatchedRequest:
    """A context manager: connects, sends a request, reads the response. `label` names the URL in errors."""

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
        self._handle = socket.socket(fileno=raw.dup().detach())  # for the watcher, since TLS takes over `raw`
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
        """Send a request and return the response after its headers.

        Raises:
            RequestFailed: the server did not answer.
            JobStopped: the watcher stopped the request.
        """
        cut = False
        try:
            if self._place.scheme == "https":
                self._raw = _tls().wrap_socket(self._raw, server_hostname=self._place.host)
            connection = http.client.HTTPConnection(self._place.host, self._place.port)
            connection.sock = self._raw
            sent = {"Host": self._place.host_header, "User-Agent": "mediaq", "Accept-Encoding": "identity", **headers}
            if body is not None:
                self._head_due = None  # starts when the body is sent
                try:
                    connection.request(method, self._place.path, body=_Counted(body, self._count), headers=sent)
                except ConnectionError:  # a server may reject the body before it is all sent
                    cut = True
                self._head_due = time.monotonic() + HEAD_SECONDS
            else:
                connection.request(method, self._place.path, headers=sent)
            answer = self._answer = connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._why(f"{self._label} could not be reached") from error
        self._head_due = None
        if cut and answer.status < 300:  # noqa: PLR2004 - success, of something that never arrived whole
            raise RequestFailed(f"{self._label} closed the connection before it had received everything")
        return answer

    def read(self, answer: http.client.HTTPResponse, most: int) -> bytes:
        """Return up to `most` bytes of the body; empty at its end.

        Raises:
            RequestFailed: the connection broke.
            JobStopped: the watcher stopped the request.
        """
        try:
            piece = answer.read1(most)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._why(f"{self._label} closed the connection too early") from error
        if self._stopped is not None:  # our own shutdown looks like the end of the body
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
                return  # the request has ended


class _Counted:
    """A request body that counts the bytes read."""

    def __init__(self, body: IO[bytes], count: Callable[[int], None]) -> None:
        self._body = body
        self._count = count

    def read(self, size: int = -1) -> bytes:
        piece = self._body.read(size)
        self._count(len(piece))
        return piece


@cache
def _tls() -> ssl.SSLContext:
    """Verify certificates with certifi, or with those that SSL_CERT_FILE names."""
    context = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE") or certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
