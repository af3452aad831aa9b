"""All workers die: an operator is told within two minutes, and told when one is back. Minutes are real ones."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from infra.local import processes
from infra.local.directus import accounts
from tests.integration.conftest import System, run_system, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system whose alarms are evaluated every second."""
    for system in run_system(tmp_path_factory.mktemp("workers")):
        system.stack.processes["maintenance"].stop()
        maintenance = processes.maintenance_process(system.stack.environment, system.stack.logs)
        maintenance.command = [sys.executable, "-m", "infra.local.maintenance", "--every", "1"]
        system.extra.append(maintenance.start())
        yield system


def alarms(system: System) -> set[str]:
    answer = requests.get(f"{system.stack.url('api')}/api/queue/health", timeout=10)
    return {alarm["name"] for alarm in answer.json()["alarms"]}


def workers(system: System) -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {accounts.ADMIN_TOKEN}"}
    answer = requests.get(f"{system.stack.url('api')}/api/queue/workers", headers=headers, timeout=10)
    found: list[dict[str, Any]] = answer.json()["workers"]
    return found


def test_dead_workers_are_reported_until_one_returns(watched: System, clip: Path) -> None:
    [alive] = until(lambda: workers(watched), 15, "the worker reports itself")
    assert (alive["state"], alive["pools"], alive["jobs"]) == ("alive", ["lambda", "container"], [])
    watched.stack.processes["worker"].kill()
    killed = time.monotonic()
    job_id = watched.submit(clip)
    until(lambda: {"no-workers", "worker-lost"} <= alarms(watched), 120 - (time.monotonic() - killed), "the alarms are on")
    assert [one["state"] for one in workers(watched)] == ["lost"]
    watched.stack.processes["worker"].start()
    assert watched.app.wait(job_id, 60)["status"] == "completed"
    until(lambda: "no-workers" not in alarms(watched), 30, "the alarm is off")
    assert sorted(one["state"] for one in workers(watched)) == ["alive", "lost"]
    watched.stack.processes["worker"].stop()
    until(lambda: [one["state"] for one in workers(watched)] == ["lost"], 15, "a worker that stops in order is not lost")
    watched.stack.processes["worker"].start()
