"""Runs the calls of several threads together. A thread alone waits for nobody."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Item = TypeVar("Item")


class _Call(Generic[Item]):
    __slots__ = ("answer", "item", "runs", "wake")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.answer: Any = None
        self.runs = False
        """Its thread runs what has gathered."""
        self.wake = threading.Lock()
        self.wake.acquire()


class Gathering(Generic[Item]):
    """While one thread runs calls, those of others gather; then one of these threads runs them, up to `most` at a time."""

    def __init__(self, run: Callable[[list[Item]], Sequence[Any]], most: int) -> None:
        """`run` returns an answer for each item; an exception in its place is for the caller to raise."""
        self._run = run
        self._most = most
        self._lock = threading.Lock()
        self._running = False
        self._gathered: list[_Call[Item]] = []

    def call(self, item: Item) -> Any:
        """Return the answer to an item.

        Raises:
            RuntimeError: `run` raised, in this or in another thread.
        """
        call = _Call(item)
        with self._lock:
            call.runs = not self._running
            self._running = True
            if not call.runs:
                self._gathered.append(call)
        if not call.runs:
            call.wake.acquire()  # it has its answer then, or runs
        if call.runs:
            self._run_with(call)
        return call.answer

    def _run_with(self, call: _Call[Item]) -> None:
        """Run a call with those that have gathered; then it is the turn of the first that is left."""
        with self._lock:
            calls = [call, *self._gathered[: self._most - 1]]
            del self._gathered[: self._most - 1]
        answers: Sequence[Any] = [RuntimeError("The call was interrupted")] * len(calls)
        try:
            answers = self._run([one.item for one in calls])
        finally:
            with self._lock:
                following = self._gathered.pop(0) if self._gathered else None
                self._running = following is not None
            if following is not None:
                following.runs = True
                following.wake.release()
            for one, answer in zip(calls, answers, strict=True):
                one.answer = answer
                if one is not call:
                    one.wake.release()
