"""Benchmarks: every figure in the README comes from them. `python -m bench --help`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Figures = dict[str, Any]
"""Names of figures, their unit in the name, to numbers or to one more level of names."""


def timed(call: Callable[[], object], times: int = 1) -> float:
    """Return the seconds that a call takes, on average of `times`."""
    started = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - started) / times
