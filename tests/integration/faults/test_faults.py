"""Killed workers, and a wiped Redis."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import System, run_system, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.slow_site import SlowSite


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system of this file's own: its Redis is wiped."""
    yield from run_system(tmp_path_factory.mktemp("own"))


TAKEN_WITHIN_SECONDS = 20
AWAY = {"redis": "Redis", "sqs": "SQS", "directus": "Directus"}


class TestKill:
    def test_a_killed_worker_s_job_is_taken_by_another(self, system: System, site: SlowSite, no_worker: None) -> None:
        before = system.stats()
        victim = system.worker("victim")
        job_id = system.running(site)
        system.worker("heir")
        victim.kill()
        killed = time.monotonic()
        until(lambda: "claimed" in system.log("heir"), TAKEN_WITHIN_SECONDS, "taken by another worker")
        assert time.monotonic() - killed < TAKEN_WITHIN_SECONDS
        site.quick.set()
        record = system.app.wait(job_id, 60)
        assert (record["status"], record["attempts"]) == ("completed", 1)  # a stall is no attempt
        assert system.outputs(job_id) == [record["output_file_id"]]
        counts = until(system.quiet, 10, "everything closed")
        assert counts["completed"] == before["completed"] + 1
        assert counts["failed"] == before["failed"]

    def test_a_job_that_kills_its_workers_fails_in_the_end(self, system: System, site: SlowSite, no_worker: None) -> None:
        """The second stall is a failure, and the worker that claims it next commits it."""
        job_id = site.begin(system.app)
        for number in (1, 2):
            victim = system.worker(f"victim-{number}")
            until(lambda name=f"victim-{number}": "claimed" in system.log(name), 40, "claimed")
            victim.kill()
        system.worker("last")
        record = system.app.wait(job_id, 60)
        assert record["status"] == "failed"
        assert "stalled" in record["error"]


class TestFence:
    def test_a_worker_that_stood_still_changes_nothing_any_more(self, system: System, site: SlowSite, no_worker: None) -> None:
        before = until(system.quiet, 60, "quiet")
        frozen = system.worker("frozen")
        job_id = system.running(site)
        assert frozen.process is not None
        frozen.process.send_signal(signal.SIGSTOP)
        site.quick.set()  # its download is complete when it wakes up
        system.worker("second")
        record = system.app.wait(job_id, 90)
        frozen.process.send_signal(signal.SIGCONT)
        until(lambda: "lease lost" in system.log("frozen"), 15, "the lost fence noticed")
        assert record["status"] == "completed"
        assert system.app.record(job_id) == record
        assert system.outputs(job_id) == [record["output_file_id"]]
        counts = until(system.quiet, 10, "everything closed")
        assert counts["completed"] == before["completed"] + 1


class TestWipe:
    def test_flushall_with_jobs_waiting_and_running(self, system: System, site: SlowSite, clip: Path) -> None:
        before = until(system.quiet, 30, "quiet")
        file_id = system.app.upload(clip)
        jobs = [site.begin(system.app) for _ in range(2)] + [system.submit(file_id) for _ in range(10)]
        until(lambda: system.stats()["active"] >= 2, 40, "running")
        system.scripts.redis.flushall()
        site.quick.set()
        records = [system.app.wait(job_id, 120) for job_id in jobs]
        assert {record["status"] for record in records} == {"completed"}
        assert all(system.outputs(record["id"]) == [record["output_file_id"]] for record in records)
        until(system.quiet, 30, "everything closed")
        # The totals come back from Directus, no sooner than one lease after the wipe.
        until(lambda: system.stats()["completed"] == before["completed"] + 12, 40, "totals seeded")
        assert system.stats()["failed"] == before["failed"]


@pytest.fixture(autouse=True)
def _tell(system: System, request: pytest.FixtureRequest) -> Any:
    yield
    if request.session.testsfailed:
        for name in ("worker", "api"):
            print(f"--- {name}\n{system.log(name)[-3000:]}")
