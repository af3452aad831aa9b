"""Leaves most pairs of writers on the real Directus to `make verify`: the stand-in runs all of them."""

from __future__ import annotations

import pytest

REAL = {
    ("queued", "worker", "cancel"),
    ("queued", "cancel", "worker"),
    ("failed", "reopen", "cancel"),
    ("failed", "reopen", "flow"),
    ("wiped", "adopt", "cancel"),
    ("made", "flow", "cancel"),
}
"""One pair for each kind of writer."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        given = getattr(item, "callspec", None)
        if item.name.startswith("test_two_writers") and given is not None and given.params["server"] == "real":
            pair = tuple(given.params[name] for name in ("state", "first", "second"))
            if pair not in REAL:
                item.add_marker(pytest.mark.slow)
