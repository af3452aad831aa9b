"""Saves and restores keys of Redis, like a failover to an older replica."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import redis

if TYPE_CHECKING:
    from tests.conftest import LossyScripts


def dump(scripts: LossyScripts, key: str) -> Any:
    raw = _raw(scripts)
    return raw.dump(key), max(0, raw.pttl(key))


def restore(scripts: LossyScripts, key: str, value: Any) -> None:
    _raw(scripts).restore(key, value[1], value[0], replace=True)


@cache
def _raw(scripts: LossyScripts) -> Any:
    """A connection that leaves bytes alone."""
    known = scripts.redis.connection_pool.connection_kwargs
    return redis.Redis(host=known["host"], port=known["port"], db=known["db"], password=known["password"])
