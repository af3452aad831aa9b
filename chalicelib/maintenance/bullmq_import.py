"""Imports the waiting jobs of the BullMQ server: `python -m chalicelib drain-bullmq`.

A job is first set aside, in a key of the old queue, so that no old worker takes it; then it is enqueued for the owner of its
record; then it is deleted from the old queue. The command can be interrupted and repeated at any point: a job that is imported
twice is one job. A job that cannot be enqueued stays set aside for an operator, and the next run tries it again.

The layout is that of BullMQ 5 and 6: lists `wait`, `paused` and `active`, sorted sets `prioritized` and `delayed`, a hash for
each job.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import redis

from chalicelib.access.auth import ON_BEHALF
from chalicelib.domain.jobs import DEFAULT_PRIORITY
from chalicelib.errors import ApiError, Conflict, LedgerUnavailable, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.usecases.enqueue import Enqueuer

SET_ASIDE = "mediaq-moving"
"""A hash: the id of a job that is being imported -> its due time (ms since 1970); 0: now."""
DELAY_SHIFT = 12
"""The score of a delayed job is its due time in ms, shifted to make room for a counter."""
PRIORITY_MAX = 100


class Moved(NamedTuple):
    """The result for one job of the old queue."""

    id: str
    job_id: str
    refusal: str
    """Why it was not enqueued and is still there; empty if it was enqueued."""


class OldQueue:
    """A BullMQ queue. Every method raises `LedgerUnavailable` if its Redis is unreachable."""

    def __init__(self, url: str, name: str, prefix: str = "bull") -> None:
        self._redis = redis.Redis.from_url(url, decode_responses=True, socket_connect_timeout=3, socket_timeout=10)
        self._key = f"{prefix}:{name}"

    def count_active(self) -> int:
        """Return the number of active jobs."""
        return int(self._call("llen", f"{self._key}:active"))

    def ids(self, *, active: bool = False) -> list[str]:
        """Return the waiting jobs in the order in which BullMQ would run them. `active`: include jobs of dead workers."""
        found = list(self._call("hkeys", f"{self._key}:{SET_ASIDE}"))
        lists = ("active", "wait", "paused") if active else ("wait", "paused")
        for name in lists:
            found += reversed(self._call("lrange", f"{self._key}:{name}", 0, -1))
        for name in ("prioritized", "delayed"):
            found += self._call("zrange", f"{self._key}:{name}", 0, -1)
        return [id_ for id_ in dict.fromkeys(found) if not id_.startswith("0:")]  # 0:... is a marker of BullMQ and not a job

    def move(self, id_: str, enqueuer: Enqueuer, *, active: bool = False) -> Moved | None:
        """Import one job; None if an old worker took it first.

        Raises:
            Unavailable: a dependency is unreachable; the job stays set aside for the next run.
        """
        if not self._put_aside(id_, active=active):
            return None
        request = self._request(id_)
        job_id = str(request.get("jobId", ""))
        try:
            enqueuer.enqueue(request, ON_BEHALF)
        except Unavailable:
            raise
        except Conflict:  # its record is completed: nothing to run
            pass
        except ApiError as error:
            return Moved(id_, job_id, str(error))
        self._forget(id_)
        return Moved(id_, job_id, "")

    def move_all(self, enqueuer: Enqueuer, *, active: bool = False) -> Iterator[Moved]:
        """Import every waiting job."""
        for id_ in self.ids(active=active):
            moved = self.move(id_, enqueuer, active=active)
            if moved is not None:
                yield moved

    def _request(self, id_: str) -> dict[str, Any]:
        """Return the job as a body of `POST /queue/media`."""
        raw: dict[str, str] = self._call("hgetall", f"{self._key}:{id_}")
        try:
            data = json.loads(raw.get("data", "{}"))
        except ValueError:
            data = {}
        priority = int(raw["priority"]) if raw.get("priority", "").isdigit() else 0
        due = int(self._call("hget", f"{self._key}:{SET_ASIDE}", id_) or 0)
        delay = max(0, due - int(time.time() * 1000))
        names = ("jobId", "operation", "input_file_id", "input_url", "params", "creator_profile_id")
        asked = {name: data[name] for name in names if name in data} if isinstance(data, dict) else {}
        return {**asked, "priority": min(priority, PRIORITY_MAX) or DEFAULT_PRIORITY, "delay": delay}

    def _put_aside(self, id_: str, *, active: bool) -> bool:
        """Remove the job from the queue of the old workers, in one step; False if it is in none of the sets."""
        score = self._call("zscore", f"{self._key}:delayed", id_)
        with self._redis.pipeline(transaction=True) as step:
            for name in ("wait", "paused", *(("active",) if active else ())):
                step.lrem(f"{self._key}:{name}", 0, id_)
            for name in ("prioritized", "delayed"):
                step.zrem(f"{self._key}:{name}", id_)
            step.hsetnx(f"{self._key}:{SET_ASIDE}", id_, int(score or 0) >> DELAY_SHIFT)
            try:
                *removed, new = step.execute()
            except redis.RedisError as error:
                raise LedgerUnavailable("The old queue's Redis does not answer") from error
        if not any(removed) and new:
            self._call("hdel", f"{self._key}:{SET_ASIDE}", id_)
            return False
        return True

    def _forget(self, id_: str) -> None:
        self._call("delete", f"{self._key}:{id_}")
        self._call("hdel", f"{self._key}:{SET_ASIDE}", id_)

    def _call(self, command: str, *args: Any) -> Any:
        try:
            return getattr(self._redis, command)(*args)
        except redis.RedisError as error:
            raise LedgerUnavailable("The old queue's Redis does not answer") from error
