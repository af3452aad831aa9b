"""Benchmarks: every figure in the README comes from them. `python -m bench --help`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Figures = dict[str, Any]
"""Figure names, with the unit in the name, to numbers or to one more level of names."""


def timed(call: Callable[[], object], times: int = 1) -> float:
    """Return the mean seconds of a call over `times` calls."""
    started = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - started) / times
