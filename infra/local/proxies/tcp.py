"""A TCP proxy, for Redis."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

from infra.local.process import LOOPBACK, pick_port

if TYPE_CHECKING:
    from infra.local.proxies.watch import Watch

PIECE = 1 << 16


class TcpProxy:
    """Forwards bytes to a port. `mode`: pass; cut (no connection); swallow (half open: nothing arrives); deaf (no answers)."""

    def __init__(self, target: int) -> None:
        self.port = pick_port()
        self.mode = "pass"
        self.watches: list[Watch] = []
        self._target = target
        self._open: set[socket.socket] = set()
        self._server = socket.create_server((LOOPBACK, self.port), backlog=128)
        threading.Thread(target=self._accept, daemon=True).start()

    def set_mode(self, mode: str) -> None:
        """Change the mode. Cut connections are not restored."""
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
                if any(watch.instead() for watch in watches):
                    break
                sink.sendall(data)
                for watch in watches:
                    watch.after()
        for one in (source, sink):
            _close(one)
            self._open.discard(one)


def _close(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
