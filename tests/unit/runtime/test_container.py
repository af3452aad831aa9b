"""A container worker: which job a slot runs next, with and without tickets."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from bench.noop import NoopRunner
from chalicelib.errors import DirectusUnavailable, WorkerStopping
from chalicelib.queues.tickets import Ticket
from tests.unit.factories import admit
from tests.waiting import until
from workers.runtime import container
from workers.runtime.container import ContainerWorker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.domain.jobs import MediaJob
    from chalicelib.ledger.ledger import Ledger


class Queue:
    """Gives each ticket out once, and notes what is deleted and returned."""

    def __init__(self) -> None:
        self.tickets: list[Ticket] = []
        self.deleted: list[str] = []
        self.returned: list[str] = []
        self.sent: list[str] = []

    def receive(self, pool: str, most: int, wait_seconds: int) -> list[Ticket]:
        found = [ticket for ticket in self.tickets if ticket.pool == pool][:most]
        self.tickets = [ticket for ticket in self.tickets if ticket not in found]
        if not found:
            time.sleep(0.01)
        return found

    def delete_all(self, tickets: list[Ticket]) -> None:
        self.deleted += [ticket.receipt for ticket in tickets]

    def hold_all(self, delays: list[tuple[Ticket, int]]) -> None:
        self.returned += [ticket.receipt for ticket, _ in delays]

    def send_all(self, sendings: Any) -> dict[str, Any]:
        return {}

    def send(self, job: MediaJob, delay_ms: int) -> None:
        self.sent.append(job.job_id)


class Scene:
    """A worker, its queue, and what it ran."""

    def __init__(self, ledger: Ledger, concurrency: int, helper: Any = None) -> None:
        self.ledger = ledger
        self.queue: Any = Queue()
        self.ran: list[str] = []
        self.runner = NoopRunner(ledger, self.queue, self.ran.append, helper)
        idle: Any = SimpleNamespace(wake=lambda due: None, stop=lambda: None)
        self.worker = ContainerWorker(
            self.runner, ledger, self.queue, pools=["lambda", "container"], concurrency=concurrency, poll_seconds=0,
            drain_seconds=5, webhook_sender=idle, credential_tester=idle,
        )  # fmt: skip

    def send(self, *jobs: MediaJob) -> None:
        self.queue.tickets += [Ticket(job.pool, job.job_id, "", job) for job in jobs]

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self.worker.run)
        thread.start()
        try:
            yield
        finally:
            self.stop()
            thread.join(10)
            assert not thread.is_alive()

    def stop(self) -> None:
        self.worker._on_signal(15, None)

    def until(self, count: int) -> None:
        until(lambda: len(self.ran) >= count)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container.signal, "signal", lambda *_: None)  # not in the main thread
    monkeypatch.setattr(container, "SWEEP_SECONDS", 60)


def test_a_busy_slot_runs_job_after_job_without_their_tickets(ledger: Ledger) -> None:
    scene = Scene(ledger, 1)
    jobs = [admit(ledger, priority=priority) for priority in (30, 10, 20)]
    scene.send(jobs[0])
    with scene.running():
        scene.until(3)
    assert scene.ran == [jobs[1].job_id, jobs[2].job_id, jobs[0].job_id]
    assert scene.queue.returned == [jobs[0].job_id]  # its job was not the best one
    assert ledger.stats()[:4] == (0, 0, 0, 3)


def test_the_tickets_of_jobs_that_ran_are_deleted_when_they_arrive(ledger: Ledger) -> None:
    scene = Scene(ledger, 1)
    jobs = [admit(ledger) for _ in range(4)]
    scene.send(jobs[0])
    with scene.running():
        scene.until(4)
        scene.send(*jobs[1:])
        until(lambda: len(scene.queue.deleted) == 4)
    assert sorted(scene.queue.deleted) == sorted(job.job_id for job in jobs)
    assert len(scene.ran) == 4


def test_a_sweep_finds_jobs_whose_tickets_are_hidden(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "SWEEP_SECONDS", 0.05)
    scene = Scene(ledger, 2)
    jobs = [admit(ledger, pool=pool) for pool in ("lambda", "container", "container")]
    with scene.running():
        scene.until(3)
    assert sorted(scene.ran) == sorted(job.job_id for job in jobs)


def test_a_sweep_starts_nothing_in_a_paused_pool(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "SWEEP_SECONDS", 0.02)
    scene = Scene(ledger, 2)
    admit(ledger)
    ledger.pause("container", True)
    looks: list[str] = []
    look = scene.runner.look
    scene.runner.look = lambda pool: looks.append(pool) or look(pool)  # type: ignore[func-returns-value, method-assign]
    with scene.running():
        time.sleep(0.3)
        assert (scene.ran, looks) == ([], [])
        ledger.pause("container", False)
        scene.until(1)


def test_a_slot_takes_turns_between_its_pools(ledger: Ledger) -> None:
    scene = Scene(ledger, 1)
    jobs = [admit(ledger, pool=pool) for pool in ("lambda", "container") * 4]
    pools = {job.job_id: job.pool for job in jobs}
    scene.send(jobs[0])
    with scene.running():
        scene.until(8)
    sequence = [pools[job_id] for job_id in scene.ran]
    assert sequence[1:7] in (["lambda", "container"] * 3, ["container", "lambda"] * 3)


def test_a_pool_that_is_paused_meanwhile_is_left(ledger: Ledger) -> None:
    scene = Scene(ledger, 1)
    jobs = [admit(ledger) for _ in range(3)]
    scene.send(jobs[0])

    def act(job_id: str) -> None:
        ledger.pause("container", True)
        scene.ran.append(job_id)

    scene.runner.act = act
    with scene.running():
        scene.until(1)
        time.sleep(0.1)
    assert len(scene.ran) == 1
    assert ledger.stats()[:2] == (2, 0)


def test_a_worker_that_stops_claims_no_further_job(ledger: Ledger) -> None:
    scene = Scene(ledger, 1)
    jobs = [admit(ledger) for _ in range(3)]
    scene.send(jobs[0])

    def act(job_id: str) -> None:
        scene.stop()
        while not scene.worker._stopping.is_set():
            time.sleep(0.005)
        scene.ran.append(job_id)

    scene.runner.act = act
    with scene.running():
        scene.until(1)
    assert scene.ran == [jobs[0].job_id]
    assert ledger.stats()[:2] == (2, 0)
    assert scene.queue.deleted == [jobs[0].job_id]  # also what was to be deleted with others


@pytest.mark.parametrize(("reason", "tickets"), [(DirectusUnavailable(), 0), (None, 1)])
def test_a_released_job_without_its_ticket_gets_one_from_a_worker_that_stops(
    ledger: Ledger, reason: Exception | None, tickets: int
) -> None:
    """While the worker goes on, a sweep finds the job. After its end there may be Lambdas only."""
    scene = Scene(ledger, 1)
    admit(ledger)

    def act(job_id: str) -> None:
        scene.ran.append(job_id)
        if reason is None:
            scene.runner.stop()
        raise reason or WorkerStopping("The worker is shutting down")

    scene.runner.act = act
    assert scene.runner.look("container")
    assert len(scene.queue.sent) == tickets
    assert ledger.stats()[1] == 0


class Helper:
    """Takes `parts` parts, if the turn is theirs."""

    def __init__(self, ledger: Ledger, scene_ran: list[str]) -> None:
        self._scripts, self.ran = ledger._scripts, scene_ran
        self.parts = 0

    def help(self, pool: str) -> bool:
        if not self.parts or pool != "container":
            return False
        self.parts -= 1
        self.ran.append("part")
        if not self.parts:
            self._scripts.redis.delete("{test}:offered:container")
        return True

    def stop(self, reason: Any) -> None: ...


def test_parts_of_another_job_have_their_turn_between_jobs(ledger: Ledger) -> None:
    ran: list[str] = []
    helper = Helper(ledger, ran)
    scene = Scene(ledger, 1, helper)
    scene.ran, scene.runner.act = ran, ran.append
    first, second = admit(ledger, priority=1), admit(ledger, priority=50)
    helper.parts = 2
    ledger._scripts.redis.zadd("{test}:offered:container", {"someone's film": 10 * 2**32})
    scene.send(first)
    with scene.running():
        scene.until(4)
    assert ran == [first.job_id, "part", "part", second.job_id]


def test_parts_that_this_worker_cannot_take_hold_up_no_job(ledger: Ledger) -> None:
    scene = Scene(ledger, 1, Helper(ledger, []))
    first, second = admit(ledger, priority=1), admit(ledger, priority=50)
    ledger._scripts.redis.zadd("{test}:offered:container", {"a film for another engine": 10 * 2**32})
    scene.send(first)
    with scene.running():
        scene.until(2)
    assert scene.ran == [first.job_id, second.job_id]
