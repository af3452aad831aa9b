"""The three alarms of the published API turn on and off with real jobs; a minute lasts 2 seconds."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
import requests

from infra.local import processes
from tests.integration.conftest import System, run_system, until
from tests.integration.slow_site import SlowSite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system whose minute lasts 2 s."""
    for system in run_system(tmp_path_factory.mktemp("alarms")):
        system.stack.processes["maintenance"].stop()
        changed = system.stack.environment | {"ALARM_OVER": "waiting=5,stalled=3,no-workers=1000"}
        maintenance = processes.maintenance_process(changed, system.stack.logs)
        maintenance.command = [sys.executable, "-m", "infra.local.maintenance", "--minute", "2", "--every", "0.2"]
        system.extra.append(maintenance.start())
        yield system


def alarms(system: System) -> set[str]:
    """Which alarms `GET /health` names, its memory of five seconds included."""
    answer = requests.get(f"{system.stack.url('api')}/api/queue/health", timeout=10)
    assert answer.status_code == 200
    return {alarm["name"] for alarm in answer.json()["alarms"]}


def test_waiting_and_failures(watched: System, clip: Path, tmp_path: Path) -> None:
    worker = watched.stack.processes["worker"]
    worker.stop()
    good = watched.app.upload(clip)
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no film at all")
    wrong = watched.app.upload(bad)
    jobs = [watched.submit(wrong if number < 3 else good, {"at": 0, "width": 64}, "thumbnail") for number in range(12)]
    until(lambda: alarms(watched) == {"waiting"}, 60, "too many wait")
    worker.start()
    for job_id in jobs:
        watched.app.wait(job_id, 60)
    until(lambda: alarms(watched) == {"failure-ratio"}, 60, "three of twelve failed, nothing waits")
    until(lambda: alarms(watched) == set(), 90, "the window is over")


def test_a_job_that_does_not_move(watched: System, site: SlowSite) -> None:
    """Its worker renews the lease for ever, and nothing comes of it."""
    job_id = site.begin(watched.app)
    until(lambda: alarms(watched) == {"stalled"}, 60, "nothing moves")
    assert watched.app.record(job_id)["status"] == "processing"
    site.quick.set()
    assert watched.app.wait(job_id, 60)["status"] == "completed"
    until(lambda: alarms(watched) == set(), 60, "it moves again")
