"""Acts when a given text passes a proxy."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Watch:
    """Acts once, before or after the text is forwarded."""

    def __init__(self, text: bytes, act: Callable[[], object], *, after: bool) -> None:
        self._text = text
        self._act = act
        self._after = after
        self._armed = True
        self._lock = threading.Lock()

    def matches(self, data: bytes) -> bool:
        """Return whether this is the text."""
        with self._lock:
            if not self._armed or self._text not in data:
                return False
            self._armed = False
            return True

    def instead(self) -> bool:
        """Act before forwarding, if configured so; True: do not forward."""
        if not self._after:
            self._act()
        return not self._after

    def after(self) -> None:
        """Act after forwarding."""
        if self._after:
            self._act()
