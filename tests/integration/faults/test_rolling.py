"""An upgrade with a running job: every process is restarted, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from infra.local import processes
from infra.local.process import LocalProcess, terminate_soon
from tests.integration.conftest import System, run_system, until
from tests.integration.slow_site import SlowSite

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system of this file's own: its processes are restarted."""
    yield from run_system(tmp_path_factory.mktemp("own"))


def claims(system: System, job_id: str) -> int:
    """How often the job was begun, by the logs of all workers."""
    lines = [line for file in system.stack.logs.glob("*.log") for line in file.read_text().splitlines()]
    return sum('"claimed"' in line and job_id in line for line in lines)


def test_a_long_job_outlives_the_restart_of_every_part(system: System, site: SlowSite) -> None:
    """It begins again once at most, when its worker goes, and no attempt is spent."""
    job_id = site.begin(system.app)
    until(lambda: system.app.record(job_id)["status"] == "processing", 20, "running")
    system.worker("second")
    first = system.stack.processes["worker"]
    assert first.process is not None
    terminate_soon(first.process.pid)
    first.stop()  # as when its time to drain is over
    until(lambda: claims(system, job_id) == 2, 30, "taken up by the new worker")
    for name in ("maintenance", "api", "directus", "redis", "sqs"):
        system.stack.processes[name].stop()
        system.stack.processes[name].start()
        assert requests.get(f"{system.stack.url('api')}/api/queue/stats", timeout=10).status_code == 200
    assert system.app.record(job_id)["status"] == "processing"
    site.quick.set()
    record = system.app.wait(job_id, 60)
    assert (record["status"], record["error"], record["attempts"]) == ("completed", None, 1)
    assert claims(system, job_id) == 2
    assert until(system.quiet, 20, "closed")["completed"] == 1
    first.start()


def test_a_worker_that_retires_finishes_its_job(system: System, site: SlowSite) -> None:
    """It was told to live for two seconds; its job takes longer, and nothing is given back."""
    for running in (system.stack.processes["worker"], *system.extra):
        running.stop()
    part = processes.worker_process(system.stack.environment, system.stack.logs, "old", 1)
    command = [*part.command, "--retire-hours", str(2 / 3600)]
    retiring = LocalProcess(part.name, command, part.ready, part.folder, part.log, part.environment)
    job_id = site.begin(system.app)
    system.extra.append(retiring.start())
    until(lambda: '"retiring"' in system.log("old"), 30, "it is old")
    assert retiring.process is not None
    assert retiring.process.poll() is None
    waiting = site.begin(system.app)
    site.quick.set()
    assert system.app.wait(job_id, 60)["status"] == "completed"
    assert retiring.process.wait(20) == 0
    assert (claims(system, job_id), claims(system, waiting)) == (1, 0)  # it took no more jobs
    system.stack.processes["worker"].start()
    assert system.app.wait(waiting, 60)["status"] == "completed"
