"""The worker process: retries, cancel, shutdown, unreadable tickets."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import boto3
import pytest

from tests.integration.conftest import QUICK, SLOW, System, until
from workers.context import programs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.slow_site import SlowSite


UNLUCKY = """#!/bin/sh
case "$*" in -hide_banner\\ -*s|-hide_banner\\ -version) exec {ffmpeg} "$@" ;; esac
echo '[error] Device or resource busy' >&2
exit 1
"""


@pytest.fixture
def broken_ffmpeg(tmp_path: Path) -> str:
    """An ffmpeg that says what it can do, and ends every job with an error that is not the media's fault."""
    file = tmp_path / "ffmpeg"
    file.write_text(UNLUCKY.format(ffmpeg=programs.find().ffmpeg))
    file.chmod(0o755)
    return str(file)


def test_three_attempts_with_backoff_then_failed(system: System, clip: Path, broken_ffmpeg: str, no_worker: None) -> None:
    before = system.stats()
    system.worker("unlucky", FFMPEG=broken_ffmpeg)
    started = time.monotonic()
    job_id = system.submit(clip)
    until(lambda: system.stats()["delayed"] == 1, 10, "delayed after the first attempt")
    record = system.app.wait(job_id, 40)
    took = time.monotonic() - started
    assert (record["status"], record["attempts"]) == ("failed", 3)
    assert record["error"] == "ffmpeg ended with code 1: Device or resource busy"
    assert took > 6  # 2 s and 4 s of backoff
    assert until(lambda: system.stats()["failed"] == before["failed"] + 1, 5, "counted")


def bull_job_id(system: System, job_id: str) -> str:
    seen = system.ledger.get(job_id)
    assert seen is not None
    return seen.id


def test_a_cancelled_job_stops_and_ends_as_failed_but_is_not_counted(system: System, long_clip: Path) -> None:
    before = system.stats()
    job_id = system.submit(long_clip, SLOW)
    until(lambda: system.app.record(job_id)["status"] == "processing", 20, "running")
    system.admin("PATCH", f"/items/media_jobs/{job_id}", json={"status": "failed", "error": "Cancelled"})
    assert system.ledger.cancel(job_id, bull_job_id(system, job_id)) == ("flagged", False)
    until(lambda: system.stats()["active"] == 0, 5, "stopped")
    record = system.app.record(job_id)
    assert (record["status"], record["error"], record["output_file_id"]) == ("failed", "Cancelled", None)
    assert system.stats() == before
    assert system.outputs(job_id) == []


def test_cancelled_in_the_ledger_alone_ends_the_record_too(system: System, site: SlowSite) -> None:
    job_id = system.running(site)
    system.ledger.cancel(job_id, bull_job_id(system, job_id))
    record = system.app.wait(job_id, 10)
    assert (record["status"], record["error"]) == ("failed", "Cancelled")


@pytest.mark.parametrize("change", ["deleted", "archived"])
def test_a_record_that_its_owner_removed_ends_its_job(system: System, site: SlowSite, change: str) -> None:
    before = until(system.quiet, 30, "quiet")
    job_id = system.running(site)
    if change == "deleted":
        system.admin("DELETE", f"/items/media_jobs/{job_id}")
    else:
        system.admin("PATCH", f"/items/media_jobs/{job_id}", json={"status": change})
    site.quick.set()
    assert until(system.quiet, 40, "closed in the ledger") == before  # neither completed nor failed
    assert system.outputs(job_id) == []


def test_sigterm_finishes_running_jobs(system: System, site: SlowSite, no_worker: None) -> None:
    worker = system.worker("drained")
    job_id = system.running(site)
    assert worker.process is not None
    worker.process.send_signal(signal.SIGTERM)
    until(lambda: "stopping" in system.log("drained"), 20, "the signal handled")
    site.quick.set()
    assert worker.process.wait(40) == 0
    assert system.app.record(job_id)["status"] == "completed"


def test_a_second_sigterm_releases_jobs(system: System, site: SlowSite, no_worker: None) -> None:
    worker = system.worker("hurried")
    job_id = system.running(site)
    assert worker.process is not None
    for _ in range(2):
        worker.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
    assert worker.process.wait(5) == 0
    counts = system.stats()
    assert (counts["waiting"], counts["active"]) == (1, 0)
    assert "released" in system.log("hurried")
    site.quick.set()
    system.worker("next")
    record = system.app.wait(job_id, 40)
    assert (record["status"], record["attempts"]) == ("completed", 1)
    assert "stalls" not in record


def test_the_drain_deadline_releases_jobs(system: System, site: SlowSite, no_worker: None) -> None:
    worker = system.worker("late", drain_seconds=0.5)
    job_id = system.running(site)
    assert worker.process is not None
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(10) == 0
    assert system.stats()["waiting"] == 1
    site.quick.set()
    system.worker("next")
    record = system.app.wait(job_id, 40)
    assert (record["status"], record["attempts"]) == ("completed", 1)


def test_nothing_of_a_job_stays_on_disk(system: System, clip: Path) -> None:
    system.app.wait(system.submit(clip), 30)
    until(lambda: not list((system.stack.home / "work").glob("job-*")), 5, "no folder of a job")


def test_an_unreadable_ticket_goes_to_the_dead_letter_queue(system: System) -> None:
    sqs = boto3.client("sqs", endpoint_url=system.stack.url("sqs"), region_name="us-east-1")
    sqs.send_message(QueueUrl=system.stack.environment["QUEUE_URL_CONTAINER"], MessageBody="not an envelope")
    dead = system.stack.environment["DEAD_LETTER_URL_CONTAINER"]
    found = until(lambda: sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=1).get("Messages"), 15, "in the dead-letter queue")
    assert found[0]["Body"] == "not an envelope"


def test_logs_name_the_job(system: System, clip: Path) -> None:
    job_id = system.submit(clip)
    system.app.wait(job_id, 30)

    def lines(*words: str) -> list[str]:
        return [line for line in system.log("worker").splitlines() if all(word in line for word in (job_id, *words))]

    until(lambda: lines('"finished"', '"outcome":"completed"'), 5, "the line of the job's end")
    assert lines('"claimed"', '"bull_job_id"')


def test_progress_reaches_the_ledger_while_it_runs(system: System, long_clip: Path) -> None:
    job_id = system.submit(long_clip, SLOW)
    until(lambda: (job := system.ledger.get(job_id)) and job.progress > 10, 20, "progress beyond the fetch")
    assert system.app.wait(job_id, 40)["progress"] == 100


def test_a_worker_that_cannot_work_says_why(system: System) -> None:
    import subprocess
    import sys

    command = [sys.executable, "-m", "workers"]
    environment = {**os.environ, **system.stack.environment, "REDIS_URL": "nonsense"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert done.stderr == "mediaq worker: REDIS_URL must be a redis or rediss URL\n"


def test_quick_jobs_follow_each_other(system: System, clip: Path) -> None:
    """Ten at once on two slots: all of them, each once."""
    file_id = system.app.upload(clip)
    jobs = [system.submit(file_id, QUICK) for _ in range(10)]
    records = [system.app.wait(job_id, 60) for job_id in jobs]
    assert {record["status"] for record in records} == {"completed"}
    assert all(system.outputs(record["id"]) == [record["output_file_id"]] for record in records)
