"""The system under faults for a short time; `make chaos` and `make verify` take longer."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from infra.local.client import CreatorApp
from infra.local.process import LOOPBACK, pick_port
from tests.chaos.field import Field
from tests.chaos.recorder import Recorder
from tests.chaos.run import Run, report
from tests.integration.conftest import make_clip, until

pytestmark = pytest.mark.timeout(900)  # a run that does not settle has more to say than that it took too long

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = float(os.environ.get("MEDIAQ_CHAOS_SECONDS", "12"))
"""How long there is trouble; `make verify` says 60."""
SEED = int(os.environ.get("MEDIAQ_CHAOS_SEED", "1"))
SLOW_JOBS = 20


def test_everything_mixed(tmp_path: Path) -> None:
    run = Run(tmp_path / "chaos", SEED, SECONDS)
    wrong = run.perform()
    assert not wrong, report(run, wrong)


@pytest.mark.slow
def test_flushall_every_ten_seconds(tmp_path: Path) -> None:
    run = Run(tmp_path / "chaos", SEED, SECONDS, ["flushall"], every=10)
    wrong = run.perform()
    assert not wrong, report(run, wrong)


@pytest.fixture
def dripping(tmp_path: Path) -> Iterator[str]:
    """A server whose film arrives a little at a time, for longer than Redis is away."""
    port = pick_port()
    film = make_clip(tmp_path / "film.mp4", 10, "320x240").read_bytes()  # a worker gives up below a KiB a second
    pieces = int((SECONDS + 15) * 2)
    length = -(-len(film) // pieces)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(film)))
            self.end_headers()
            for at in range(0, len(film), length):
                self.wfile.write(film[at : at + length])
                time.sleep(0.5)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer((LOOPBACK, port), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"{LOOPBACK}:{port}"
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_redis_stands_still_with_twenty_jobs_running(tmp_path: Path, dripping: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """None restarts, none fails: nobody else can claim them either."""
    monkeypatch.setenv("FETCH_ALLOW", dripping)
    (tmp_path / "home").mkdir()
    recorder = Recorder(tmp_path / "history.jsonl")
    field = Field(tmp_path / "home", random.Random(SEED), recorder, workers=1, slots=SLOW_JOBS).start()
    try:
        app = CreatorApp(field.url("directus"), field.url("api"), field.token)
        jobs = []
        for number in range(SLOW_JOBS):
            jobs.append(app.create_record("download", None, input_url=f"http://{dripping}/{number}"))
            assert app.enqueue(jobs[-1], "download").status_code == 200
        until(lambda: field.ledger.stats().active == SLOW_JOBS, 20, "all running")
        redis = field.stores["redis"].process
        assert redis is not None
        redis.send_signal(signal.SIGSTOP)
        time.sleep(SECONDS + 2)
        redis.send_signal(signal.SIGCONT)
        records = [app.wait(job_id, 60) for job_id in jobs]
        assert [(record["status"], record["attempts"], record["error"]) for record in records] == [
            ("completed", 1, None)
        ] * SLOW_JOBS
        log = (field.logs / "worker-1.log").read_text()
        assert log.count('"claimed"') == SLOW_JOBS
        until(lambda: field.ledger.stats().active == 0, 20, "all closed")
        assert field.ledger.stats().completed == SLOW_JOBS
    finally:
        field.stop()
