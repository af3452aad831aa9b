"""One job on several workers of the running system: the output of a disturbed job is that of an undisturbed one."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import requests

from chalicelib.ledger.parts import PartsLedger
from tests.integration.conftest import until
from tests.media import run_ffmpeg

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.ledger.parts import PartRow
    from infra.local.process import LocalProcess
    from tests.integration.conftest import System

SPLIT = {"PARTS_FROM_SECONDS": "1", "PARTS_WORKERS": "4"}
START_SECONDS = 5.0
"""How long a worker takes to start here."""
PARAMS = {"format": "mp4", "preset": "medium", "crf": 30}
pytestmark = pytest.mark.usefixtures("no_worker")


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute with a keyframe a second."""
    target = tmp_path_factory.mktemp("films") / "film.mp4"
    picture = ["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=60"]
    tone = ["-f", "lavfi", "-i", "sine=frequency=440:duration=60"]
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


def parts_of(system: System, job_id: str) -> list[PartRow]:
    """What the ledger knows of the parts of a running job."""
    job = system.ledger.get(job_id)
    state = PartsLedger(system.scripts).read(job_id, job.id) if job is not None else None
    return state.rows if state is not None else []


def done(system: System, job_id: str) -> set[int]:
    return {row.n for row in parts_of(system, job_id) if row.state == "finished"}


def runs_a_part(system: System, job_id: str, worker: LocalProcess) -> bool:
    return any(row.state == "active" and is_of(row.worker, worker) for row in parts_of(system, job_id))


def is_of(name: str, worker: LocalProcess) -> bool:
    assert worker.process is not None
    return name.endswith(f":{worker.process.pid}")


@pytest.fixture(scope="module")
def digests() -> dict[str, str]:
    """The hashes of undisturbed outputs, which are made once."""
    return {}


def undisturbed(system: System, film: Path, digests: dict[str, str]) -> str:
    """The hash of the output of a worker that is alone and that nothing happens to."""
    if "whole" not in digests:
        alone = system.worker("alone", **SPLIT)
        record = finished(system, system.submit(film, PARAMS))
        assert record["result"]["parts"]["workers"] == 1
        digests["whole"] = output_hash(system, record)
        alone.stop()
    return digests["whole"]


def test_workers_share_one_job(system: System, film: Path, digests: dict[str, str]) -> None:
    for name in ("one", "two"):
        system.worker(name, **SPLIT)
    job_id = system.submit(film, PARAMS)
    record = finished(system, job_id)
    parts = record["result"]["parts"]
    assert parts["count"] > 3
    assert parts["workers"] == 2
    assert parts["repeated"] == 0
    assert [row["part"] for row in parts["timeline"]] == list(range(parts["count"]))
    assert stored(system, job_id) == []
    digests["whole"] = output_hash(system, record)


def stored(system: System, job_id: str) -> list[str]:
    """The keys of a job in the bucket."""
    s3 = boto3.client("s3", endpoint_url=system.stack.url("sqs"))
    found = s3.list_objects_v2(Bucket=system.stack.environment["PARTS_BUCKET"], Prefix=f"{job_id}/")
    return [one["Key"] for one in found.get("Contents", [])]


def test_a_killed_helper_costs_one_part(system: System, film: Path, digests: dict[str, str]) -> None:
    digest = undisturbed(system, film, digests)
    system.worker("first", **SPLIT)
    job_id = system.submit(film, PARAMS)
    until(lambda: parts_of(system, job_id), 40, "parts")
    helper = system.worker("helper", **SPLIT)
    until(lambda: runs_a_part(system, job_id, helper), 40, "a part of the helper")
    helper.kill()
    record = finished(system, job_id)
    assert output_hash(system, record) == digest
    assert record["result"]["parts"]["repeated"] == 1


def test_a_killed_coordinator_costs_the_part_it_was_on(system: System, film: Path, digests: dict[str, str]) -> None:
    digest = undisturbed(system, film, digests)
    first = system.worker("first", **SPLIT)
    job_id = system.submit(film, PARAMS)
    until(lambda: len(done(system, job_id)) >= 2 and runs_a_part(system, job_id, first), 60, "two parts")
    first.kill()
    before = done(system, job_id)
    began = time.monotonic()
    second = system.worker("second", **SPLIT)
    until(lambda: runs_a_part(system, job_id, second), 40, "a part of the second coordinator")
    assert time.monotonic() - began < 20 + START_SECONDS
    record = finished(system, job_id)
    assert output_hash(system, record) == digest
    rows = {row["part"]: row for row in record["result"]["parts"]["timeline"]}
    assert {(rows[n]["worker"], rows[n]["runs"]) for n in before} == {(1, 1)}
    assert record["result"]["parts"]["repeated"] <= 1
    assert len(system.outputs(job_id)) == 1
    assert record["attempts"] == 1


@pytest.mark.slow
def test_a_helper_that_stops_gives_its_part_back(system: System, film: Path, digests: dict[str, str]) -> None:
    digest = undisturbed(system, film, digests)
    system.worker("first", **SPLIT)
    job_id = system.submit(film, PARAMS)
    until(lambda: parts_of(system, job_id), 40, "parts")
    helper = system.worker("helper", drain_seconds=0, **SPLIT)
    until(lambda: runs_a_part(system, job_id, helper), 40, "a part of the helper")
    helper.stop()
    assert not runs_a_part(system, job_id, helper)  # at once, and not when its lease ends
    assert '"outcome":"released"' in system.log("helper")
    record = finished(system, job_id)
    assert output_hash(system, record) == digest


@pytest.mark.slow
def test_redis_is_flushed_while_parts_run(system: System, film: Path, digests: dict[str, str]) -> None:
    digest = undisturbed(system, film, digests)
    for name in ("one", "two"):
        system.worker(name, **SPLIT)
    job_id = system.submit(film, PARAMS)
    until(lambda: len(done(system, job_id)) >= 2, 60, "two parts")
    system.scripts.redis.flushall()
    record = finished(system, job_id)
    assert output_hash(system, record) == digest


def test_a_cancel_ends_all_parts(system: System, film: Path) -> None:
    for name in ("one", "two"):
        system.worker(name, **SPLIT)
    job_id = system.submit(film, PARAMS)
    until(lambda: len([row for row in parts_of(system, job_id) if row.state == "active"]) == 2, 60, "two running parts")
    address, headers = f"{system.stack.url('api')}/api/queue/jobs/{job_id}", {"Authorization": f"Bearer {system.token}"}
    answer = requests.delete(address, headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    until(system.quiet, 20, "the end of the job")
    assert system.app.record(job_id)["error"] == "Cancelled"
    until(lambda: not stored(system, job_id), 10, "an empty store")
    assert not list(system.scripts.redis.scan_iter(f"*parts*{job_id}"))
    assert system.outputs(job_id) == []
