"""Import from the BullMQ server: a real queue, filled by the real BullMQ."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from bench import peers
from chalicelib import __main__ as command
from chalicelib.errors import TicketsUnavailable
from chalicelib.maintenance.bullmq_import import SET_ASIDE, OldQueue
from infra.local import node
from infra.local.process import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.conftest import Api

FILL = """
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
const connection = new Redis(process.env.REDIS_URL, { maxRetriesPerRequest: null });
const queue = new Queue('media', { connection });
const jobs = JSON.parse(process.env.JOBS);
if (process.env.PAUSED) await queue.pause();
for (const job of jobs.added) await queue.add(job.data.operation, job.data, job.opts);
if (jobs.taken) {
  const worker = new Worker('media', null, { connection, autorun: false });
  for (let n = 0; n < jobs.taken; n++) await worker.getNextJob('token-' + n);
  await worker.close(true);
}
console.log(JSON.stringify(await queue.getJobCounts()));
process.exit(0);
"""


@pytest.fixture
def old(api: Api, redis_url: str) -> Iterator[str]:
    """The Redis of the BullMQ server: a database of its own."""
    return redis_url.removesuffix("/0") + "/1"


def fill(url: str, *added: tuple[dict[str, Any], dict[str, Any]], taken: int = 0, paused: bool = False) -> dict[str, int]:
    """Put jobs into the queue as the server does; its workers take some."""
    jobs = {"added": [{"data": data, "opts": opts} for data, opts in added], "taken": taken}
    environment = {**os.environ, "REDIS_URL": url, "JOBS": json.dumps(jobs), "PAUSED": "1" if paused else ""}
    done = subprocess.run(
        [str(node.node()), "--input-type=module", "-e", FILL],
        cwd=peers.bullmq_home(),
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counts: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return counts


def job(record: str, operation: str = "transcoding", **opts: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the server hands to BullMQ."""
    data = {"jobId": record, "operation": operation, "params": {}, "userId": "whoever"}
    return data, {"attempts": 3, "jobId": str(uuid.uuid4()), **opts}


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("paused", [False, True])
def test_everything_that_waits_is_moved_with_its_order(
    api: Api, old: str, capsys: pytest.CaptureFixture[str], paused: bool
) -> None:
    records = [api.record() for _ in range(5)]
    first, second, urgent, later, plain = records
    counts = fill(
        old,
        job(first, priority=10),
        job(second, priority=10),
        job(urgent, priority=2),
        job(later, delay=600_000),
        job(plain),
        paused=paused,
    )
    assert sum(counts.values()) == 5
    assert command.main(["drain-bullmq", old]) == 0
    assert "5 of 5 jobs were imported" in capsys.readouterr().out
    seen = {record: api.services.ledger.get(record) for record in records}
    assert {record: one.state for record, one in seen.items() if one} == {
        first: "waiting", second: "waiting", urgent: "waiting", later: "delayed", plain: "waiting",
    }  # fmt: skip
    assert [seen[record].priority for record in (first, urgent, plain)] == [10, 2, 10]  # type: ignore[union-attr]
    due = seen[later]
    assert due is not None
    assert due.at_ms is not None
    waiting = api.services.scripts.redis.zrange("{test}:waiting:container", 0, -1)
    order = [member[37:] for member in waiting]
    assert order.index(urgent) == 0
    assert order.index(first) < order.index(second)
    assert OldQueue(old, "media").ids() == []
    assert command.main(["drain-bullmq", old]) == 0
    assert "0 of 0" in capsys.readouterr().out


@pytest.mark.usefixtures("operator")
def test_what_cannot_be_moved_stays_and_says_why(api: Api, old: str, capsys: pytest.CaptureFixture[str]) -> None:
    good, done, gone = api.record(), api.record(), str(uuid.uuid4())
    api.directus("PATCH", f"/items/media_jobs/{done}", json={"status": "completed"})
    fill(old, job(good), job(done), job(gone), job(good, operation="juggling"))
    assert command.main(["drain-bullmq", old]) == 1
    said = capsys.readouterr().out
    assert f"{gone}: jobId must be the id of one of your media_jobs records" in said
    assert "2 of 4 jobs were imported" in said
    assert len(OldQueue(old, "media").ids()) == 2


@pytest.mark.usefixtures("operator")
def test_those_that_its_workers_have_are_left_unless_they_are_gone(
    api: Api, old: str, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [api.record(), api.record()]
    fill(old, *(job(record) for record in records), taken=1)
    assert command.main(["drain-bullmq", old]) == 1
    assert "1 are active" in capsys.readouterr().out
    assert command.main(["drain-bullmq", old, "--active"]) == 0
    assert api.call("GET", "/stats").json["stats"]["waiting"] == 2


@pytest.mark.usefixtures("operator")
def test_a_dry_run_changes_nothing(api: Api, old: str, capsys: pytest.CaptureFixture[str]) -> None:
    fill(old, job(api.record()))
    assert command.main(["drain-bullmq", old, "--dry-run"]) == 0
    assert capsys.readouterr().out == "1 jobs would be imported\n"
    assert len(OldQueue(old, "media").ids()) == 1
    assert api.call("GET", "/stats").json["stats"]["waiting"] == 0


def test_interrupted_it_goes_on_where_it_was(api: Api, old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    record = api.record()
    fill(old, job(record, delay=600_000))
    queue = OldQueue(old, "media")
    [id_] = queue.ids()
    with monkeypatch.context() as patch:
        patch.setattr(api.services.tickets, "send_all", lambda sendings: {one.job.id: TicketsUnavailable() for one in sendings})
        with pytest.raises(TicketsUnavailable):
            queue.move(id_, api.services.enqueuer)
    assert queue._redis.hkeys(f"bull:media:{SET_ASIDE}") == [id_]
    assert queue._redis.zcard("bull:media:delayed") == 0  # no old worker takes it meanwhile
    assert [one.refusal for one in queue.move_all(api.services.enqueuer)] == [""]
    assert queue.ids() == []
    assert api.call("GET", "/stats").json["stats"]["delayed"] == 1  # it is still to run when it was to run


def test_a_job_that_an_old_worker_took_is_left_to_it(api: Api, old: str) -> None:
    fill(old, job(api.record()))
    queue = OldQueue(old, "media")
    [id_] = queue.ids()
    queue._redis.lmove("bull:media:wait", "bull:media:active", "RIGHT", "LEFT")
    assert queue.move(id_, api.services.enqueuer) is None
    assert queue._redis.lrange("bull:media:active", 0, -1) == [id_]
    assert queue._redis.hlen(f"bull:media:{SET_ASIDE}") == 0


@pytest.mark.usefixtures("operator")
def test_an_old_redis_that_is_away(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["drain-bullmq", f"redis://{LOOPBACK}:1/0"]) == 3
    assert "The old queue's Redis does not answer" in capsys.readouterr().err
