"""All writers of a record's status, two at a time, interleaved at every step, on the stand-in and on the real Directus.

Directus looks for the records that a filtered update means, and writes to them afterwards. Here the two are separate calls, so
that another writer can come in between, as it can inside Directus.
"""

from __future__ import annotations

import threading
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.access.auth import ON_BEHALF
from chalicelib.access.ownership import Ownership
from chalicelib.domain.plans import load_plans
from chalicelib.domain.presets import load_presets
from chalicelib.errors import MediaRejected
from chalicelib.ledger.ledger import Ledger
from chalicelib.ledger.usage import UsageLedger
from chalicelib.queues.tickets import Ticket
from chalicelib.settings import PLANS_FILE
from chalicelib.usecases import cancel, enqueue
from chalicelib.usecases.admission import AdmissionChecks
from chalicelib.usecases.cancel import Canceller
from chalicelib.usecases.charges import Charges
from chalicelib.usecases.enqueue import Enqueuer
from chalicelib.usecases.enqueue_created import CreatedRecords
from infra.local.directus import accounts
from tests.contract.jobs.actors import WAITS_SECONDS, Actor, SteppedDirectus, Tickets, step
from tests.media import make_tools
from workers.attempt import lease, lease_keeper
from workers.attempt.attempt import Attempt
from workers.context.work import Done
from workers.runtime import recovery, runner
from workers.runtime.runner import Runner

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Clock, LossyScripts
    from tests.contract.server import Server

PAIRS = [
    ("queued", "worker", "cancel"), ("queued", "cancel", "worker"), ("queued", "worker", "worker"), ("queued", "cancel", "cancel"),
    ("queued", "failing worker", "cancel"), ("queued", "cancel", "failing worker"), ("queued", "worker", "reopen"),
    ("queued", "cancel", "reopen"), ("queued", "reopen", "cancel"), ("queued", "flow", "cancel"), ("queued", "worker", "flow"),
    ("run before", "worker", "cancel"), ("run before", "cancel", "worker"),
    ("failed", "reopen", "reopen"), ("failed", "reopen", "cancel"), ("failed", "cancel", "reopen"),
    ("failed", "reopen", "flow"), ("failed", "unsent reopen", "reopen"), ("failed", "reopen", "unsent reopen"),
    ("failed", "unsent reopen", "cancel"),
    ("wiped", "worker", "cancel"), ("wiped", "cancel", "worker"), ("wiped", "adopt", "cancel"), ("wiped", "cancel", "adopt"),
    ("wiped", "worker", "adopt"), ("forgotten", "cancel", "worker"), ("forgotten", "worker", "cancel"),
    ("forgotten", "cancel", "adopt"), ("failed", "reopen", "reopen and worker"), ("failed", "cancel", "reopen and worker"),
    ("failed", "unsent reopen", "reopen and worker"), ("made", "flow", "reopen and worker"),
    ("made", "flow", "reopen"), ("made", "reopen", "flow"), ("made", "flow", "cancel"), ("made", "cancel", "flow"),
]  # fmt: skip
"""The state of the record, who begins, and who comes in between."""


class Scene:
    """One record, and everybody who may change it."""

    def __init__(self, server: Server, scripts: LossyScripts, clock: Clock, folder: Path) -> None:
        self.server, self.scripts, self.clock = server, scripts, clock
        self.directus = SteppedDirectus(server.url, accounts.SERVICE_TOKEN, 10)
        self.directus.history = []
        self.ledger: Any = Ledger(scripts, clock)
        self.tickets: Any = Tickets()
        ownership = Ownership(self.directus)
        charges = Charges(self.directus, UsageLedger(scripts))
        checks = AdmissionChecks(
            self.directus, ownership, load_plans(PLANS_FILE), load_presets(), calls_back=False, delay_max_ms=0
        )
        self.enqueuer = Enqueuer(self.directus, self.ledger, self.tickets, charges, checks)
        self.canceller = Canceller(self.directus, self.ledger, self.tickets, ownership)
        self.flow = CreatedRecords(self.directus, self.enqueuer, self.ledger)
        self.runner = Runner(self.ledger, self.tickets, self.directus, make_tools(folder))

    def prepare(self, state: str) -> None:
        self.scripts.redis.flushall()
        self.clock.advance(3_600_000)
        self.ledger.sweep()
        self.clock.advance(3_600_000)  # a ledger that has been there for an hour
        self.record: str = self.server.record(input_file_id=None, input_url="https://example.com/a.mp4")["id"]
        self.tickets.sent.clear()
        self.directus.history.clear()
        if state == "made":
            self.patch(params={"codec": "h999"})
            return
        self.enqueue()
        if state == "run before":  # and its worker was killed
            self.ledger.claim("container", self.tickets.sent[0].id, self.record, "t")
            self.patch(status="processing", attempts=1)
            for _ in range(2):
                self.clock.advance(15_000)
                self.ledger.sweep()
        if state == "failed":
            self.work("failing worker")
        if state in ("wiped", "forgotten"):
            self.scripts.redis.flushall()
        if state == "forgotten":  # the job's ticket is still on its way long after the wipe
            self.ledger.sweep()
            self.clock.advance(60_000)
        self.directus.history.clear()

    def patch(self, **values: Any) -> None:
        answer = self.server.call("PATCH", f"/items/media_jobs/{self.record}", accounts.ADMIN_TOKEN, json=values)
        assert answer.status_code == 200

    def enqueue(self) -> Any:
        return self.enqueuer.enqueue({"jobId": self.record, "operation": "transcoding", "params": {}}, ON_BEHALF)

    def act(self, who: str) -> Any:
        match who:
            case "cancel":
                return self.canceller.cancel(self.record)
            case "reopen" | "unsent reopen":
                return self.enqueue()
            case "reopen and worker":
                admitted = self.enqueue()
                self.work(who)
                return admitted
            case "flow":
                return self.flow.enqueue(self.record)
            case "adopt":
                return recovery.put_back([self.ticket()], self.ledger, self.tickets, self.directus)
        return self.work(who)

    def work(self, who: str) -> None:
        threading.current_thread().name = who
        for job in list(self.tickets.sent):
            self.runner.handle(Ticket(job.pool, "", "handle", job))

    def ticket(self) -> Any:
        job = self.tickets.sent[0]
        return Ticket(job.pool, "", "handle", job)

    def settle(self) -> None:
        """Let time pass, and workers meet every ticket, until nothing is open."""
        self.locks_end()
        for _ in range(8):
            stats = self.ledger.stats()
            self.clock.advance(60_000)
            self.tickets.sent += self.ledger.sweep().missing
            self.work("worker")
            if not stats.waiting + stats.active + stats.delayed:
                break
        stats = self.ledger.stats()
        assert (stats.waiting, stats.active, stats.delayed) == (0, 0, 0)

    def locks_end(self) -> None:
        """As they do by themselves, later."""
        for key in self.scripts.redis.scan_iter("*:lock:*"):
            self.scripts.redis.delete(key)

    def status(self) -> tuple[str, str | None]:
        row = self.server.call("GET", f"/items/media_jobs/{self.record}", accounts.ADMIN_TOKEN).json()["data"]
        return row["status"], row["error"]


@pytest.fixture
def scene(server: Server, scripts: LossyScripts, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Everybody, in a hurry."""
    for module, name, value in [
        (cancel, "WAIT_SECONDS", 0.15), (cancel, "ASK_SECONDS", 0.02), (enqueue, "LOCKED_ROUNDS", 6),
        (enqueue, "LOCKED_SECONDS", 0.02), (lease_keeper, "STARTED_SECONDS", 0.01), (lease, "LOCKED_SECONDS", 0.02),
        (runner, "RELEASE_MS", (10, 10)),
    ]:  # fmt: skip
        monkeypatch.setattr(module, name, value)
    call = scripts.call

    def stepped(name: str, *args: Any) -> list[Any]:
        step()
        return call(name, *args)

    monkeypatch.setattr(scripts, "call", stepped)

    def work(*_: Any) -> tuple[Done, str]:
        step()
        if threading.current_thread().name == "failing worker":
            raise MediaRejected("The input is not a media file that can be read")
        return Done([]), "clip.mp4"

    monkeypatch.setattr(Attempt, "_work", work)
    return Scene(server, scripts, clock, tmp_path)


@pytest.mark.parametrize("killed", [False, True], ids=["goes on", "is killed"])
@pytest.mark.parametrize(("state", "first", "second"), PAIRS)
def test_two_writers(scene: Scene, state: str, first: str, second: str, killed: bool) -> None:
    for steps in count():
        scene.prepare(state)
        begun = Actor(first, lambda: scene.act(first))
        begun.advance()
        for _ in range(steps):
            if not begun.over:
                begun.advance()
        if begun.over:
            break
        other = Actor(second, lambda: scene.act(second))
        other.go_on()
        other.join(timeout=WAITS_SECONDS)  # it may wait for the first one
        begun.go_on(killed=killed)
        begun.finish()
        if killed:
            scene.locks_end()
        other.finish()
        history = list(scene.directus.history)
        where = f"{first} at step {steps}, then {second}: {history}, {begun.answer!r}, {other.answer!r}"
        _check_history(state, scene.directus.history, where)
        scene.settle()
        _check_history(state, scene.directus.history, where)
        _check_end(scene, begun, other, where)
    assert steps > 0


def _check_history(state: str, history: list[tuple[str, str]], where: str) -> None:
    """A closed record is changed by nobody but whoever reopens it, after it failed."""
    status = {"failed": "failed"}.get(state, "pending")
    for who, written in history:
        allowed = written == "pending" if status == "failed" else status != "completed"
        assert allowed, f"{who} wrote {written} to a record that was {status}. {where}"
        status = written


def _check_end(scene: Scene, begun: Actor, other: Actor, where: str) -> None:
    """The record is closed, unless it was never enqueued; what was told to a caller is so, unless the other undid it."""
    status, error = scene.status()
    told = {actor.name: actor.answer for actor in (begun, other)}
    accepted = any(isinstance(answer, enqueue.Enqueued) for answer in told.values())
    if status in ("pending", "processing"):
        assert status == "pending", where
        assert (seen := scene.ledger.get(scene.record)) is None or seen.state in ("failed", "cancelled", "retracted"), where
        assert not accepted, where
    if told.get("cancel") == "cancelled" and not told.keys() - {"cancel", "worker", "failing worker", "adopt"}:
        assert (status, error) == ("failed", "Cancelled"), where
