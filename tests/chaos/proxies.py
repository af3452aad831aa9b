"""What stands between two processes: passes everything on, and misbehaves when it is told to. Nothing in mediaq knows of it."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import re
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from infra.local.process import LOOPBACK, pick_port

PIECE = 1 << 16


class TcpProxy:
    """Carries bytes to a port. `mode`: pass; cut (no connection); swallow (half open: nothing arrives); deaf (no answers)."""

    def __init__(self, target: int) -> None:
        self.port = pick_port()
        self.mode = "pass"
        self.watches: list[Watch] = []
        self._target = target
        self._open: set[socket.socket] = set()
        self._server = socket.create_server((LOOPBACK, self.port), backlog=128)
        threading.Thread(target=self._accept, daemon=True).start()

    def set_mode(self, mode: str) -> None:
        """Change how it behaves; connections that are cut do not come back."""
        self.mode = mode
        if mode == "cut":
            self.hang_up()

    def hang_up(self) -> None:
        """Close every connection."""
        for one in list(self._open):
            _close(one)

    def close(self) -> None:
        """Stop."""
        _close(self._server)
        self.hang_up()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            if self.mode == "cut":
                _close(client)
                continue
            try:
                server = socket.create_connection((LOOPBACK, self._target), timeout=2)
            except OSError:
                _close(client)
                continue
            server.settimeout(None)
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open |= {client, server}
            threading.Thread(target=self._carry, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._carry, args=(server, client, False), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, asking: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(PIECE):
                if self.mode == "swallow" or (self.mode == "deaf" and not asking):
                    continue
                watches = [watch for watch in self.watches if asking and watch.matches(data)]
                for watch in watches:
                    watch.before()
                sink.sendall(data)
                for watch in watches:
                    watch.after()
        for one in (source, sink):
            _close(one)
            self._open.discard(one)


class Watch:
    """Does something, once, when it sees a text pass: just before it is passed on, or just after."""

    def __init__(self, text: bytes, act: Callable[[], object], *, after: bool) -> None:
        self._text = text
        self._act = act
        self._after = after
        self._armed = True
        self._lock = threading.Lock()

    def matches(self, data: bytes) -> bool:
        """Say whether this is it."""
        with self._lock:
            if not self._armed or self._text not in data:
                return False
            self._armed = False
            return True

    def before(self) -> None:
        """The text is about to be passed on."""
        if not self._after:
            self._act()

    def after(self) -> None:
        """It was passed on."""
        if self._after:
            self._act()


@dataclass
class Exchange:
    """One request through an HTTP proxy, and its answer once there is one."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    status: int = 0
    answer: bytes = b""
    answer_headers: list[tuple[str, str]] | None = None

    @property
    def json(self) -> Any:
        """The body of the request."""
        return json.loads(self.body or b"null")

    @property
    def answer_json(self) -> Any:
        """The body of the answer."""
        return json.loads(self.answer or b"null")


class HangUp(Exception):
    """Raised by a fault: the connection ends without an answer."""


class HttpProxy:
    """Carries HTTP to a port. `fault` sees each exchange before and after, and may answer itself, wait, or hang up."""

    def __init__(self, target: int, record: Callable[[Exchange], None] = lambda exchange: None) -> None:
        self.port = pick_port()
        self.fault: Fault | None = None
        self.watches: list[Watch] = []
        self.record = record
        self.target = target
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                with contextlib.suppress(OSError, HangUp, http.client.HTTPException):
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
        for watch in watches:
            watch.before()
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
        """Ask the server, and keep its answer."""
        connection = http.client.HTTPConnection(LOOPBACK, self.target, timeout=60)
        try:
            headers = {**exchange.headers, "Connection": "close"}
            connection.request(exchange.method, exchange.path, exchange.body, headers)
            answer = connection.getresponse()
            exchange.status, exchange.answer_headers, exchange.answer = answer.status, answer.getheaders(), answer.read()
        except OSError as error:
            raise HangUp from error
        finally:
            connection.close()


class SqsProxy(HttpProxy):
    """Delivers as AWS does: any of the messages, a returned one anywhere, some twice."""

    def __init__(self, target: int, dice: random.Random, duplicates: float) -> None:
        super().__init__(target)
        self._dice = dice
        self._duplicates = duplicates

    def forward(self, exchange: Exchange) -> None:
        """Shuffle what is received, and send some messages twice."""
        action = exchange.headers.get("X-Amz-Target", "").rpartition(".")[2]
        if action != "ReceiveMessage":
            super().forward(exchange)
            if action == "SendMessage" and exchange.status == 200 and self._dice.random() < self._duplicates:
                self._call(exchange, "SendMessage", exchange.json)
            return
        asked = exchange.json
        most = asked.get("MaxNumberOfMessages", 1)
        exchange.body = json.dumps({**asked, "MaxNumberOfMessages": 10}).encode()
        exchange.headers = {**exchange.headers, "Content-Length": str(len(exchange.body))}
        super().forward(exchange)
        found = (exchange.answer_json or {}).get("Messages") or []
        if exchange.status != 200 or len(found) < 2:
            return
        self._dice.shuffle(found)
        for one in found[most:]:
            back = {"QueueUrl": asked["QueueUrl"], "ReceiptHandle": one["ReceiptHandle"], "VisibilityTimeout": 0}
            self._call(exchange, "ChangeMessageVisibility", back)
        exchange.answer = json.dumps({"Messages": found[:most]}).encode()

    def _call(self, like: Exchange, action: str, arguments: Any) -> None:
        body = json.dumps(arguments).encode()
        headers = {**like.headers, "X-Amz-Target": f"AmazonSQS.{action}", "Content-Length": str(len(body))}
        with contextlib.suppress(HangUp):
            super().forward(Exchange("POST", like.path, headers, body))


class Fault:
    """What an HTTP proxy does wrong, to a share of the exchanges: refuse, be slow, time out, or lose the answer."""

    def __init__(self, kind: str, share: float, dice: random.Random) -> None:
        self.kind = kind
        self._share = share
        self._dice = dice

    def before(self, exchange: Exchange) -> bool:
        """Act before the server hears of it; True when that was the answer."""
        if self._dice.random() >= self._share:
            return False
        if self.kind == "cut":
            raise HangUp
        if self.kind == "timeout":
            time.sleep(12)
            raise HangUp
        if self.kind == "slow":
            time.sleep(self._dice.uniform(0.2, 2))
        if self.kind.isdigit():
            exchange.status, exchange.answer_headers = int(self.kind), [("Content-Type", "application/json")]
            exchange.answer = (
                b'{"errors":[{"message":"Out of order","extensions":{"code":"INTERNAL"}}],"__type":"InternalError"}'
            )
            return True
        return False

    def after(self, exchange: Exchange) -> None:
        """Act once the server has done what it was asked."""
        if self.kind == "lost answer" and self._dice.random() < self._share:
            raise HangUp


def title_of(body: bytes) -> str:
    """Return the title in the form of an upload."""
    found = re.search(rb'name="title"\r\n(?:.*\r\n)*?\r\n(.*?)\r\n', body)
    return found[1].decode() if found else ""


def _close(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
