"""One job on several workers of the running system: the output of a disturbed job is that of an undisturbed one."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.integration.conftest import until
from tests.media import run_ffmpeg

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import System

SPLIT = {"PARTS_FROM_SECONDS": "1", "PARTS_WORKERS": "4"}
PARAMS = {"format": "mp4", "preset": "slow", "crf": 30}
pytestmark = pytest.mark.usefixtures("no_worker")


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty seconds with a keyframe a second."""
    target = tmp_path_factory.mktemp("films") / "film.mp4"
    picture = ["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=40"]
    tone = ["-f", "lavfi", "-i", "sine=frequency=440:duration=40"]
    run_ffmpeg(*picture, *tone, "-vf", "noise=alls=8:allf=t", "-c:v", "libx264", "-preset", "ultrafast", "-g", "25", target)
    return target


def finished(system: System, job_id: str, seconds: float = 120) -> dict[str, Any]:
    record = until(lambda: _ended(system.app.record(job_id)), seconds, "the end of the job")
    assert record["status"] == "completed", record["error"]
    return record


def _ended(record: dict[str, Any]) -> dict[str, Any] | None:
    return record if record["status"] in ("completed", "failed") else None


def output_hash(system: System, record: dict[str, Any]) -> str:
    url = f"{system.stack.url('directus')}/assets/{record['output_file_id']}?access_token={system.token}"
    return hashlib.sha256(requests.get(url, timeout=30).content).hexdigest()


def test_workers_share_one_job(system: System, film: Path) -> None:
    for name in ("one", "two"):
        system.worker(name, **SPLIT)
    record = finished(system, system.submit(film, PARAMS))
    parts = record["result"]["parts"]
    assert parts["count"] > 3
    assert parts["workers"] == 2
    assert [row["part"] for row in parts["timeline"]] == list(range(parts["count"]))
