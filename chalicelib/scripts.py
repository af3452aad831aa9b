"""Calls the Lua scripts of `lua/`. Each is one transition, atomic, and harmless when it is repeated."""

from __future__ import annotations

import re
from functools import cache
from hashlib import sha1
from pathlib import Path
from typing import Any

import redis
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
    """A Redis server and the prefix under which mediaq lives there."""

    def __init__(self, url: str, prefix: str) -> None:
        self.redis = redis.Redis.from_url(
            url,
            decode_responses=True,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 1),  # a connection that went stale between two calls
        )
        self.prefix = prefix

    def call(self, name: str, *args: str | float) -> list[Any]:
        """Run script `name` and return its answer.

        Raises:
            LedgerUnavailable: Redis is away, or will not write.
        """
        text, sha = source(name)
        try:
            try:
                answer = self.redis.evalsha(sha, 1, self.prefix, *args)
            except redis.exceptions.NoScriptError:
                answer = self.redis.eval(text, 1, self.prefix, *args)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise LedgerUnavailable from error
        except redis.ResponseError as error:
            if isinstance(error, UNWRITABLE) or UNWRITABLE_TEXT.search(str(error)):
                self.redis.connection_pool.disconnect(inuse_connections=False)  # after a failover: find the new primary
                raise LedgerUnavailable("Redis does not accept writes") from error
            raise
        return list(answer)
