"""A worker with running jobs is killed while another is available: the time until those jobs run again."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import noop, peers
from bench.ledger import job, payload, redis_server
from chalicelib.ledger.ledger import new_token
from chalicelib.maintenance.maintenance import Maintenance
from infra.local import processes
from infra.local.client import CreatorApp
from infra.local.directus import accounts
from infra.local.process import LOOPBACK, pick_port
from infra.local.stack import Stack, login

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench import Figures

RUNNING = 4
JOB_SECONDS = 150
MAINTENANCE_SECONDS = 60


def run() -> Figures:
    """Seconds from the kill to the first and the last job that runs again."""
    return {
        "seconds from kill -9 to the retries": {
            **_named("mediaq container", _mediaq()),
            **_named("mediaq maintenance alone, new ticket", _maintenance_alone()),
            **_named("bullmq", _bullmq()),
        }
    }


def _named(name: str, seconds: list[float]) -> dict[str, float]:
    return {f"{name} first": round(min(seconds), 1), f"{name} last": round(max(seconds), 1)}


def _mediaq() -> list[float]:
    """Four downloads of a file that arrives slowly."""
    with tempfile.TemporaryDirectory() as folder, _dripping() as site:
        os.environ["FETCH_ALLOW"] = site
        stack = Stack(Path(folder), concurrency=RUNNING).start()
        heir = None
        try:
            token = login(stack.url("directus"), accounts.BEST.email, accounts.BEST.password)
            app = CreatorApp(stack.url("directus"), stack.url("api"), token)
            for number in range(RUNNING):
                app.enqueue(app.create_record("download", None, input_url=f"http://{site}/{number}"), "download")
            _until(lambda: (stack.logs / "worker.log").read_text().count('"claimed"') == RUNNING)
            time.sleep(3)
            stack.processes["worker"].kill()
            killed = time.monotonic()
            heir = processes.worker_process(stack.environment, stack.logs, "heir", RUNNING, 0).start()
            return _appearances(lambda: (stack.logs / "heir.log").read_text().count('"claimed"'), killed)
        finally:
            if heir is not None:
                heir.kill()
            stack.stop()


def _maintenance_alone() -> list[float]:
    """Seconds until the maintenance task sends new tickets, where only Lambdas work: nearly the worst case."""
    with noop.system() as system:
        tickets = system.tickets(system.sqs)
        nothing: Any = None  # only called after a wipe
        maintenance = Maintenance(system.ledger, tickets, nothing)
        system.ledger.read_totals()
        system.scripts.redis.hset("{bench}:meta", "seeded", 1)
        system.enqueue([job(0) for _ in range(RUNNING)], tickets)
        for ticket in tickets.receive("container", RUNNING, 1):
            assert ticket.job is not None
            system.ledger.claim("container", ticket.job.id, ticket.job.job_id, new_token())
        killed = time.monotonic()
        time.sleep(10.5 - 3)  # the leases end between the two checks of a run, so the first check is in vain
        finished = threading.Event()

        def keep() -> None:
            while not finished.is_set():
                maintenance.run(sleep=finished.wait)
                finished.wait(MAINTENANCE_SECONDS - 3)

        threading.Thread(target=keep, daemon=True).start()
        seconds = _appearances(lambda: system.ledger.stats().waiting, killed)
        finished.set()
        return seconds


def _bullmq() -> list[float]:
    """BullMQ with its defaults."""
    with redis_server() as url:
        made = [job(0) for _ in range(RUNNING)]
        peers.bullmq("admit", {"jobs": payload(made), "concurrency": 1}, url)
        arguments = {"concurrency": RUNNING, "milliseconds": JOB_SECONDS * 1000}
        victim = peers.bullmq_worker(url, **arguments)
        assert victim.stdout is not None
        for _ in range(RUNNING):
            victim.stdout.readline()
        time.sleep(3)
        peers.kill(victim)
        killed = time.monotonic()
        heir = peers.bullmq_worker(url, **arguments)
        assert heir.stdout is not None
        seconds = []
        for _ in range(RUNNING):
            heir.stdout.readline()
            seconds.append(time.monotonic() - killed)
        peers.kill(heir)
        for process in (victim, heir):
            assert process.stdout is not None
            process.stdout.close()
        return seconds


def _appearances(count: Any, since: float) -> list[float]:
    seconds: list[float] = []
    while len(seconds) < RUNNING:
        seconds += [time.monotonic() - since] * (count() - len(seconds))
        time.sleep(0.05)
    return seconds


def _until(true: Any) -> None:
    while not true():
        time.sleep(0.05)


@contextmanager
def _dripping() -> Iterator[str]:
    port = pick_port()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Send one byte a second."""
            self.send_response(200)
            self.send_header("Content-Length", str(JOB_SECONDS))
            self.end_headers()
            for _ in range(JOB_SECONDS):
                self.wfile.write(b"\0")
                time.sleep(1)

        def log_message(self, *_: object) -> None:
            return

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                return  # its worker was killed

    server = ThreadingHTTPServer((LOOPBACK, port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"{LOOPBACK}:{port}"
    server.shutdown()
    server.server_close()
