"""The files of a package: none is left or doubled when its worker is killed, or the job is cancelled, during the upload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests

from tests.integration.conftest import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import System

PARAMS: dict[str, Any] = {
    "format": "hls",
    "preset": "ultrafast",
    "ladder": [{"height": height} for height in (240, 220, 200, 190, 180, 170, 160, 150)],
}


def uploading(system: System, clip: Path) -> str:
    """Enqueue a package of 28 files and return its job when the first of them is stored."""
    job_id = system.submit(clip, PARAMS)
    until(lambda: system.outputs(job_id), 60, "the upload begins")
    return job_id


def test_a_killed_worker_leaves_no_file(system: System, clip: Path, no_worker: None) -> None:
    first = system.worker("first")
    job_id = uploading(system, clip)
    first.kill()
    assert system.app.record(job_id)["status"] == "processing"
    system.worker("second")
    record = system.app.wait(job_id, 90)
    assert record["status"] == "completed", record["error"]
    named = [one["file_id"] for one in record["result"]["outputs"]]
    until(lambda: sorted(system.outputs(job_id)) == sorted(named), 20, "what the first uploaded is gone")
    assert len({one["name"] for one in record["result"]["outputs"]}) == len(named) == 28


def test_a_cancelled_package_leaves_no_file(system: System, clip: Path) -> None:
    job_id = uploading(system, clip)
    answer = requests.delete(
        f"{system.stack.url('api')}/api/queue/jobs/{job_id}", headers={"Authorization": f"Bearer {system.token}"}, timeout=10
    )
    assert answer.status_code == 200, answer.text
    record = system.app.wait(job_id, 60)
    assert (record["status"], record["error"]) == ("failed", "Cancelled")
    until(lambda: not system.outputs(job_id), 60, "its files are gone")
