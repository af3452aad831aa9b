"""Admission: once, within the quota, and its retraction."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from chalicelib.ledger.ledger import Ledger
from chalicelib.ledger.scripts import Scripts
from chalicelib.ledger.usage import UsageLedger
from tests.unit.factories import CYCLE, claim, drain, job

if TYPE_CHECKING:
    from tests.conftest import Clock


class TestAdmission:
    def test_an_open_job_answers_the_same_id_and_asks_for_one_more_ticket(self, ledger: Ledger, clock: Clock) -> None:
        one = job()
        first = ledger.admit(one, "pending", -1)
        again = ledger.admit(one, "pending", -1)
        assert (again.word, again.id) == ("open", first.id)
        assert again.send == first.send  # the first caller may have died before its own
        assert ledger.admit(one, "pending", -1).send is None
        clock.advance(60_000)
        assert ledger.admit(one, "pending", -1).send == first.send  # none went out for a minute

    def test_fifty_at_once_with_ten_left_admit_ten(self, scripts: Scripts, usage: UsageLedger) -> None:
        ledger = Ledger(scripts)
        usage.seed_jobs("u1", CYCLE, "transcoding", 90)
        with ThreadPoolExecutor(50) as threads:
            words = list(threads.map(lambda _: ledger.admit(job(), "pending", 100).word, range(50)))
        assert sorted(words) == ["admitted"] * 10 + ["limit"] * 40

    def test_an_unknown_quota_is_asked_for(self, ledger: Ledger, usage: UsageLedger) -> None:
        assert ledger.admit(job(), "pending", 5).word == "seed"
        usage.seed_jobs("u1", CYCLE, "transcoding", 5)
        assert ledger.admit(job(), "pending", 5).word == "limit"
        usage.seed_jobs("u1", CYCLE, "transcoding", 0)  # the first count stands
        assert ledger.admit(job(), "pending", 5).word == "limit"

    @pytest.mark.parametrize("outcome", ["failed", "cancelled"])
    def test_what_fails_for_good_gives_its_quota_back(self, ledger: Ledger, usage: UsageLedger, outcome: str) -> None:
        usage.seed_jobs("u1", CYCLE, "transcoding", 0)
        admission = ledger.admit(job(), "pending", 1)
        assert ledger.admit(job(), "pending", 1).word == "limit"
        assert admission.send is not None
        got = claim(ledger, admission.send)
        assert got.job is not None
        ledger.finish(got.job, got.token, outcome, {})  # type: ignore[arg-type]
        assert ledger.admit(job(), "pending", 1).word == "admitted"

    def test_a_completed_job_keeps_its_quota(self, ledger: Ledger, usage: UsageLedger) -> None:
        usage.seed_jobs("u1", CYCLE, "transcoding", 0)
        admission = ledger.admit(job(), "pending", 1)
        assert admission.send is not None
        drain(ledger, admission.send)
        assert ledger.admit(job(), "pending", 1).word == "limit"

    def test_a_failed_send_is_undone(self, ledger: Ledger, usage: UsageLedger) -> None:
        usage.seed_jobs("u1", CYCLE, "transcoding", 0)
        one = job()
        assert ledger.retract(one.job_id, ledger.admit(one, "pending", 1).id) == "retracted"
        assert ledger.stats().waiting == 0
        assert ledger.admit(one, "pending", 1).word == "admitted"  # the quota came back too

    def test_a_ticket_that_went_out_after_all_is_dropped(self, ledger: Ledger) -> None:
        """The caller was told no."""
        one = job()
        admission = ledger.admit(one, "pending", -1)
        assert [ledger.retract(one.job_id, admission.id) for _ in range(2)] == ["retracted", "retracted"]
        assert admission.send is not None
        assert claim(ledger, admission.send).word == "drop"
        assert ledger.admit(one, "pending", -1).word == "admitted"

    def test_a_job_without_a_ticket_is_found_while_others_run(self, ledger: Ledger, clock: Clock) -> None:
        one = job(priority=90)
        admission = ledger.admit(one, "pending", -1)
        for _ in range(31):  # better ones keep coming, and being claimed
            clock.advance(30_000)
            better = ledger.admit(job("u2", priority=1), "pending", -1).send
            assert better is not None
            got = claim(ledger, better)
            assert got.job == better
            ledger.finish(got.job, got.token, "completed", {})
            if admission.send in ledger.sweep().missing:
                return
        raise AssertionError("it never got a ticket")

    def test_but_not_when_somebody_was_told_of_it(self, ledger: Ledger, clock: Clock) -> None:
        one = job()
        admission = ledger.admit(one, "pending", -1)
        ledger.admit(one, "pending", -1)
        assert ledger.retract(one.job_id, admission.id) == "shared"
        assert ledger.admit(one, "pending", -1).send == admission.send  # the next caller sends
        ledger.retract(one.job_id, admission.id)
        clock.advance(60_000)
        assert ledger.sweep().missing == [admission.send]  # the maintenance task sends the ticket that never went out

    def test_a_failed_record_starts_anew(self, ledger: Ledger) -> None:
        one = job()
        first = ledger.admit(one, "pending", -1)
        assert first.send is not None
        assert ledger.admit(one, "failed", -1).word == "closing"
        drain(ledger, first.send, "failed")
        assert ledger.admit(one, "pending", -1).word == "stale"
        assert ledger.admit(one, "failed", -1).word == "reopen"
        second = ledger.admit(one, "reopened", -1)
        assert second.word == "admitted"
        assert second.id > first.id
        assert claim(ledger, first.send).word == "drop"  # the old ticket stands for nothing
