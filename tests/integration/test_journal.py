"""Attempts and log of a job, whatever happened to it."""

from __future__ import annotations

import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import requests

from tests.integration.conftest import SLOW, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import System


def seen(system: System, job_id: str) -> Any:
    url = f"{system.stack.url('api')}/api/queue/jobs/{job_id}"
    answer = requests.get(url, headers={"Authorization": f"Bearer {system.token}"}, timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()["job"]


def finished(system: System, job_id: str) -> Any:
    def job() -> Any:
        found = seen(system, job_id)
        return found if found["state"] in ("completed", "failed", "cancelled") else None

    return until(job, 90, "the job is over")


class Down(BaseHTTPRequestHandler):
    """A server that has nothing."""

    def do_GET(self) -> None:
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


def test_every_attempt_and_its_error(system: System) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Down)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    system.stack.processes["worker"].stop()
    worker = system.worker("fetcher", FETCH_ALLOW=f"127.0.0.1:{server.server_port}")
    try:
        job_id = system.submit(None, {}, "download", input_url=f"http://127.0.0.1:{server.server_port}/film.mp4")
        second = until(lambda: (job := seen(system, job_id))["failed_attempts"] == 1 and job, 60, "the first attempt is over")
        assert [one["outcome"] for one in second["attempts"]][:1] == ["retry"]  # also before the job is over
        job = finished(system, job_id)
    finally:
        system.stack.processes["worker"].start()
        worker.stop()
        server.shutdown()
        server.server_close()
    assert [(one["attempt"], one["outcome"]) for one in job["attempts"]] == [(1, "retry"), (2, "retry"), (3, "failed")]
    assert {one["error"] for one in job["attempts"]} == {"input_url answered with status 503"}
    assert all(one["started_at"] <= one["ended_at"] and "fetch" in one["stages"] for one in job["attempts"])
    assert job["log"][-1]["text"] == "Attempt 3: failed, input_url answered with status 503"


def test_one_that_was_cancelled_while_it_ran(system: System, long_clip: Path) -> None:
    job_id = system.submit(long_clip, SLOW)
    until(lambda: seen(system, job_id)["progress"] > 0, 60, "it is under way")
    url = f"{system.stack.url('api')}/api/queue/jobs/{job_id}"
    answer = requests.delete(url, headers={"Authorization": f"Bearer {system.token}"}, timeout=10)
    assert answer.status_code == 200
    job = seen(system, job_id)
    assert (job["state"], job["progress"] > 0) == ("cancelled", True)
    assert [one["outcome"] for one in job["attempts"]] == ["cancelled"]
    assert job["log"][-1]["text"] == "Attempt 1: cancelled"


def test_a_worker_that_was_killed(system: System, long_clip: Path, no_worker: None) -> None:
    victim = system.worker("victim")
    job_id = system.submit(long_clip, SLOW)
    until(
        lambda: any("fetch took" in line["text"] for line in seen(system, job_id)["log"]), 30, "its log is seen while it runs"
    )
    assert victim.process is not None
    victim.process.send_signal(signal.SIGKILL)
    victim.process.wait()
    system.worker("next")
    job = finished(system, job_id)
    assert [one["outcome"] for one in job["attempts"]] == ["interrupted", "completed"]
    assert [one["attempt"] for one in job["attempts"]] == [1, 1]  # a stall spends no attempt
