"""An HTTP proxy for Directus, and one that makes the SQS emulator behave like SQS at its worst."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Protocol

from infra.local.process import LOOPBACK, pick_port

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from infra.local.proxies.watch import Watch


@dataclass
class Exchange:
    """One request through the proxy, and its response once there is one."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    status: int = 0
    answer: bytes = b""
    answer_headers: list[tuple[str, str]] | None = None

    @property
    def json(self) -> Any:
        """The request body as JSON."""
        return json.loads(self.body or b"null")

    @property
    def answer_json(self) -> Any:
        """The response body as JSON."""
        return json.loads(self.answer or b"null")


class Disconnect(Exception):
    """Raised by a fault: close the connection without an answer."""


class HttpProxy:
    """Forwards HTTP to a port. `fault` sees each exchange before and after, and may answer, wait, or disconnect."""

    def __init__(self, target: int, record: Callable[[Exchange], None] = lambda exchange: None) -> None:
        self.port = pick_port()
        self.fault: FaultInjector | None = None
        self.watches: list[Watch] = []
        self.record = record
        self.target = target
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # headers and body of a response are two writes

            def handle_one_request(self) -> None:
                with contextlib.suppress(OSError, Disconnect, http.client.HTTPException):
                    super().handle_one_request()
                    return
                self.close_connection = True

            def __getattr__(self, name: str) -> Any:
                if name.startswith("do_"):
                    return lambda: proxy._serve(self)
                raise AttributeError(name)

            def log_message(self, *_: object) -> None:
                return

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_: object) -> None:
                return

        self._server = Server((LOOPBACK, self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length)
        exchange = Exchange(handler.command, handler.path, dict(handler.headers.items()), body)
        watches = [watch for watch in self.watches if watch.matches(self.signature(exchange))]
        fault = self.fault
        if any(watch.instead() for watch in watches):
            raise Disconnect
        if fault is None or not fault.before(exchange):
            self.forward(exchange)
            self.record(exchange)
            for watch in watches:
                watch.after()
            if fault is not None:
                fault.after(exchange)
        handler.send_response_only(exchange.status)
        for name, value in exchange.answer_headers or []:
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                handler.send_header(name, value)
        if exchange.status not in (204, 304):
            handler.send_header("Content-Length", str(len(exchange.answer)))
        handler.end_headers()
        handler.wfile.write(exchange.answer)

    @staticmethod
    def signature(exchange: Exchange) -> bytes:
        """What watches look at."""
        target = exchange.headers.get("X-Amz-Target", "")
        return f"{exchange.method} {exchange.path} {target} ".encode() + exchange.body[:2000]

    def forward(self, exchange: Exchange) -> None:
        """Forward the request, and keep the response."""
        connection = http.client.HTTPConnection(LOOPBACK, self.target, timeout=60)
        try:
            headers = {**exchange.headers, "Connection": "close"}
            connection.request(exchange.method, exchange.path, exchange.body, headers)
            answer = connection.getresponse()
            exchange.status, exchange.answer_headers, exchange.answer = answer.status, answer.getheaders(), answer.read()
        except OSError as error:
            raise Disconnect from error
        finally:
            connection.close()


class SqsProxy(HttpProxy):
    """Delivers like SQS: any of the messages, in any order, some twice."""

    def __init__(self, target: int, dice: random.Random, duplicates: float) -> None:
        super().__init__(target)
        self._dice = dice
        self._duplicates = duplicates

    def forward(self, exchange: Exchange) -> None:
        """Shuffle received messages, and deliver some twice."""
        action = exchange.headers.get("X-Amz-Target", "").rpartition(".")[2]
        if action != "ReceiveMessage":
            super().forward(exchange)
            if action == "SendMessage" and exchange.status == HTTPStatus.OK and self._dice.random() < self._duplicates:
                self._call(exchange, "SendMessage", exchange.json)
            return
        asked = exchange.json
        most = asked.get("MaxNumberOfMessages", 1)
        exchange.body = json.dumps({**asked, "MaxNumberOfMessages": 10}).encode()
        exchange.headers = {**exchange.headers, "Content-Length": str(len(exchange.body))}
        super().forward(exchange)
        found = (exchange.answer_json or {}).get("Messages") or []
        if exchange.status != HTTPStatus.OK:
            return
        self._dice.shuffle(found)
        for one in found[most:]:
            back = {"QueueUrl": asked["QueueUrl"], "ReceiptHandle": one["ReceiptHandle"], "VisibilityTimeout": 0}
            self._call(exchange, "ChangeMessageVisibility", back)
        exchange.answer = json.dumps({"Messages": found[:most]}).encode()

    def _call(self, like: Exchange, action: str, arguments: Any) -> None:
        body = json.dumps(arguments).encode()
        headers = {**like.headers, "X-Amz-Target": f"AmazonSQS.{action}", "Content-Length": str(len(body))}
        with contextlib.suppress(Disconnect):
            super().forward(Exchange("POST", like.path, headers, body))


class FaultInjector(Protocol):
    """A fault that a proxy injects."""

    def before(self, exchange: Exchange) -> bool:
        """Act before the server receives the request; True: the proxy has answered."""

    def after(self, exchange: Exchange) -> None:
        """Act after the server has handled the request."""
