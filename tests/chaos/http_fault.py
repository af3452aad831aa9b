"""Faults of an HTTP server."""

from __future__ import annotations

import random
import time

from infra.local.proxies.http import Disconnect, Exchange

LIE_AT = 400
"""The byte of an answer that a lie changes."""


class Fault:
    """What an HTTP proxy does wrong, to a share of the exchanges: refuse, be slow, time out, lie, or lose the answer."""

    def __init__(self, kind: str, share: float, dice: random.Random, only: str = "") -> None:
        """`only`: the start of the paths that are concerned."""
        self.kind = kind
        self._only = only
        self._share = share
        self._dice = dice

    def before(self, exchange: Exchange) -> bool:
        """Act before the server hears of it; True when that was the answer."""
        if not exchange.path.startswith(self._only) or self._dice.random() >= self._share:
            return False
        if self.kind == "cut":
            raise Disconnect
        if self.kind == "timeout":
            time.sleep(12)
            raise Disconnect
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
        if not exchange.path.startswith(self._only) or self._dice.random() >= self._share:
            return
        if self.kind == "lost answer":
            raise Disconnect
        if self.kind == "lie" and exchange.method == "GET" and len(exchange.answer) > LIE_AT:
            exchange.answer = exchange.answer[:LIE_AT] + bytes([exchange.answer[LIE_AT] ^ 1]) + exchange.answer[LIE_AT + 1 :]
