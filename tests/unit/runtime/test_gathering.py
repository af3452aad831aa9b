"""Calls of several threads that are run together."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.gathering import Gathering
from tests.waiting import until


class Line:
    """Answers n with 2n, and notes what it is asked together. It is slow while `open` is not set."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.open = threading.Event()
        self.open.set()

    def run(self, items: list[int]) -> list[Any]:
        self.asked.append(items)
        assert self.open.wait(10)
        return [ValueError(str(item)) if item < 0 else 2 * item for item in items]


@pytest.fixture
def line() -> Line:
    return Line()


def start(threads: ThreadPoolExecutor, calls: Gathering[int], line: Line, count: int) -> list[Any]:
    """Start a call that hangs, and others that gather behind it."""
    line.open.clear()
    first = threads.submit(calls.call, 0)
    until(lambda: line.asked)
    others = [threads.submit(calls.call, number) for number in range(1, count)]
    until(lambda: len(calls._gathered) == count - 1)
    return [first, *others]


def test_one_thread_waits_for_nobody(line: Line) -> None:
    calls = Gathering(line.run, 10)
    assert [calls.call(1), calls.call(2)] == [2, 4]
    assert line.asked == [[1], [2]]


@pytest.mark.parametrize(("most", "sizes"), [(10, [1, 7]), (3, [1, 3, 3, 1])])
def test_what_gathers_behind_a_call_is_run_together(line: Line, most: int, sizes: list[int]) -> None:
    calls = Gathering(line.run, most)
    with ThreadPoolExecutor(8) as threads:
        running = start(threads, calls, line, 8)
        line.open.set()
        assert [one.result(10) for one in running] == [0, 2, 4, 6, 8, 10, 12, 14]
    assert [len(items) for items in line.asked] == sizes
    assert sorted(item for items in line.asked for item in items) == list(range(8))


def test_each_gets_its_own_answer_under_load(line: Line) -> None:
    calls = Gathering(line.run, 7)
    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(calls.call, range(3000))) == [2 * number for number in range(3000)]
    assert sum(map(len, line.asked)) == 3000


def test_an_exception_is_the_answer_to_one(line: Line) -> None:
    calls = Gathering(line.run, 10)
    answer = calls.call(-1)
    assert isinstance(answer, ValueError)
    assert calls.call(1) == 2


def test_one_that_is_interrupted_leaves_nobody_waiting(line: Line) -> None:
    """Neither those that ran with it, nor those that gathered behind it."""

    def run(items: list[int]) -> list[Any]:
        answers = line.run(items)
        if 1 in items:
            raise KeyboardInterrupt
        return answers

    calls = Gathering(run, 3)
    with ThreadPoolExecutor(8) as threads:
        running = start(threads, calls, line, 7)
        line.open.set()
        outcomes = [one.exception(10) or one.result() for one in running]
    with_it = next(items for items in line.asked if 1 in items)
    for number, outcome in enumerate(outcomes):
        if number not in with_it:
            assert outcome == 2 * number
        elif number == with_it[0]:
            assert isinstance(outcome, KeyboardInterrupt)
        else:
            assert isinstance(outcome, RuntimeError)
    assert calls.call(5) == 10
