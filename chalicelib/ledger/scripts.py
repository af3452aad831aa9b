"""Calls the Lua scripts of `lua/`. Each is one transition, atomic, and harmless when it is repeated."""

from __future__ import annotations

import re
from functools import cache, cached_property
from hashlib import sha1
from pathlib import Path
from typing import Any

import redis
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from chalicelib.errors import LedgerUnavailable

FOLDER = Path(__file__).with_name("lua")
# A server that answers, but will not write: to a caller it is away. redis-py knows some codes by class; the rest, and
# those that 6.2 hides inside a script's error, are known by their text.
UNWRITABLE = (
    redis.exceptions.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.MasterDownError,
    redis.exceptions.ClusterDownError,
)
UNWRITABLE_TEXT = re.compile(r"(?:^|-)(?:BUSY|OOM|READONLY|MISCONF|NOREPLICAS|LOADING|MASTERDOWN|CLUSTERDOWN)\b")
CONNECT_SECONDS = 2
ANSWER_SECONDS = 5


@cache
def source(name: str) -> tuple[str, str]:
    """Return a script's text, the shared part in front, and its SHA-1."""
    text = (FOLDER / "lib.lua").read_text() + (FOLDER / f"{name}.lua").read_text()
    return text, sha1(text.encode(), usedforsecurity=False).hexdigest()


class Scripts:
    """A Redis server and the prefix under which mediaq lives there.

    Connections are kept here and not in redis-py's pool, which asks the kernel for news of a connection before every call:
    a third of the time that a script takes. A connection that went stale is found out by the call, which is made once more.
    """

    def __init__(self, url: str, prefix: str, password: str = "") -> None:
        self._url = url
        self._password = {"password": password} if password else {}  # else that of the URL, if any
        self.prefix = prefix
        self._idle: list[Redis] = []

    @cached_property
    def redis(self) -> Redis:
        """A connection for what is no script."""
        return self._connect()

    def call(self, name: str, *args: str | float) -> list[Any]:
        """Run script `name` and return its answer. A call whose answer was lost is made once more.

        Raises:
            LedgerUnavailable: Redis is away, or will not write.
        """
        try:
            connection = self._take()
            try:
                return self._run(connection, name, (self.prefix,), args)
            except (redis.ConnectionError, redis.TimeoutError):
                return self._run(connection, name, (self.prefix, self.prefix), args)
            finally:
                self._idle.append(connection)  # one that broke connects anew when it is used
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise LedgerUnavailable from error
        except redis.ResponseError as error:
            if isinstance(error, UNWRITABLE) or UNWRITABLE_TEXT.search(str(error)):
                self._close_idle()
                raise LedgerUnavailable("Redis does not accept writes") from error
            raise

    def _close_idle(self) -> None:
        """Close what is idle: after a failover, the new primary is to be found."""
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> Redis:
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def _run(self, connection: Redis, name: str, keys: tuple[str, ...], args: tuple[str | float, ...]) -> list[Any]:
        text, sha = source(name)
        try:
            answer = connection.evalsha(sha, len(keys), *keys, *args)
        except redis.exceptions.NoScriptError:
            answer = connection.eval(text, len(keys), *keys, *args)
        return list(answer)

    def _connect(self) -> Redis:
        return Redis.from_url(
            self._url,
            **self._password,
            single_connection_client=True,
            decode_responses=True,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
