"""Keeps large tables out of `make test` without losing a row: the rest of them runs in `make verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def sampled(cases: Iterable[Any], quick: Callable[[Any], bool]) -> list[Any]:
    """Mark every case as slow for which `quick` is false. A case is a value, or a tuple of values."""
    return [
        case if quick(case) else pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.slow)
        for case in cases
    ]
