"""Compares the scripts of parts with a model: any sequence of claims, results, deaths, restarts and wipes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from chalicelib.ledger import ledger as ledger_module
from chalicelib.ledger.codec import LostJob
from chalicelib.ledger.ledger import Ledger, new_token
from chalicelib.ledger.parts import ATTEMPTS_MAX, LEASE_MS, ClaimedPart, NewPart, PartPlan, PartsLedger
from tests.unit import factories
from tests.unit.factories import Repeatable
from tests.unit.ledger.test_ledger_model import EXAMPLES

if TYPE_CHECKING:
    import pytest

    from tests.conftest import Clock, LossyScripts

TOTAL, SUSPECT_MS = 4, 3_000
PLAN = PartPlan("hash", "recipe", "engine", TOTAL, ("container",))
INDEX = st.integers(0, 20)


@dataclass
class Part:
    """A part of the model."""

    weight: float
    state: str = "open"
    runs: int = 0
    holders: dict[str, int] = field(default_factory=dict)
    """Token -> end of the lease."""
    result: str = ""
    ends: int = 0
    """When the next check reopens it, or first suspects it."""
    suspect: bool = False


class PartsMachine(RuleBasedStateMachine):
    """One job with parts, its lease holder, and any number of helpers."""

    scripts: LossyScripts
    clock: Clock

    @initialize()
    def start(self) -> None:
        Repeatable.dice.seed(7)
        self.scripts.redis.flushall()
        self.clock.ms = 1_800_000_000_000
        self.ledger = Ledger(self.scripts, self.clock)
        self.parts = PartsLedger(self.scripts, self.clock)
        self.job, self.token = factories.run_new(self.ledger)
        self.model: dict[int, Part] = {}
        self.results: dict[int, str] = {}
        """What the coordinator has, whatever the ledger knows."""
        self.claims: list[ClaimedPart] = []
        self.failed = self.over = False
        self.plan()

    def plan(self) -> None:
        assert self.parts.plan(self.job, self.token, PLAN).finished == self.finished()

    def finished(self) -> dict[int, str]:
        return {n: part.result for n, part in self.model.items() if part.state == "finished"}

    def expire(self) -> None:
        """What a claim and a look of the coordinator do first."""
        for part in self.model.values():
            if part.state != "active" or part.ends > self.clock.ms:
                continue
            if part.suspect:
                part.holders, part.suspect = {}, False
                self.reopen(part)
            else:
                part.suspect, part.ends = True, self.clock.ms + SUSPECT_MS

    def renewed(self, part: Part) -> None:
        part.ends, part.suspect = max(part.holders.values()), False

    def reopen(self, part: Part, rejected: bool = False) -> None:
        if part.holders and not rejected:
            self.renewed(part)
            return
        part.holders, part.suspect = {}, False
        part.state = "failed" if rejected or part.runs >= ATTEMPTS_MAX else "open"
        self.failed |= part.state == "failed"

    def alive(self) -> None:
        """The coordinator renews, so that the job itself is never lost here."""
        if not self.over:
            assert self.ledger.renew(self.job, self.token) == "ok"

    @precondition(lambda self: not self.over)
    @rule(n=st.integers(0, TOTAL - 1), weight=st.sampled_from([1.0, 2.0, 3.0]))
    def add(self, n: int, weight: float) -> None:
        known = self.results.get(n)
        assert self.parts.add(self.job, self.token, [NewPart(n, weight, f"source-{n}", 10, known)]) == "ok"
        if n not in self.model:
            self.model[n] = Part(weight, "finished" if known else "open", result=known or "")

    @precondition(lambda self: not self.over)
    @rule(own=st.booleans(), lost=st.booleans())
    def claim(self, own: bool, lost: bool) -> None:
        """Sometimes the first answer is lost."""
        token = new_token()
        self.scripts.lose = lost
        if own:
            word, got = self.parts.claim_own(self.job, self.token, token, "me")
        else:
            word, got = self.parts.claim_any("container", token, "engine", "helper")
        self.expire()
        best = max((part.weight for part in self.model.values() if part.state == "open"), default=None)
        if self.failed or best is None:
            assert word == "none" or (got is not None and self.second(got, token))
            return
        assert got is not None
        part = self.model[got.n]
        assert part.state == "open"
        assert part.weight == best
        self.take(got, token)

    def second(self, got: ClaimedPart, token: str) -> bool:
        """A part that takes too long is started a second time."""
        part = self.model[got.n]
        assert not self.failed
        assert part.state == "active"
        assert len(part.holders) == 1
        self.take(got, token)
        return True

    def take(self, got: ClaimedPart, token: str) -> None:
        part = self.model[got.n]
        part.state, part.runs = "active", part.runs + 1
        part.holders[token] = self.clock.ms + LEASE_MS
        self.renewed(part)
        assert got.run == part.runs
        self.claims.append(got)

    def held(self, index: int) -> tuple[ClaimedPart, bool]:
        claimed = self.claims[-1 - index % len(self.claims)]
        part = self.model.get(claimed.n)
        return claimed, not self.over and part is not None and claimed.token in part.holders

    @precondition(lambda self: self.claims)
    @rule(index=INDEX)
    def renew(self, index: int) -> None:
        claimed, holds = self.held(index)
        assert self.parts.renew(claimed) == ("ok" if holds else "lost")
        if holds:
            self.model[claimed.n].holders[claimed.token] = self.clock.ms + LEASE_MS
            self.renewed(self.model[claimed.n])

    @precondition(lambda self: self.claims)
    @rule(index=INDEX, lost=st.booleans())
    def finish(self, index: int, lost: bool) -> None:
        claimed, holds = self.held(index)
        part = self.model.get(claimed.n)
        again = not self.over and part is not None and part.result == f"result-{claimed.token}"
        self.scripts.lose = lost
        assert self.parts.finish(claimed, f"result-{claimed.token}", 1, 0) == ("ok" if holds or again else "lost")
        if holds:
            assert part is not None
            part.state, part.holders, part.result = "finished", {}, f"result-{claimed.token}"

    @precondition(lambda self: self.claims)
    @rule(index=INDEX, how=st.sampled_from(["failed", "released", "rejected"]))
    def give_back(self, index: int, how: str) -> None:
        claimed, holds = self.held(index)
        assert self.parts.give_back(claimed, how, "error") == ("ok" if holds else "lost")  # type: ignore[arg-type]
        if holds:
            part = self.model[claimed.n]
            del part.holders[claimed.token]
            part.runs -= how == "released"
            self.reopen(part, how == "rejected")

    @precondition(lambda self: not self.over)
    @rule()
    def watch(self) -> None:
        """What the coordinator has seen, it has."""
        self.expire()
        answer = self.parts.watch(self.job, self.token, 0)
        assert answer.finished == self.finished()
        assert answer.done == len(answer.finished)
        assert bool(answer.error) == self.failed
        states = [part.state for part in self.model.values()]
        assert (answer.open, answer.held) == (states.count("open"), states.count("active"))
        self.results |= answer.finished

    @rule(ms=st.sampled_from([1, 2_000, 10_001, 30_000]))
    def wait(self, ms: int) -> None:
        for _ in range(0, ms, 5_000):
            self.clock.advance(min(ms, 5_000))
            self.alive()

    @precondition(lambda self: not self.over)
    @rule()
    def coordinator_dies(self) -> None:
        """The next attempt goes on with what is finished."""
        former = self.token
        assert self.ledger.release(self.job, former) == "ok"
        assert self.parts.watch(self.job, former, 0).word == "lost"
        self.token = new_token()
        assert self.ledger.claim("container", self.job.id, self.job.job_id, self.token).word == "run"
        self.plan()

    @precondition(lambda self: not self.over)
    @rule()
    def flush(self) -> None:
        """Redis is wiped; the coordinator tells it all again, little by little."""
        self.scripts.redis.flushall()
        self.model, self.failed = {}, False
        assert self.ledger.adopt([LostJob(self.job, "processing", 0, self.token)]) == ["adopted"]
        self.alive()
        assert self.parts.watch(self.job, self.token, 0).word == "unknown"
        self.plan()

    @precondition(lambda self: not self.over)
    @rule()
    def end(self) -> None:
        assert self.ledger.finish(self.job, self.token, "completed", {}) == "ok"
        self.over = True
        assert not self.scripts.redis.keys(f"*part*{self.job.job_id}")

    @invariant()
    def one_result_each(self) -> None:
        """A finished part stays finished, with the same result."""
        if getattr(self, "over", True):
            return
        state = self.parts.read(self.job.job_id, self.job.id)
        assert state is not None
        rows = {row.n: row for row in state.rows}
        assert {n for n, row in rows.items() if row.state == "finished"} == set(self.finished())
        assert state.done == len(self.finished())


def test_parts_follow_the_model(shared_scripts: LossyScripts, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "secrets", Repeatable)
    PartsMachine.scripts, PartsMachine.clock = shared_scripts, clock
    run_state_machine_as_test(
        PartsMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
