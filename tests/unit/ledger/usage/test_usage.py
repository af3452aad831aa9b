"""What jobs cost: counted once, by user, cycle and operation, and a budget that admission keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.factories import CYCLE, admit, claim, job, run_new
from tests.unit.ledger.snapshot import dump

if TYPE_CHECKING:
    from chalicelib.ledger.ledger import Ledger
    from chalicelib.ledger.usage import UsageLedger
    from tests.conftest import Clock, LossyScripts

CENT = 10_000_000


class TestSpending:
    def test_a_job_counts_once_when_it_ends(self, ledger: Ledger, usage: UsageLedger, scripts: LossyScripts) -> None:
        usage.spending("u1", CYCLE)
        running, token = run_new(ledger)
        scripts.lose = True
        for _ in range(2):
            assert ledger.finish(running, token, "completed", {}, usd=0.01) == "ok"
        assert usage.spending("u1", CYCLE)[:2] == (CENT, None)
        assert usage.spent() == {"transcoding": CENT}

    @pytest.mark.parametrize(("outcome", "counted"), [("completed", CENT), ("failed", CENT), ("cancelled", CENT), ("retry", 0)])
    def test_also_a_failed_one_but_no_attempt(self, ledger: Ledger, usage: UsageLedger, outcome: str, counted: int) -> None:
        usage.spending("u1", CYCLE)
        running, token = run_new(ledger)
        ledger.finish(running, token, outcome, {}, usd=0.01)  # type: ignore[arg-type]
        assert usage.spending("u1", CYCLE).counted == counted

    def test_by_user_and_cycle(self, ledger: Ledger, usage: UsageLedger) -> None:
        usage.spending("u1", CYCLE)
        running, token = run_new(ledger, "u2")
        ledger.finish(running, token, "completed", {}, usd=0.01)
        assert [usage.spending(user, cycle).counted for user, cycle in (("u1", CYCLE), ("u2", "2027-02"), ("u2", CYCLE))] == [
            0,
            0,
            CENT,
        ]

    def test_what_begins_the_count_is_before_it(self, ledger: Ledger, usage: UsageLedger, clock: Clock) -> None:
        """Its record is closed already, so that Directus counts it."""
        running, token = run_new(ledger)
        clock.advance(1000)
        ledger.finish(running, token, "completed", {}, usd=0.01)
        assert usage.spending("u1", CYCLE) == (0, None, clock.ms)

    def test_what_directus_counted_is_kept(self, usage: UsageLedger) -> None:
        usage.seed_spending("u1", CYCLE, 5)
        usage.seed_spending("u1", CYCLE, 7)  # the first count stands
        assert usage.spending("u1", CYCLE)[:2] == (0, 5)


class TestBudget:
    def test_it_is_asked_for_kept_and_used_up(self, ledger: Ledger, usage: UsageLedger) -> None:
        def word(budget: int = CENT) -> str:
            return ledger.admit(job(), "pending", -1, budget=budget).word

        assert word() == "seed_spending"
        usage.spending("u1", CYCLE)
        usage.seed_spending("u1", CYCLE, CENT // 2)
        assert word() == "admitted"
        running, token = run_new(ledger)
        ledger.finish(running, token, "completed", {}, usd=0.005)
        assert (word(), word(CENT + 1), word(-1)) == ("budget", "admitted", "admitted")

    def test_none_is_left_of_nothing(self, ledger: Ledger, usage: UsageLedger) -> None:
        usage.seed_spending("u1", CYCLE, 0)
        assert ledger.admit(job(), "pending", -1, budget=0).word == "budget"


class TestForecast:
    def test_it_changes_nothing(self, ledger: Ledger, scripts: LossyScripts, usage: UsageLedger) -> None:
        usage.seed_jobs("u1", CYCLE, "transcoding", 0)
        admit(ledger)

        def everything() -> dict[str, bytes]:
            return {key: dump(scripts, key)[0] for key in sorted(scripts.redis.keys("*"))}

        before = everything()
        for state in ("pending", "processing", "failed"):
            assert ledger.would_admit(job(), state, 5, budget=-1).word == "admitted"  # type: ignore[arg-type]
        assert everything() == before

    def test_the_position_is_the_one_that_it_gets(self, ledger: Ledger) -> None:
        for user, priority in (("u1", 10), ("u1", 10), ("u2", 10), ("u3", 5), ("u2", 20)):
            one = job(user, priority)
            forecast = ledger.would_admit(one, "pending", -1, budget=-1)
            ledger.admit(one, "pending", -1)
            found = ledger.get(one.job_id)
            assert found is not None
            assert (forecast.word, forecast.position) == ("admitted", found.position)

    @pytest.mark.parametrize("state", ["pending", "processing", "failed"])
    def test_the_answers_of_admission(self, ledger: Ledger, usage: UsageLedger, state: str) -> None:
        def both(limit: int, budget: int = -1, one: object = None) -> tuple[str, str]:
            given = one or job()
            forecast = ledger.would_admit(given, state, limit, budget=budget).word  # type: ignore[arg-type]
            return forecast, ledger.admit(given, state, limit, budget=budget).word  # type: ignore[arg-type]

        assert both(1) == ("seed", "seed")
        usage.seed_jobs("u1", CYCLE, "transcoding", 1)
        assert both(1) == ("limit", "limit")
        assert both(2, 0) == ("seed_spending", "seed_spending")
        usage.seed_spending("u1", CYCLE, 0)
        assert both(2, 0) == ("budget", "budget")
        done, token = run_new(ledger)
        ledger.finish(done, token, "completed", {})
        assert both(9, one=done) == ("completed", "completed")
        assert both(9, 1) == ("admitted", "reopen" if state == "failed" else "admitted")

    def test_an_open_and_a_paused_one(self, ledger: Ledger) -> None:
        open_ = admit(ledger)
        assert ledger.would_admit(open_, "pending", -1, budget=-1).word == "open"
        assert ledger.would_admit(open_, "failed", -1, budget=-1).word == "closing"
        ledger.pause("container", True)
        assert ledger.would_admit(job(), "pending", -1, budget=-1).paused is True
        assert claim(ledger, open_).word == "hold"
