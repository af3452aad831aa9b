"""Acts on what is seen to pass."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Watch:
    """Does something, once, when it sees a text: instead of passing it on, or just after that."""

    def __init__(self, text: bytes, act: Callable[[], object], *, after: bool) -> None:
        self._text = text
        self._act = act
        self._after = after
        self._armed = True
        self._lock = threading.Lock()

    def matches(self, data: bytes) -> bool:
        """Say whether this is it."""
        with self._lock:
            if not self._armed or self._text not in data:
                return False
            self._armed = False
            return True

    def instead(self) -> bool:
        """Act instead of passing it on, if that is what it is for; True when it is not to be passed on."""
        if not self._after:
            self._act()
        return not self._after

    def after(self) -> None:
        """It was passed on."""
        if self._after:
            self._act()
