"""Outages of Redis, SQS and Directus, and a frozen Redis."""

from __future__ import annotations

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import OUTAGE_SECONDS, QUICK, System, run_system, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.slow_site import SlowSite


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system of this file's own: its Redis is frozen."""
    yield from run_system(tmp_path_factory.mktemp("own"))


REQUEST_EVERY_SECONDS = 0.1 if OUTAGE_SECONDS >= 30 else 0.3
"""Ten requests a second in `make verify`; each is a transcode."""
AWAY = {"redis": "Redis", "sqs": "SQS", "directus": "Directus"}


class TestOutage:
    def test_each_dependency_away_under_load(self, tmp_path: Path, clip: Path) -> None:
        """Three systems side by side, each without one of its dependencies for a while."""
        with ThreadPoolExecutor(len(AWAY)) as threads:
            list(threads.map(lambda name: self.away(name, tmp_path / name, clip), AWAY))

    @staticmethod
    def away(name: str, home: Path, clip: Path) -> None:
        for system in run_system(home):
            file_id = system.app.upload(clip)
            accepted: list[str] = []
            refused: list[Any] = []
            records = [system.app.create_record("transcoding", file_id, params=QUICK) for _ in range(400)]
            finished = threading.Event()
            load = threading.Thread(target=_post_until, args=(finished, system, records, accepted, refused))
            load.start()
            until(lambda: len(accepted) > 10, 60, f"{name}: under load")
            part = system.stack.processes[name]
            part.stop()
            time.sleep(OUTAGE_SECONDS)
            part.start()
            before = len(accepted)
            until(lambda: len(accepted) > before + 10, 60, f"{name}: accepting again")
            finished.set()
            load.join()
            assert refused, f"{name}: nothing was refused while it was away"
            for answer in refused:
                assert answer.status_code == 503, answer.text
                assert answer.json()["ok"] is False
                assert AWAY[name] in answer.json()["error"]
                assert answer.headers["Retry-After"]
            done = [system.app.wait(job_id, 120) for job_id in accepted]
            assert {record["status"] for record in done} == {"completed"}, name
            assert {record["attempts"] for record in done} == {1}, f"{name}: an attempt was spent"
            counts = until(lambda system=system: system.quiet(), 30, f"{name}: everything closed")
            assert (counts["completed"], counts["failed"]) == (len(accepted), 0), name
            outputs = [file["id"] for file in system.admin("GET", "/files?filter[title][_starts_with]=&limit=-1")]
            named = {record["output_file_id"] for record in done}
            assert len(outputs) == len(named) + 1, f"{name}: an output that no record names is left over"

    def test_redis_frozen_with_jobs_running(self, system: System, site: SlowSite) -> None:
        """A pause longer than a lease: none restarts, none fails."""
        until(system.quiet, 60, "quiet")
        jobs = [system.running(site) for _ in range(2)]
        redis = system.stack.processes["redis"].process
        assert redis is not None
        redis.send_signal(signal.SIGSTOP)
        time.sleep(12)
        redis.send_signal(signal.SIGCONT)
        site.quick.set()
        for job_id in jobs:
            record = system.app.wait(job_id, 120)
            assert (record["status"], record["attempts"]) == ("completed", 1)
            assert system.log("worker").count(f'"job_id":"{job_id}"') > 0
        claims = [line for line in system.log("worker").splitlines() if '"claimed"' in line]
        assert sum(any(job_id in line for job_id in jobs) for line in claims) == 2


def _post_until(finished: threading.Event, system: System, records: list[str], accepted: list[str], refused: list[Any]) -> None:
    """Enqueue again and again, the same job when it was refused."""
    while records and not finished.wait(REQUEST_EVERY_SECONDS):
        answer = system.app.enqueue(records[-1], "transcoding", params=QUICK)
        if answer.status_code == 200:
            accepted.append(records.pop())
        else:
            refused.append(answer)
