"""Servers with Retry-After: the job is delayed, spends no attempt, and its log says until when."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from tests.contract.api.test_job_status import shown
from tests.media import make_tools, synthesise
from workers.network.fetch import Fetcher
from workers.runtime import runner as runners

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.contract.conftest import Api


class Busy(BaseHTTPRequestHandler):
    """A server that is busy a number of times, and then gives the file."""

    refusals: ClassVar[list[tuple[int, str]]] = []
    data: ClassVar[bytes] = b""

    def do_GET(self) -> None:
        status, wait = self.refusals.pop(0) if self.refusals else (200, "")
        body = self.data if status == 200 else b""
        self.send_response(status)
        if wait:
            self.send_header("Retry-After", wait)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[str]:
    Busy.data = synthesise(tmp_path / "clip.mp4", seconds=0.4, size="64x48").read_bytes()
    Busy.refusals.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Busy)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def run(api: Api, folder: Path, host: str, record: str, runs: int = 1) -> None:
    """Handle tickets until the job was claimed `runs` times and is not running any more."""
    tools = make_tools(folder, fetcher=Fetcher(frozenset({host})))
    runner = runners.Runner(api.services.ledger, api.services.tickets, api.services.directus, tools)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        seen = api.services.ledger.get(record)
        if seen is not None and (seen.runs >= runs or seen.state in ("completed", "failed")):
            return
        for ticket in api.services.tickets.receive("container", 1, 1):
            if ticket.job is not None and ticket.job.job_id == record:
                runner.handle(ticket)
            else:
                api.services.tickets.delete(ticket)  # of another test
    raise AssertionError(f"not claimed {runs} times")


def submit(api: Api, host: str) -> str:
    record = api.record(operation="download", input_url=f"http://{host}/clip.mp4", input_file_id=None)
    assert api.enqueue({"jobId": record, "operation": "download"}).status_code == 200
    return record


@pytest.mark.parametrize("status", [429, 503])
def test_the_job_waits_and_spends_no_attempt(api: Api, busy: str, tmp_path: Path, status: int) -> None:
    Busy.refusals[:] = [(status, "1800")]
    record = submit(api, busy)
    run(api, tmp_path, busy, record)
    job = shown(api, api.backends.tokens["enterprise"], record)
    assert (job["state"], job["failed_attempts"]) == ("delayed", 0)
    assert any("asks to wait until 20" in line["text"] for line in job["log"])
    snapshot = api.services.ledger.get(record)
    assert snapshot is not None
    now_ms = api.services.ledger.evaluate_alarms().now_ms
    assert snapshot.at_ms is not None
    assert 1_790_000 < snapshot.at_ms - now_ms <= 1_800_000


def test_the_next_run_is_the_first_attempt_still(api: Api, busy: str, tmp_path: Path) -> None:
    Busy.refusals[:] = [(503, "1"), (429, "1")]
    record = submit(api, busy)
    run(api, tmp_path, busy, record, runs=3)
    job = shown(api, api.backends.tokens["enterprise"], record)
    assert (job["state"], job["attempts"][-1]["attempt"], job["error"]) == ("completed", 1, None)


def test_not_for_ever(api: Api, busy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runners, "DEFERRALS_MAX", 1)
    Busy.refusals[:] = [(503, "1800")]
    record = submit(api, busy)
    run(api, tmp_path, busy, record)
    job = shown(api, api.backends.tokens["enterprise"], record)
    assert (job["state"], job["failed_attempts"]) == ("delayed", 1)
    assert job["attempts"][-1]["error"] == "input_url answered with status 503"
