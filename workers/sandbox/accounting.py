"""Counts what a run uses: the processor time and the memory of its processes, as the kernel reports them when they end."""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import resource
    from collections.abc import Iterator


class Meter:
    """The use of one run: of the processes that its thread starts, of the thread, and of other workers for its parts."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._thread_started = time.thread_time()
        self._processes_seconds = 0.0
        self._others_cpu_seconds = 0.0
        self._others_seconds = 0.0
        self.peak_bytes = 0
        """The memory of the largest process."""

    @property
    def seconds(self) -> float:
        """How long workers were busy: this one since the beginning, and others with parts."""
        return time.monotonic() - self._started + self._others_seconds

    @property
    def cpu_seconds(self) -> float:
        """User and system time. Call it in the thread of the run."""
        return self._processes_seconds + time.thread_time() - self._thread_started + self._others_cpu_seconds

    def add_process(self, usage: resource.struct_rusage) -> None:
        """Count a process that ended."""
        self._processes_seconds += usage.ru_utime + usage.ru_stime
        self.peak_bytes = max(self.peak_bytes, usage.ru_maxrss * 1024)

    def add_others(self, seconds: float, cpu_seconds: float) -> None:
        """Count the work of other workers."""
        self._others_seconds += seconds
        self._others_cpu_seconds += cpu_seconds


_CURRENT: ContextVar[Meter | None] = ContextVar("meter", default=None)


@contextmanager
def metered() -> Iterator[Meter]:
    """Count what this thread does in the block."""
    meter = Meter()
    before = _CURRENT.set(meter)
    try:
        yield meter
    finally:
        _CURRENT.reset(before)


def current() -> Meter:
    """Return the meter of the run of this thread; one that nobody reads outside of a run."""
    return _CURRENT.get() or Meter()
