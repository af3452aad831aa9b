"""The workers that are alive: each reports itself every ten seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from chalicelib.ledger.ledger import Clock
    from chalicelib.ledger.scripts import Scripts

ALIVE_MS = 30_000
"""A worker that has not reported for so long is dead, frozen between two invocations of a Lambda, or cut off."""


class Heartbeat(msgspec.Struct, kw_only=True):
    """What a worker reports of itself."""

    id: str
    """Host and process, or the log stream of a Lambda."""
    kind: Literal["container", "lambda"]
    pools: list[str]
    """The pools that it serves."""
    host: str
    version: str
    """Of mediaq."""
    started_ms: int
    slots: int
    """How many jobs it runs at a time."""
    jobs: list[str] = []
    """The ids of the records that it works on, without parts of other jobs."""
    memory_bytes: int = 0
    """Resident memory of the worker, without its media processes."""
    last_error: str = ""
    """Of its last job that failed or was released; "": none."""
    last_error_ms: int = 0
    ffmpeg: str = ""
    """The version."""
    missing: dict[str, list[str]] = {}
    """What operations lack of ffmpeg: see `workers.context.programs`."""


class SeenWorker(Heartbeat, kw_only=True):
    """A worker, and when it last reported."""

    seen_ms: int
    now_ms: int

    @property
    def alive(self) -> bool:
        """Whether it reported lately."""
        return self.now_ms - self.seen_ms <= ALIVE_MS

    @property
    def lost(self) -> bool:
        """Whether it stopped without saying so. An idle Lambda is frozen, not lost."""
        return not self.alive and (self.kind == "container" or bool(self.jobs))


class WorkersLedger:
    """The heartbeats. Every method raises `LedgerUnavailable` if Redis is unreachable."""

    def __init__(self, scripts: Scripts, now: Clock | None = None) -> None:
        self._scripts = scripts
        self._now = now

    def beat(self, heartbeat: Heartbeat) -> None:
        """Report a worker."""
        self._call("beat", heartbeat.id, msgspec.json.encode(heartbeat).decode())

    def leave(self, worker: str) -> None:
        """Remove a worker that stops in order."""
        self._call("beat", worker, "")

    def read(self) -> list[SeenWorker]:
        """Return the workers that reported within 15 minutes, the oldest first."""
        now_ms, *flat = self._call("list")
        found = [_seen(text, int(at), int(now_ms)) for text, at in zip(flat[::2], flat[1::2], strict=True)]
        return sorted((one for one in found if one is not None), key=lambda one: (one.started_ms, one.id))

    def _call(self, name: str, *args: str) -> list[str]:
        return self._scripts.call(f"workers/{name}", "" if self._now is None else self._now(), *args)


def _seen(text: str, at_ms: int, now_ms: int) -> SeenWorker | None:
    """Decode a heartbeat; None for one of a release with another format."""
    try:
        return msgspec.convert({**msgspec.json.decode(text), "seen_ms": at_ms, "now_ms": now_ms}, SeenWorker)
    except (msgspec.MsgspecError, TypeError):
        return None
