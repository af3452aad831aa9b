"""Parts: who may take one, in which order, and what becomes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib.ledger.codec import LostJob
from chalicelib.ledger.ledger import new_token
from chalicelib.ledger.parts import LEASE_MS, ClaimedPart, NewPart, PartPlan, PartsLedger
from tests.unit.factories import admit, claim, run_new

if TYPE_CHECKING:
    from chalicelib.domain.jobs import MediaJob
    from chalicelib.ledger.ledger import Ledger
    from chalicelib.ledger.scripts import Scripts
    from tests.conftest import Clock, LossyScripts

ENGINE = "1 ffmpeg"


def plan(total: int = 3, digest: str = "h1") -> PartPlan:
    return PartPlan(digest, "recipe-key", ENGINE, total, ("container", "lambda"))


def new_parts(total: int = 3) -> list[NewPart]:
    """The heaviest is in the middle."""
    return [NewPart(n, 10 + (n == total // 2), f"source-{n}", 1000) for n in range(total)]


def started(ledger: Ledger, parts: PartsLedger, user: str = "u1", total: int = 3) -> tuple[MediaJob, str]:
    job, token = run_new(ledger, user)
    assert parts.plan(job, token, plan(total)).word == "ok"
    assert parts.add(job, token, new_parts(total)) == "ok"
    return job, token


def take(parts: PartsLedger, pool: str = "container", worker: str = "helper", **limits: float) -> ClaimedPart | None:
    return parts.claim_any(pool, new_token(), ENGINE, worker, **limits)[1]  # type: ignore[arg-type]


def test_the_part_with_the_most_work_is_first(ledger: Ledger, parts: PartsLedger) -> None:
    job, token = started(ledger, parts)
    word, own = parts.claim_own(job, token, new_token(), "me")
    assert (word, own and own.n) == ("part", 1)
    others = [take(parts, pool) for pool in ("lambda", "container", "container")]
    assert [one and one.n for one in others] == [0, 2, None]
    assert others[0] is not None
    assert others[0][:8] == (job.job_id, job.id, 0, 1, "recipe-key", "source-0", 1000, 10.0)


def test_a_finished_part_is_known_once(ledger: Ledger, parts: PartsLedger) -> None:
    job, token = started(ledger, parts)
    part = take(parts)
    assert part is not None
    assert parts.finish(part, "result", 5, 0) == "ok"
    assert parts.finish(part, "result", 5, 0) == "ok"  # the answer was lost
    answer = parts.watch(job, token, 0)
    assert (answer.done, answer.open, answer.held, answer.finished) == (1, 2, 0, {1: "result"})
    assert parts.watch(job, token, 1).finished == {}
    assert parts.renew(part) == "lost"


def test_the_next_attempt_goes_on(ledger: Ledger, parts: PartsLedger) -> None:
    job, token = started(ledger, parts)
    part = take(parts)
    assert part is not None
    assert parts.finish(part, "result", 5, 0) == "ok"
    assert ledger.release(job, token) == "ok"
    assert parts.plan(job, token, plan()).word == "lost"
    again = ledger.claim("container", job.id, job.job_id, new_token())
    assert parts.plan(job, again.token, plan()).finished == {1: "result"}
    assert parts.plan(job, again.token, plan(digest="of another film")).finished == {}


def test_nobody_takes_parts_of_a_job_that_waits_or_is_cancelled(ledger: Ledger, parts: PartsLedger) -> None:
    job, token = started(ledger, parts)
    ledger.release(job, token)
    assert take(parts) is None
    again = ledger.claim("container", job.id, job.job_id, new_token())
    held = take(parts)
    assert held is not None
    ledger.renew(job, again.token)
    ledger.begin_cancel(job.job_id, job.id, "api")
    ledger.cancel(job.job_id, job.id, "api")
    assert take(parts) is None
    assert parts.renew(held) == parts.finish(held, "result", 1, 0) == "lost"


def test_nothing_is_left_of_an_ended_job(ledger: Ledger, parts: PartsLedger, scripts: Scripts) -> None:
    job, token = started(ledger, parts)
    part = take(parts)
    assert part is not None
    assert ledger.finish(job, token, "completed", {}) == "ok"
    assert parts.finish(part, "result", 1, 0) == "lost"
    assert not scripts.redis.keys(f"*parts*{job.job_id}")
    assert not scripts.redis.keys("*offered*")


@pytest.mark.parametrize(("how", "rounds"), [("failed", 3), ("rejected", 1)])
def test_a_part_that_fails_for_good_fails_the_job(ledger: Ledger, parts: PartsLedger, how: str, rounds: int) -> None:
    job, token = started(ledger, parts, total=2)
    for number in range(rounds):
        assert parts.watch(job, token, 0).error == ""
        part = take(parts)
        assert part is not None
        assert (part.n, part.run) == (1, number + 1)
        assert parts.give_back(part, how, "broken") == "ok"  # type: ignore[arg-type]
    assert parts.watch(job, token, 0).error == "broken"
    assert take(parts) is None


def test_workers_that_die_use_up_the_attempts(ledger: Ledger, parts: PartsLedger, clock: Clock) -> None:
    job, token = started(ledger, parts, total=2)
    for _ in range(3):
        assert take(parts) is not None
        clock.advance(LEASE_MS + 1)
        ledger.renew(job, token)
        assert parts.watch(job, token, 0).held == 1  # it may renew still
        clock.advance(3_001)
        ledger.renew(job, token)
        parts.watch(job, token, 0)
    assert parts.watch(job, token, 0).error == "The workers that ran a part of the film died"


def test_a_worker_that_stops_spends_no_attempt(ledger: Ledger, parts: PartsLedger) -> None:
    started(ledger, parts, total=2)
    for _ in range(5):
        part = take(parts)
        assert part is not None
        assert part.run == 1
        assert parts.give_back(part, "released") == "ok"


def test_a_slow_part_is_started_a_second_time(ledger: Ledger, parts: PartsLedger, clock: Clock) -> None:
    job, token = started(ledger, parts, total=1)
    slow = take(parts)
    assert slow is not None
    for _ in range(5):
        assert take(parts) is None
        clock.advance(4_000)
        assert parts.renew(slow) == ledger.renew(job, token) == "ok"
    clock.advance(3_000)  # 23 s, and 11 were expected
    assert take(parts) is None  # its own worker is the slow one
    second = take(parts, worker="another")
    assert second is not None
    assert (second.n, second.run) == (0, 2)
    assert take(parts) is None
    assert parts.finish(second, "second", 1, 0) == "ok"
    assert parts.finish(slow, "slow", 1, 0) == "lost"
    assert parts.watch(job, token, 0).finished == {0: "second"}


def test_the_expected_time_is_learned(ledger: Ledger, parts: PartsLedger, clock: Clock) -> None:
    """Parts take a tenth of what was expected: the first one that takes longer than twice that is late."""
    job, token = started(ledger, parts, total=12)
    for _ in range(11):
        part = take(parts)
        assert part is not None
        clock.advance(600)
        ledger.renew(job, token)
        parts.finish(part, "result", 1, 0)
    assert take(parts) is not None
    clock.advance(9_000)
    ledger.renew(job, token)
    assert take(parts) is None  # never before ten seconds
    clock.advance(999)
    assert take(parts) is None


def test_whole_jobs_and_parts_take_turns(ledger: Ledger, parts: PartsLedger) -> None:
    """The parts of a user take that user's rounds."""
    started(ledger, parts, "u1")
    waiting = [admit(ledger, "u2", priority=1) for _ in range(2)]
    order = []
    while len(order) < 5:
        word, part = parts.claim_any("container", new_token(), ENGINE, "helper")
        if part is not None:
            order.append("part")
            continue
        assert word == "yield" or not waiting
        claim(ledger, waiting.pop(0))
        order.append("job")
    assert order == ["job", "part", "job", "part", "part"]


def test_a_job_with_priority_is_before_parts(ledger: Ledger, parts: PartsLedger) -> None:
    started(ledger, parts)
    admit(ledger, "u2", priority=0)
    assert parts.claim_any("container", new_token(), ENGINE, "helper")[0] == "yield"
    assert take(parts, "lambda") is not None  # the order is that of a pool


def test_a_paused_pool_takes_none(ledger: Ledger, parts: PartsLedger) -> None:
    job, token = started(ledger, parts)
    ledger.pause("container", True)
    assert take(parts) is None
    assert take(parts, "lambda") is not None
    assert parts.claim_own(job, token, new_token(), "me")[0] == "part"  # a running job goes on


def test_only_the_same_release_and_what_fits(ledger: Ledger, parts: PartsLedger) -> None:
    job, token = run_new(ledger)
    parts.plan(job, token, plan(2))
    parts.add(job, token, [NewPart(0, 100, "source-0", 10_000), NewPart(1, 5, "", 10)])
    assert parts.claim_any("container", new_token(), "2 ffmpeg", "helper")[1] is None
    assert take(parts, bytes_max=9_999) is None
    assert take(parts, seconds_max=99) is None
    part = take(parts)
    assert part is not None
    assert part.n == 0
    assert take(parts) is None  # the other is not in the store
    assert parts.claim_own(job, token, new_token(), "me")[0] == "part"


def test_a_ledger_that_was_wiped_learns_all_again(ledger: Ledger, parts: PartsLedger, scripts: Scripts) -> None:
    job, token = started(ledger, parts)
    part = take(parts)
    assert part is not None
    scripts.redis.flushall()
    assert parts.watch(job, token, 0).word == "unknown"
    assert ledger.adopt([LostJob(job, "processing", 0, token)]) == ["adopted"]
    assert ledger.renew(job, token) == "ok"
    assert parts.watch(job, token, 0).word == "unknown"
    assert parts.plan(job, token, plan()).word == "ok"
    known = NewPart(1, 11, "source-1", 1000, "result")
    assert parts.add(job, token, [known, new_parts()[0]]) == "ok"
    answer = parts.watch(job, token, 0)
    assert (answer.done, answer.open, answer.finished) == (1, 1, {1: "result"})
    assert parts.finish(part, "late", 1, 0) == "lost"


def test_calls_may_be_repeated(ledger: Ledger, parts: PartsLedger, shared_scripts: LossyScripts) -> None:
    job, token = run_new(ledger)
    shared_scripts.lose = True
    assert parts.plan(job, token, plan()).word == "ok"
    shared_scripts.lose = True
    assert parts.add(job, token, new_parts()) == "ok"
    shared_scripts.lose = True
    part = take(parts)
    assert part is not None
    assert parts.watch(job, token, 0).held == 1
    shared_scripts.lose = True
    assert parts.give_back(part, "failed", "x") in ("ok", "lost")
    assert parts.watch(job, token, 0).open == 3


def test_the_state_can_be_read(ledger: Ledger, parts: PartsLedger, clock: Clock) -> None:
    job, token = started(ledger, parts)
    assert parts.read(job.job_id, "another admission") is None
    part = take(parts)
    assert part is not None
    clock.advance(1500)
    parts.finish(part, "result", 77, 2)
    state = parts.read(job.job_id, job.id)
    assert state is not None
    assert (state.count, state.done) == (3, 1)
    rows = {row.n: (row.state, row.runs, row.worker, row.took_ms, row.bytes, row.errors) for row in state.rows}
    assert rows[1] == ("finished", 1, "helper", 1500, 77, 2)
    assert rows[0][:2] == ("open", 0)
    assert ledger.get(job.job_id).parts is True  # type: ignore[union-attr]
    del token


def test_a_thousand_parts_are_the_limit(ledger: Ledger, parts: PartsLedger) -> None:
    job, token = run_new(ledger)
    assert parts.plan(job, token, plan(1001)).word == "too many"
