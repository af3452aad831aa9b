"""A worker reports itself, and its container's health check sees whether it polls."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import VERSION
from chalicelib.errors import LedgerUnavailable
from chalicelib.ledger.workers import WorkersLedger
from infra.local.processes import ROOT
from workers.context import programs
from workers.runtime import container, health
from workers.runtime.heartbeat import Heartbeats

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import LossyScripts


def heartbeats(ledger: Any, folder: Path) -> Heartbeats:
    return Heartbeats(
        ledger, programs.find(), kind="container", pools=["container"], slots=2, health_file=health.health_file(folder)
    )


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workers.runtime.health"]
    return subprocess.run(command, cwd=ROOT, env={"WORK_DIR": str(folder)}, capture_output=True, text=True, check=False)


def test_it_says_what_the_runner_does(scripts: LossyScripts, tmp_path: Path) -> None:
    ledger = WorkersLedger(scripts)
    beats = heartbeats(ledger, tmp_path)
    beats.follow(SimpleNamespace(running=lambda: ["a"], last_error=("no luck", 5)))  # type: ignore[arg-type]
    beats.beat()
    beats.follow(None)
    [found] = ledger.read()
    assert (found.version, found.ffmpeg, found.jobs) == (VERSION, programs.find().version, ["a"])
    assert (found.last_error, found.last_error_ms) == ("no luck", 5)
    assert found.memory_bytes > 1 << 20
    beats.beat()
    assert ledger.read()[0].jobs == []
    assert ledger.read()[0].last_error == "no luck"  # of an earlier invocation


def test_it_goes_on_without_redis_and_leaves_at_the_end(
    scripts: LossyScripts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.runtime.heartbeat.BEAT_SECONDS", 0.01)
    ledger = WorkersLedger(scripts)
    failing = [LedgerUnavailable(), RuntimeError("a defect")]
    beat = ledger.beat

    def unreliable(heartbeat: Any) -> None:
        if failing:
            raise failing.pop()
        beat(heartbeat)

    monkeypatch.setattr(ledger, "beat", unreliable)
    beats = heartbeats(ledger, tmp_path)
    beats.start(lambda: True)
    until = time.monotonic() + 10
    while not ledger.read() and time.monotonic() < until:
        time.sleep(0.01)
    assert len(ledger.read()) == 1
    beats.stop()
    assert ledger.read() == []


def test_a_worker_that_drains_serves_no_pool(scripts: LossyScripts, tmp_path: Path) -> None:
    ledger = WorkersLedger(scripts)
    beats = heartbeats(ledger, tmp_path)
    beats.beat()
    beats.drain()
    [found] = ledger.read()
    assert (found.alive, found.pools, found.slots) == (True, [], 0)


def test_the_check_fails_when_the_worker_does_not_poll(scripts: LossyScripts, tmp_path: Path) -> None:
    assert (check(tmp_path).returncode, "does not exist" in check(tmp_path).stderr) == (1, True)
    beats = heartbeats(WorkersLedger(scripts), tmp_path)
    beats.beat()
    assert check(tmp_path).returncode == 0
    file = health.health_file(tmp_path)
    os.utime(file, (0, time.time() - health.SILENT_SECONDS - 5))
    beats._healthy = lambda: False
    beats.beat()
    assert (check(tmp_path).returncode, "has not polled for 6" in check(tmp_path).stderr) == (1, True)
    beats._healthy = lambda: True
    beats.beat()
    assert check(tmp_path).returncode == 0


class TestPolls:
    @pytest.fixture
    def worker(self, monkeypatch: pytest.MonkeyPatch) -> container.ContainerWorker:
        monkeypatch.setattr(container, "SILENT_SECONDS", 0.3)
        runner: Any = SimpleNamespace(helper=None)
        about: Any = {"webhook_sender": None, "credential_tester": None}
        return container.ContainerWorker(
            runner,
            None,
            self,
            pools=["container"],
            concurrency=1,
            poll_seconds=1,
            drain_seconds=1,
            **about,  # type: ignore[arg-type]
        )

    def receive(self, pool: str, count: int, seconds: int) -> list[Any]:
        """Of the queue: hangs, as a broken connection may."""
        time.sleep(1.5)
        return []

    def test_a_poll_that_hangs_is_seen(self, worker: container.ContainerWorker) -> None:
        assert worker.polls()
        threading.Thread(target=worker._poll, args=("container",), daemon=True).start()
        time.sleep(0.6)
        assert not worker.polls()
        worker._stopping.set()
        assert worker.polls()  # it drains

    def test_without_a_free_slot_nothing_is_to_be_polled(self, worker: container.ContainerWorker) -> None:
        assert worker._take_slot()
        time.sleep(0.4)
        assert worker.polls()
        worker._free_slot()
        assert worker.polls()  # it has just become free
        time.sleep(0.4)
        assert not worker.polls()
