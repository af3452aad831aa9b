"""Jobs with random priorities run in the order of their priorities."""

from __future__ import annotations

import random
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec
import pytest

from chalicelib.directus.client import Directus
from chalicelib.queues.tickets import Ticket, Tickets
from chalicelib.services import Services
from chalicelib.settings import load
from infra.local.directus import accounts
from tests.integration.conftest import run_system
from tests.media import make_tools
from workers.context.programs import Programs
from workers.runtime.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.conftest import System


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system of this file's own: its Redis is wiped."""
    yield from run_system(tmp_path_factory.mktemp("own"))


class ShuffledTickets(Tickets):
    """Receives as AWS does: any of the messages, and a returned one anywhere."""

    def receive(self, pool: str, most: int = 1, wait_seconds: int = 0) -> list[Ticket]:
        found = super().receive(pool, 10, wait_seconds)
        random.shuffle(found)
        if found[most:]:  # in one call: the proxy of a test should not be what the test is waiting for
            entries = [
                {"Id": str(at), "ReceiptHandle": one.receipt, "VisibilityTimeout": 0} for at, one in enumerate(found[most:])
            ]
            self._sqs.change_message_visibility_batch(QueueUrl=self._urls[pool], Entries=entries)  # type: ignore[arg-type]
        return found[:most]


@pytest.mark.parametrize(
    ("kind", "count"),
    [(Tickets, 60), (ShuffledTickets, 200), pytest.param(ShuffledTickets, 1000, marks=pytest.mark.slow)],
)
def test_no_inversions(
    system: System, kind: type[Tickets], count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", system.stack.url("sqs"))
    system.stack.processes["worker"].stop()
    system.scripts.redis.flushall()
    wired = Services(load(system.stack.environment))
    tickets = kind(wired.tickets._sqs, wired.settings.queue_urls, wired.settings.dead_letter_urls)
    jobs = _enqueue(system, count)
    assert system.stats()["waiting"] == len(jobs)

    runner = Runner(
        wired.ledger, tickets, wired.directus, make_tools(tmp_path, programs=Programs("/nonexistent/ffmpeg", "none", {}))
    )
    while system.ledger.stats().waiting:
        for ticket in tickets.receive("container", 1, 0):
            runner.handle(ticket)

    lines = system.scripts.redis.lrange("{mediaq}:history:failed", 0, -1)  # newest first
    ran = [msgspec.json.decode(line)["jobId"] for line in reversed(lines)]
    assert sorted(ran) == sorted(jobs)
    priorities = [jobs[job_id] for job_id in ran]
    assert priorities == sorted(priorities)
    while found := tickets.receive("container", 10, 0):  # what is left of the tickets stands for nothing
        for ticket in found:
            runner.handle(ticket)
    assert system.scripts.redis.lrange("{mediaq}:history:failed", 0, -1) == lines
    system.stack.processes["worker"].start()


def _enqueue(system: System, count: int) -> dict[str, int]:
    """Enqueue records whose file is gone by the time they run: they fail at once, which is quick, and in order."""
    upload = system.admin("POST", "/files", files={"file": ("a.mp4", b"x", "video/mp4")})
    owner = Directus(system.stack.url("directus"), accounts.SERVICE_TOKEN, 10).whoami(system.token)
    system.admin("PATCH", f"/files/{upload['id']}", json={"uploaded_by": owner})
    jobs = {str(uuid.uuid4()): random.randint(1, 100) for _ in range(count)}
    body = [{"id": job_id, "operation": "transcoding", "input_file_id": upload["id"]} for job_id in jobs]
    answer = system.app._session.post(f"{system.stack.url('directus')}/items/media_jobs", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    with ThreadPoolExecutor(8) as threads:
        codes = threads.map(lambda item: system.app.enqueue(item[0], "transcoding", priority=item[1]).status_code, jobs.items())
        assert set(codes) == {200}
    system.admin("DELETE", f"/files/{upload['id']}")
    return jobs
