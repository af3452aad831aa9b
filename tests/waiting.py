"""Waits until something is true."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def until(true: Callable[[], Any], seconds: float = 5, what: str = "it", every: float = 0.005) -> Any:
    """Wait until something is true and return it.

    Raises:
        AssertionError: it is not, after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := true():
            return found
        time.sleep(every)
    raise AssertionError(f"not after {seconds} s: {what}")
