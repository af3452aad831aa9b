"""Rules of the protocol, one test each. `test_ledger_model.py` tries all sequences."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.ledger.ledger import Ledger, new_token
from chalicelib.ledger.scripts import Scripts
from chalicelib.ledger.types import NextClaim
from tests.unit.factories import admit, claim, drain, job

if TYPE_CHECKING:
    from tests.conftest import Clock, LossyScripts


class TestOrder:
    def test_lower_priority_number_first(self, ledger: Ledger) -> None:
        jobs = [admit(ledger, priority=priority) for priority in (50, 1, 100, 7, 10)]
        ran = drain(ledger, jobs[0])
        assert ran == [one.job_id for one in sorted(jobs, key=lambda one: one.priority)]

    def test_first_in_first_out_within_a_millisecond(self, ledger: Ledger) -> None:
        jobs = [admit(ledger, user=f"u{number}") for number in range(50)]
        assert drain(ledger, jobs[0]) == [one.job_id for one in jobs]

    def test_users_take_turns(self, ledger: Ledger) -> None:
        heavy = [admit(ledger, user="heavy") for _ in range(100)]
        newcomer = admit(ledger, user="newcomer")
        assert drain(ledger, heavy[0]).index(newcomer.job_id) == 1

    def test_jobs_for_later_take_their_turns_when_they_come(self, ledger: Ledger, clock: Clock) -> None:
        """A user cannot book the front of the line ahead of time, nor do their jobs for now wait behind those."""
        later = [ledger.admit(job("planner"), "pending", -1, 1000).send for _ in range(5)]
        others = [admit(ledger, user="other") for _ in range(5)]
        now = admit(ledger, user="planner")
        assert drain(ledger, now)[:2] == [others[0].job_id, now.job_id]
        clock.advance(1000)
        again = [admit(ledger, user="other") for _ in range(5)]
        order = drain(ledger, again[0])
        assert [job_id in {one.job_id for one in later if one} for job_id in order[:4]].count(True) == 2

    def test_a_newcomer_waits_for_one_job_of_the_heavy_user_at_any_time(self, ledger: Ledger) -> None:
        heavy = [admit(ledger, user="heavy") for _ in range(100)]
        for ticket in heavy[:40]:
            got = claim(ledger, ticket)
            assert got.job is not None
            ledger.finish(got.job, got.token, "completed", {})
        newcomer = admit(ledger, user="newcomer")
        assert drain(ledger, heavy[41]).index(newcomer.job_id) == 1

    def test_any_ticket_runs_the_best_job(self, ledger: Ledger) -> None:
        low, high = admit(ledger, priority=90), admit(ledger, priority=1)
        got = claim(ledger, low)
        assert got.job == high
        assert claim(ledger, high).word == "hold"  # its own ticket turns up while it runs

    def test_pools_are_apart(self, ledger: Ledger) -> None:
        here, there = admit(ledger, pool="container"), admit(ledger, pool="lambda", priority=1)
        assert claim(ledger, here).job == here
        assert ledger.claim("container", there.id, there.job_id, new_token()).word == "elsewhere"

    def test_ids_grow_when_the_clock_steps_back(self, ledger: Ledger, clock: Clock) -> None:
        before = admit(ledger)
        clock.advance(-3_600_000)
        after = admit(ledger, user="u2")
        assert after.id > before.id
        assert drain(ledger, before) == [before.job_id, after.job_id]


class TestHolder:
    def test_exactly_one_of_many_claims(self, scripts: Scripts) -> None:
        ledger = Ledger(scripts)
        ticket = admit(ledger)
        with ThreadPoolExecutor(16) as threads:
            words = [got.word for got in threads.map(lambda _: claim(ledger, ticket), range(64))]
        assert words.count("run") == 1
        assert words.count("hold") == 63

    def test_a_claim_whose_answer_was_lost_finds_its_job_again(self, ledger: Ledger, scripts: LossyScripts) -> None:
        first, second, third = (admit(ledger) for _ in range(3))
        assert claim(ledger, third).job == first
        scripts.lose = True
        assert claim(ledger, third).job == second
        assert ledger.stats()[:2] == (1, 2)

    def test_a_stranger_can_do_nothing(self, ledger: Ledger) -> None:
        got = claim(ledger, admit(ledger))
        assert got.job is not None
        stranger = new_token()
        assert ledger.renew(got.job, stranger) == "lost"
        assert ledger.finish(got.job, stranger, "completed", {}) == "lost"
        assert ledger.release(got.job, stranger) == "lost"
        assert ledger.stats().active == 1

    def test_a_finish_is_counted_once_and_may_be_repeated(self, ledger: Ledger) -> None:
        got = claim(ledger, admit(ledger))
        assert got.job is not None
        assert [ledger.finish(got.job, got.token, "completed", {}) for _ in range(3)] == ["ok"] * 3
        assert ledger.stats().completed == 1


class TestLease:
    def test_expiry_takes_two_looks_three_seconds_apart(self, ledger: Ledger, clock: Clock) -> None:
        ticket = admit(ledger)
        claim(ledger, ticket)
        clock.advance(10_000)
        assert ledger.sweep().missing == []
        clock.advance(2_999)
        assert ledger.sweep().missing == []
        clock.advance(1)
        assert ledger.sweep().missing == [ticket]
        assert (ledger.stats().waiting, ledger.stats().active) == (1, 0)

    def test_a_pause_of_everything_costs_nothing(self, ledger: Ledger, clock: Clock) -> None:
        held = [claim(ledger, admit(ledger)) for _ in range(20)]
        clock.advance(60_000)
        assert ledger.sweep().missing == []  # the first to look after the pause
        assert all(one.job and ledger.renew(one.job, one.token) == "ok" for one in held)
        clock.advance(3_000)
        assert ledger.sweep().missing == []
        assert ledger.stats().active == 20

    def test_a_renewal_clears_the_suspicion(self, ledger: Ledger, clock: Clock) -> None:
        got = claim(ledger, admit(ledger))
        assert got.job is not None
        clock.advance(10_000)
        ledger.sweep()
        ledger.renew(got.job, got.token)
        clock.advance(10_000)
        assert ledger.sweep().missing == []  # again a first look

    def test_a_requeued_job_that_nobody_claimed_is_taken_back(self, ledger: Ledger, clock: Clock) -> None:
        ticket = admit(ledger)
        got = claim(ledger, ticket)
        assert got.job is not None
        self.lose(ledger, clock)
        assert ledger.renew(got.job, got.token) == "ok"
        self.lose(ledger, clock)
        assert claim(ledger, ticket).stalls == 1  # the first stall was undone

    def test_whoever_was_overtaken_is_told(self, ledger: Ledger, clock: Clock) -> None:
        ticket = admit(ledger)
        old = claim(ledger, ticket)
        assert old.job is not None
        self.lose(ledger, clock)
        new = claim(ledger, ticket)
        assert (new.word, new.attempt, new.stalls, new.runs) == ("run", 1, 1, 2)  # no attempt spent
        assert ledger.renew(old.job, old.token) == "lost"
        assert ledger.finish(old.job, old.token, "completed", {}) == "lost"
        assert ledger.stats().completed == 0

    def test_stalls_add_up(self, ledger: Ledger, clock: Clock) -> None:
        ticket = admit(ledger)
        for stalls in range(3):
            assert claim(ledger, ticket).stalls == stalls
            self.lose(ledger, clock)

    def test_never_past_the_wall_limit(self, ledger: Ledger, clock: Clock) -> None:
        got = claim(ledger, admit(ledger))
        assert got.job is not None
        clock.advance(got.job.wall_ms + 120_000 - 1)  # two minutes of grace, to close the record
        assert ledger.renew(got.job, got.token) == "ok"
        clock.advance(1)
        assert ledger.renew(got.job, got.token) == "lost"

    @staticmethod
    def lose(ledger: Ledger, clock: Clock) -> None:
        clock.advance(10_000)
        ledger.sweep()
        clock.advance(3_000)
        assert len(ledger.sweep().missing) == 1


class TestNext:
    def wanted(self) -> NextClaim:
        return NextClaim(new_token(), ("container",))

    def test_the_end_of_a_job_claims_the_next_one(self, ledger: Ledger) -> None:
        last, best = admit(ledger, priority=50), admit(ledger, priority=1)
        got = claim(ledger, last)
        assert got.job is not None
        assert got.job.id == best.id
        wanted = self.wanted()
        word, following = ledger.finish_and_claim(got.job, got.token, "completed", {}, 0, "", 0, wanted)
        assert following is not None
        assert following.job is not None
        assert (word, following.job.id, following.token) == ("ok", last.id, wanted.token)
        assert ledger.finish_and_claim(following.job, following.token, "failed", {}, 0, "", 0, self.wanted()) == ("ok", None)

    def test_a_job_that_a_sweep_requeued_is_not_its_own_next_one(self, ledger: Ledger, clock: Clock) -> None:
        """Its worker was frozen, and nobody has claimed the job since."""
        got = claim(ledger, admit(ledger))
        assert got.job is not None
        for _ in range(2):
            clock.advance(15_000)
            ledger.sweep()
        assert ledger.stats()[:2] == (1, 0)
        assert ledger.finish_and_claim(got.job, got.token, "completed", {}, 0, "", 0, self.wanted()) == ("ok", None)
        assert ledger.stats()[:4] == (0, 0, 0, 1)
        assert ledger._scripts.redis.zcard("{test}:active") == 0

    def test_a_job_that_is_tried_again_leaves_the_next_one(self, ledger: Ledger) -> None:
        got = claim(ledger, admit(ledger))
        admit(ledger)
        assert got.job is not None
        assert ledger.finish_and_claim(got.job, got.token, "retry", {}, 5000, "", 0, self.wanted()) == ("ok", None)
        assert ledger.stats()[:3] == (1, 0, 1)

    @pytest.mark.parametrize("outcome", ["completed", "failed", "cancelled"])
    def test_after_a_lost_answer_it_is_the_same_job(self, ledger: Ledger, scripts: LossyScripts, outcome: Any) -> None:
        got = claim(ledger, admit(ledger))
        first, second = admit(ledger), admit(ledger)
        assert got.job is not None
        scripts.lose = True
        wanted = self.wanted()
        for _ in range(2):
            following = ledger.finish_and_claim(got.job, got.token, outcome, {}, 0, "", 0, wanted).next
            assert following is not None
            assert following.job is not None
            assert following.job.id == first.id
        assert ledger.get(second.job_id).state == "waiting"  # type: ignore[union-attr]

    def test_a_release_tells_when_the_job_may_have_no_ticket(self, ledger: Ledger, clock: Clock) -> None:
        """Else every release of a job that was claimed without its ticket would add one."""
        ticket, answers = admit(ledger), []
        for _ in range(4):
            clock.advance(400_000)
            got = claim(ledger, ticket)
            assert got.job is not None
            answers.append(ledger.release_and_ask(got.job, got.token, 0, ""))
        assert answers == [("ok", False), ("ok", False), ("ok", True), ("ok", False)]


class TestRetry:
    def test_backoff_then_the_old_place(self, ledger: Ledger, clock: Clock) -> None:
        ticket, other = admit(ledger, user="u1"), admit(ledger, user="u2")
        got = claim(ledger, ticket)
        assert got.job is not None
        assert ledger.finish(got.job, got.token, "retry", {}, delay_ms=2_000) == "ok"
        assert ledger.stats().delayed == 1
        assert claim(ledger, ticket).hold_ms == 2_000
        clock.advance(2_000)
        again = claim(ledger, other)
        assert (again.job, again.attempt) == (ticket, 2)  # it kept its score: it goes before the other user

    def test_a_repeated_retry_spends_one_attempt(self, ledger: Ledger, clock: Clock) -> None:
        ticket = admit(ledger)
        got = claim(ledger, ticket)
        assert got.job is not None
        ledger.finish(got.job, got.token, "retry", {}, delay_ms=2_000)
        clock.advance(5_000)
        ledger.sweep()  # promoted
        assert ledger.finish(got.job, got.token, "retry", {}, delay_ms=2_000) == "ok"
        assert claim(ledger, ticket).attempt == 2

    def test_a_release_spends_neither_attempt_nor_stall(self, ledger: Ledger, clock: Clock) -> None:
        ticket = admit(ledger)
        got = claim(ledger, ticket)
        assert got.job is not None
        assert ledger.release(got.job, got.token, 30_000) == "ok"
        assert claim(ledger, ticket).hold_ms == 30_000
        clock.advance(30_000)
        again = claim(ledger, ticket)
        assert (again.attempt, again.stalls, again.runs) == (1, 0, 2)


class TestLaterRelease:
    def test_its_envelopes_are_left_to_workers_that_know_them(self, ledger: Ledger, scripts: Scripts, clock: Clock) -> None:
        theirs, ours = admit(ledger, priority=1), admit(ledger, priority=50)
        key = f"{{test}}:job:{theirs.job_id}"
        rewrite = "local j = cmsgpack.unpack(redis.call('GET', KEYS[1])) j.body = ARGV[1] redis.call('SET', KEYS[1], cmsgpack.pack(j))"
        scripts.redis.eval(rewrite, 1, key, '{"v":2}')
        assert claim(ledger, ours).word == "hold"
        assert ledger.stats()[:3] == (1, 0, 1)  # released for a while, not stalled
        assert claim(ledger, ours).job == ours
        clock.advance(90_000)
        ledger.sweep()
        clock.advance(3_000)
        assert ours in ledger.sweep().missing  # a body that cannot be read keeps no other from its ticket


class TestCancel:
    def test_waiting(self, ledger: Ledger) -> None:
        ticket = admit(ledger)
        assert ledger.cancel(ticket.job_id, ticket.id) == ("removed", False)
        assert claim(ledger, ticket).word == "drop"
        assert ledger.stats()[:5] == (0, 0, 0, 0, 0)  # not counted as failed

    def test_running(self, ledger: Ledger) -> None:
        got = claim(ledger, admit(ledger))
        assert got.job is not None
        assert ledger.cancel(got.job.job_id, got.job.id) == ("flagged", False)
        assert ledger.renew(got.job, got.token) == "cancelled"
        assert ledger.finish(got.job, got.token, "cancelled", {}) == "ok"
        assert ledger.cancel(got.job.job_id, got.job.id) == ("unknown", False)
