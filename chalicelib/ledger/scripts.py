"""Calls the Lua scripts in `lua/`. Each is one atomic transition, and safe to repeat."""

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
# Errors of a Redis that answers but rejects writes: unavailable, to a caller. redis-py has classes for some codes; the rest,
# and those that Redis 6.2 wraps in a script error, are recognised by their text.
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
    """Return the text of a script, with the shared libraries in front, and its SHA-1."""
    libraries = [FOLDER / "lib.lua", (FOLDER / name).with_name("lib.lua")]
    text = "".join(file.read_text() for file in (*libraries, FOLDER / f"{name}.lua") if file.exists())
    return text, sha1(text.encode(), usedforsecurity=False).hexdigest()


class Scripts:
    """A connection pool to Redis, and the key prefix of mediaq.

    It replaces the pool of redis-py, which checks the socket before every call: a third of the time of a script. Here the call
    itself finds a stale connection, and is repeated once.
    """

    def __init__(self, url: str, prefix: str, password: str = "") -> None:
        self._url = url
        self._password = {"password": password} if password else {}  # else the password in the URL, if any
        self.prefix = prefix
        self._idle: list[Redis] = []

    @cached_property
    def redis(self) -> Redis:
        """A connection for plain commands."""
        return self._connect()

    def call(self, name: str, *args: str | float) -> list[Any]:
        """Run script `name`, such as "jobs/claim", and return its answer. If the answer is lost, call once more.

        Raises:
            LedgerUnavailable: Redis is unreachable, or rejects writes.
        """
        try:
            connection = self._take()
            try:
                return self._run(connection, name, (self.prefix,), args)
            except (redis.ConnectionError, redis.TimeoutError):
                return self._run(connection, name, (self.prefix, self.prefix), args)
            finally:
                self._idle.append(connection)  # a broken one reconnects when it is used
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise LedgerUnavailable from error
        except redis.ResponseError as error:
            if isinstance(error, UNWRITABLE) or UNWRITABLE_TEXT.search(str(error)):
                self._close_idle()
                raise LedgerUnavailable("Redis does not accept writes") from error
            raise

    def _close_idle(self) -> None:
        """Close idle connections, so that a failover is followed to the new primary."""
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
