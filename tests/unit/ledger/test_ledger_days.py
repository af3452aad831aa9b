"""Days of load: nothing grows without bound, and delayed jobs cost other jobs nothing."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from chalicelib.domain.retry_policy import BACKOFF_MS
from tests.unit.factories import admit, claim, job

if TYPE_CHECKING:
    from chalicelib.ledger.ledger import Ledger
    from chalicelib.ledger.scripts import Scripts
    from tests.conftest import Clock

HOUR_MS = 3_600_000
JOBS_AN_HOUR = 60


def live_through(ledger: Ledger, clock: Clock, day: int) -> None:
    """24 hours of arrivals: jobs of new users that complete, fail, are retried, cancelled, delayed, or lose their worker."""
    dice = random.Random(day)
    for hour in range(24):
        for number in range(JOBS_AN_HOUR):
            user = f"user-{day}-{hour}-{number % 30}"
            delay = 60_000 if dice.random() < 0.1 else 0
            one = job(user, dice.randint(1, 100), dice.choice(["lambda", "container"]))
            admitted = ledger.admit(one, "pending", -1, delay).send
            assert admitted is not None
            clock.advance(HOUR_MS // JOBS_AN_HOUR)
            fate = dice.random()
            if fate < 0.1:
                ledger.cancel(admitted.job_id, admitted.id)
                continue
            got = claim(ledger, admitted)
            if got.job is None:
                continue
            if fate < 0.2:  # its worker dies
                clock.advance(10_001)
                ledger.sweep()
                clock.advance(3_001)
                ledger.sweep()
            elif fate < 0.3:
                ledger.finish(got.job, got.token, "retry", {}, BACKOFF_MS)
            else:
                ledger.finish(got.job, got.token, "completed" if fate < 0.9 else "failed", {"error": "e" * 50})
        drain(ledger, clock)


def drain(ledger: Ledger, clock: Clock) -> None:
    """Finish whatever is open."""
    clock.advance(120_000)
    while ledger.sweep().missing or ledger.stats()[:3] != (0, 0, 0):
        clock.advance(900_001)
        for waiting in ledger.sweep().missing:
            got = claim(ledger, waiting)
            if got.job is not None:
                ledger.finish(got.job, got.token, "completed", {})


def kept(scripts: Scripts) -> dict[str, int]:
    """Return the bytes of each kind of key, once everything with an end has come to it."""
    used: dict[str, int] = {}
    for key in scripts.redis.scan_iter(count=1000):
        if scripts.redis.ttl(key) < 0:
            kind = key.split(":")[1]
            used[kind] = used.get(kind, 0) + scripts.redis.memory_usage(key)
    return used


def test_a_day_leaves_the_memory_where_it_was(ledger: Ledger, scripts: Scripts, clock: Clock) -> None:
    for day in (1, 2):
        live_through(ledger, clock, day)
        used = kept(scripts)
        assert used.keys() <= {"history", "meta", "pool", "rounds", "totals"}
        history = used.pop("history")
        assert history < 300 * (120 + 1020)  # as many lines as are kept
        assert sum(used.values()) < 10_000  # rounds: of users whose last job was cancelled, until the round is over


def test_thousands_that_are_due_at_once_are_promoted_some_at_a_time(ledger: Ledger, clock: Clock) -> None:
    for number in range(1000):
        ledger.admit(job(f"u{number}"), "pending", -1, 1000)
    now = admit(ledger, priority=1)
    clock.advance(1000)
    got = claim(ledger, now)
    assert got.job == now
    assert ledger.stats()[:3] == (20, 1, 980)
    while ledger.stats().delayed:
        ledger.sweep()
    assert ledger.stats()[:3] == (1000, 1, 0)


def test_thousands_of_delayed_jobs_cost_the_others_nothing(ledger: Ledger, scripts: Scripts) -> None:
    def commands() -> int:
        before = scripts.redis.info("commandstats")
        got = claim(ledger, admit(ledger))
        assert got.job is not None
        assert ledger.finish(got.job, got.token, "completed", {}) == "ok"
        ledger.sweep()
        after = scripts.redis.info("commandstats")
        return sum(after[name]["calls"] - before.get(name, {"calls": 0})["calls"] for name in after)

    commands()
    alone = commands()
    for number in range(2000):
        ledger.admit(job(f"u{number}"), "pending", -1, 3_600_000)
    assert ledger.stats().delayed == 2000
    assert commands() <= alone
