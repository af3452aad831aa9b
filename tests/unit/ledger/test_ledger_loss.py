"""The ledger after a wipe, or after the loss of its last writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.ledger.codec import LostJob
from chalicelib.ledger.ledger import Ledger, new_token
from chalicelib.ledger.scripts import Scripts
from tests.unit.factories import admit, claim, drain, job

if TYPE_CHECKING:
    from tests.conftest import Clock, LossyScripts


class TestLoss:
    def test_after_a_flush_pending_jobs_wait_and_running_ones_have_a_lease_of_grace(
        self, ledger: Ledger, scripts: Scripts, clock: Clock
    ) -> None:
        waiting, running, orphan = admit(ledger), admit(ledger, user="u2"), admit(ledger, user="u3")
        scripts.redis.flushall()
        assert claim(ledger, waiting).word == "unknown"
        forgotten = [LostJob(waiting, "pending"), LostJob(running, "processing", 1), LostJob(orphan, "processing")]
        assert ledger.adopt(forgotten) == ["adopted"] * 3
        assert ledger.stats()[:3] == (1, 2, 0)
        token = new_token()
        assert ledger.adopt([LostJob(running, "processing", 1, token)]) == ["adopted"]  # its holder speaks up
        assert ledger.adopt([LostJob(running, "processing", 1, new_token())]) == ["lost"]  # another was faster
        clock.advance(9_000)
        assert ledger.renew(running, token) == "ok"
        clock.advance(1_000)
        ledger.sweep()
        clock.advance(3_000)
        assert ledger.sweep().missing == [orphan]

    @pytest.mark.parametrize("record", ["pending", "processing"])
    def test_a_holder_is_not_lost_when_another_ticket_put_its_job_back_first(
        self, ledger: Ledger, scripts: Scripts, record: str
    ) -> None:
        got = claim(ledger, admit(ledger))
        assert got.job is not None
        scripts.redis.flushall()
        assert ledger.adopt([LostJob(got.job, record)]) == ["adopted"]  # type: ignore[arg-type]
        assert ledger.renew(got.job, got.token) == "unknown"  # and not lost
        assert ledger.adopt([LostJob(got.job, "processing", 0, got.token)]) == ["adopted"]
        assert ledger.renew(got.job, got.token) == "ok"
        assert ledger.finish(got.job, got.token, "completed", {}) == "ok"

    def test_finish_of_a_job_that_the_ledger_never_knew_counts_nothing(self, ledger: Ledger, scripts: Scripts) -> None:
        got = claim(ledger, admit(ledger))
        assert got.job is not None
        scripts.redis.flushall()
        assert ledger.finish(got.job, got.token, "completed", {}) == "unknown"
        assert ledger.stats().completed == 0

    def test_a_holder_that_speaks_up_late_has_its_job_back(self, ledger: Ledger, scripts: Scripts, clock: Clock) -> None:
        """Wiped, put back without a holder by somebody's ticket, swept: and nobody has claimed it yet."""
        held = claim(ledger, admit(ledger))
        assert held.job is not None
        scripts.redis.flushall()
        assert ledger.adopt([LostJob(held.job, "processing")]) == ["adopted"]
        for _ in range(2):
            clock.advance(10_001)
            ledger.sweep()
        assert ledger.stats().waiting == 1
        assert ledger.renew(held.job, held.token) == "unknown"
        assert ledger.adopt([LostJob(held.job, "processing", 0, held.token)]) == ["adopted"]
        assert ledger.renew(held.job, held.token) == "ok"

    def test_after_a_failover_the_totals_are_counted_again(self, ledger: Ledger, scripts: Scripts, clock: Clock) -> None:
        """A job that was admitted and finished within the lost second: nobody would ever tell."""
        ledger.seed_totals((5, 1), ledger.read_totals())
        assert ledger.read_totals().seeded
        scripts.redis.hset("{test}:meta", "run_id", "of the primary that is gone")
        clock.advance(60_000)
        again = ledger.read_totals()
        assert (again.seeded, again.age_ms, again.completed) == (False, 0, 5)
        ledger.seed_totals((6, 1), again)
        assert ledger.stats()[3:5] == (6, 1)
        assert ledger.read_totals().seeded

    def test_a_requeued_job_is_not_counted_in_directus(self, ledger: Ledger, clock: Clock) -> None:
        """Its worker may have closed the record and died: whoever claims it next counts it."""
        held = claim(ledger, admit(ledger))
        assert held.job is not None
        for _ in range(2):
            clock.advance(10_001)
            ledger.sweep()
        assert ledger.stats().waiting == 1
        assert ledger.read_totals().open == [held.job.job_id]

    def test_a_total_never_falls_for_being_seeded(self, ledger: Ledger) -> None:
        """Two outcomes of one record: it failed, was retried, and failed again."""
        for _ in range(2):
            drain(ledger, admit(ledger), "failed")
        ledger.seed_totals((0, 1), ledger.read_totals())
        assert ledger.stats().failed == 2

    def test_totals_are_seeded_once_and_go_on_counting(self, ledger: Ledger, clock: Clock) -> None:
        before = ledger.read_totals()
        drain(ledger, admit(ledger))
        clock.advance(10_000)
        ledger.seed_totals((142, 2), before)
        assert ledger.stats()[3:5] == (143, 2)  # the one that finished during the count comes on top
        assert ledger.read_totals().seeded
        ledger.seed_totals((1, 1), before)
        assert ledger.stats()[3:5] == (143, 2)


class TestRestore:
    """`adopt` restores nothing that ended, or was replaced, since the ticket was sent."""

    @pytest.mark.parametrize("outcome", ["completed", "failed", "cancelled"])
    def test_an_ended_job_is_old(self, ledger: Ledger, outcome: Any) -> None:
        got = claim(ledger, ticket := admit(ledger))
        assert got.job is not None
        ledger.finish(got.job, got.token, outcome, {})
        assert ledger.adopt([LostJob(ticket, "pending")]) == ["old"]
        assert ledger.stats()[:3] == (0, 0, 0)

    def test_an_older_admission_is_old(self, ledger: Ledger, clock: Clock) -> None:
        got = claim(ledger, first := admit(ledger))
        assert got.job is not None
        ledger.finish(got.job, got.token, "failed", {})
        token = new_token()
        assert ledger.admit(first, "failed", -1, token=token).word == "reopen"
        second = ledger.admit(first, "reopened", -1, token=token)
        assert second.send is not None
        assert ledger.adopt([LostJob(first, "pending")]) == ["old"]
        assert claim(ledger, second.send).word == "run"
        assert ledger.adopt([LostJob(first, "processing", 0, got.token)]) == ["old"]

    def test_a_record_lock_ends_by_itself(self, ledger: Ledger, scripts: Scripts) -> None:
        assert ledger.lock("a-record", "token") == "ok"
        assert 10_000 < scripts.redis.pttl("{test}:lock:a-record") <= 15_000


def test_an_admission_whose_answer_was_lost_is_admitted_once(ledger: Ledger, scripts: LossyScripts) -> None:
    asked = job()
    scripts.lose = True
    admission = ledger.admit(asked, "pending", -1)
    assert (admission.word, admission.send is not None) == ("admitted", True)
    assert ledger.admit(asked, "pending", -1).word == "open"
    assert ledger.stats().waiting == 1


def test_a_lease_ends_no_later_than_the_time_limit(ledger: Ledger, clock: Clock) -> None:
    got = claim(ledger, ticket := admit(ledger))
    assert got.job is not None
    deadline = clock.ms + got.job.wall_ms + 120_000  # the grace to close the record
    clock.ms = deadline - 1_000
    assert ledger.renew(got.job, got.token) == "ok"
    seen = ledger.get(ticket.job_id)
    assert seen is not None
    assert seen.at_ms == deadline
