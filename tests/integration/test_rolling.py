"""An upgrade with a job running: every part is stopped and started again, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests

from infra.local import parts
from infra.local.process import Part, hurry
from tests.integration.conftest import SLOW, System, make_clip, until

if TYPE_CHECKING:
    from pathlib import Path


def claims(system: System, job_id: str) -> int:
    """How often the job was begun, by the logs of all workers."""
    lines = [line for file in system.stack.logs.glob("*.log") for line in file.read_text().splitlines()]
    return sum('"claimed"' in line and job_id in line for line in lines)


def restart(system: System, name: str) -> None:
    """Stop a part as a deployment does, and start it again."""
    part = system.stack.parts[name]
    part.stop()
    part.start()


def test_a_long_job_outlives_the_restart_of_every_part(system: System, tmp_path: Path) -> None:
    """It begins again once at most, when its worker goes, and no attempt is spent."""
    job_id = system.submit(make_clip(tmp_path / "film.mp4", 12, "960x540"), SLOW)
    until(lambda: system.app.record(job_id)["status"] == "processing", 20, "running")
    first = system.stack.parts["worker"]
    system.worker("second")
    assert first.process is not None
    hurry(first.process.pid)
    first.stop()  # as when its time to drain is over
    until(lambda: claims(system, job_id) == 2, 30, "taken up by the new worker")
    for name in ("keeper", "api", "directus", "redis", "sqs"):
        restart(system, name)
        assert requests.get(f"{system.stack.url('api')}/api/queue/stats", timeout=10).status_code == 200
    still_running = system.app.record(job_id)["status"] == "processing"
    record = system.app.wait(job_id, 120)
    assert (record["status"], record["error"], record["attempts"]) == ("completed", None, 1)
    assert claims(system, job_id) == 2
    assert still_running, "the job ended before the last part was restarted: make it longer"
    assert until(system.quiet, 20, "closed")["completed"] == 1
    first.start()


def test_a_worker_that_retires_finishes_its_job(system: System, long_clip: Path) -> None:
    """It was told to live for two seconds; its job takes longer, and nothing is given back."""
    system.stack.parts["worker"].stop()
    for part in system.extra:
        part.stop()
    part = parts.worker_part(system.stack.environment, system.stack.logs, "old", 1)
    retiring = Part(
        part.name, [*part.command, "--retire-hours", str(2 / 3600)], part.ready, part.folder, part.log, part.environment
    )
    job_id = system.submit(long_clip, SLOW)
    system.extra.append(retiring.start())
    assert system.app.wait(job_id, 90)["status"] == "completed"
    assert retiring.process is not None
    assert retiring.process.wait(20) == 0
    log = system.log("old")
    assert '"retiring"' in log
    assert claims(system, job_id) == 1
    system.stack.parts["worker"].start()
