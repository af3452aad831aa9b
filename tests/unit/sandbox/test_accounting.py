"""The use of a run is what the kernel says of its processes and its thread."""

from __future__ import annotations

import resource
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from chalicelib.errors import MediaRejected
from workers.sandbox import accounting, sandbox
from workers.sandbox.sandbox import Limits

if TYPE_CHECKING:
    from pathlib import Path

BURN = "import time\nwhile time.process_time() < {}: pass"
EAT = "block = bytearray(200 << 20); block[::4096] = b'x' * len(block[::4096])"


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_processes_and_the_thread(tmp_path: Path) -> None:
    before = children() + time.thread_time()
    with accounting.metered() as meter:
        for seconds in (0.3, 0.2):
            sandbox.run(python(BURN.format(seconds)), folder=tmp_path, limits=Limits())
        until = time.thread_time() + 0.1
        while time.thread_time() < until:
            pass
    used = children() + time.thread_time() - before
    assert meter.cpu_seconds == pytest.approx(used, rel=0.05)
    assert meter.cpu_seconds > 0.5


def test_the_children_of_a_process_count(tmp_path: Path) -> None:
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BURN.format(0.3)!r}])"
    with accounting.metered() as meter:
        sandbox.run(python(code), folder=tmp_path, limits=Limits())
    assert meter.cpu_seconds > 0.3


def test_a_process_that_is_killed_counts(tmp_path: Path) -> None:
    with accounting.metered() as meter, pytest.raises(MediaRejected):
        sandbox.run(python("while True: pass"), folder=tmp_path, limits=Limits(seconds=0.5))
    assert meter.cpu_seconds > 0.2


def test_the_largest_process(tmp_path: Path) -> None:
    with accounting.metered() as meter:
        sandbox.run(python(EAT), folder=tmp_path, limits=Limits())
        sandbox.run(python("pass"), folder=tmp_path, limits=Limits())
    assert meter.peak_bytes > 200 << 20


def test_threads_are_counted_apart(tmp_path: Path) -> None:
    meters = {}

    def work(name: str, seconds: float) -> None:
        with accounting.metered() as meters[name]:
            sandbox.run(python(BURN.format(seconds)), folder=tmp_path, limits=Limits())
            meters[name].total = meters[name].cpu_seconds  # type: ignore[attr-defined]

    threads = [threading.Thread(target=work, args=one) for one in (("short", 0.1), ("long", 0.6))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert meters["short"].total < 0.4 < meters["long"].total  # type: ignore[attr-defined]


def test_others_are_added() -> None:
    with accounting.metered() as meter:
        accounting.current().add_others(10, 4)
        assert meter.seconds >= 10
        assert meter.cpu_seconds >= 4


def test_outside_of_a_run_nobody_counts(tmp_path: Path) -> None:
    accounting.current().add_others(10, 4)
    with accounting.metered() as meter:
        assert meter.seconds < 1
