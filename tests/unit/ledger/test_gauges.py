"""The input of the gauges, and the alarm states in the ledger."""

from __future__ import annotations

import pytest

from chalicelib.ledger.ledger import Ledger
from tests.conftest import Clock, LossyScripts
from tests.unit.factories import admit, claim, job, run_new

WINDOW = 900_000
MINUTE = 60_000


def test_an_empty_ledger_has_nothing_to_say(ledger: Ledger) -> None:
    seen = ledger.observe(WINDOW)
    assert (seen.finished, seen.failed, seen.still_ms, max(seen.oldest_waiting_ms.values())) == (0, 0, 0, 0)
    assert seen.memory_used > 100_000
    assert seen.waiting == seen.active == {"lambda": 0, "container": 0}


def test_failures_are_those_of_the_window(ledger: Ledger, clock: Clock) -> None:
    ledger.observe(WINDOW)
    for number in range(4):
        running, token = run_new(ledger)
        assert ledger.finish(running, token, "failed" if number == 0 else "completed", {}) == "ok"
    clock.advance(10 * MINUTE)
    assert ledger.observe(WINDOW)[:2] == (4, 1)
    clock.advance(10 * MINUTE)
    assert ledger.observe(WINDOW)[:2] == (0, 0)  # counted from the sample of ten minutes ago


def test_totals_counted_in_directus_are_no_news(ledger: Ledger) -> None:
    ledger.observe(WINDOW)
    ledger.seed_totals((1000, 500), ledger.read_totals())
    assert ledger.observe(WINDOW)[:2] == (0, 0)


def test_what_runs_moves_while_one_of_many_makes_progress(ledger: Ledger, clock: Clock) -> None:
    (first, token), _ = run_new(ledger), run_new(ledger)
    assert ledger.observe(WINDOW).still_ms == 0
    for percent in (None, 10, 10, 10, 20):
        clock.advance(5000)
        assert ledger.renew(first, token, percent) == "ok"
        seen = ledger.observe(WINDOW).still_ms
    assert seen == 0
    clock.advance(40 * MINUTE)
    assert ledger.observe(WINDOW).still_ms == 40 * MINUTE
    running, token = run_new(ledger)
    ledger.finish(running, token, "completed", {})
    assert ledger.observe(WINDOW).still_ms == 0


def test_nothing_stands_still_when_nothing_runs(ledger: Ledger, clock: Clock) -> None:
    running, token = run_new(ledger)
    ledger.observe(WINDOW)
    clock.advance(9000)
    ledger.renew(running, token)
    ledger.finish(running, token, "completed", {})
    ledger.observe(WINDOW)
    clock.advance(40 * MINUTE)
    run_new(ledger)
    assert ledger.observe(WINDOW).still_ms == 0


def test_the_oldest_waiting_job_is_found_behind_more_urgent_ones(ledger: Ledger, clock: Clock) -> None:
    admit(ledger, priority=90)
    clock.advance(7 * MINUTE)
    for _ in range(30):
        admit(ledger, priority=1)
    admit(ledger, pool="lambda")
    seen = ledger.observe(WINDOW)
    assert max(seen.oldest_waiting_ms.values()) == 7 * MINUTE
    assert seen.waiting == {"lambda": 1, "container": 31}


@pytest.mark.parametrize("way", ["released", "delayed"])
def test_a_job_waits_since_it_was_last_due(ledger: Ledger, clock: Clock, way: str) -> None:
    if way == "delayed":
        ledger.admit(job(), "pending", -1, 30 * MINUTE)
    else:
        running, token = run_new(ledger)
        clock.advance(9000)
        ledger.release(running, token, 30 * MINUTE)
    clock.advance(30 * MINUTE)
    ledger.sweep()
    assert max(ledger.observe(WINDOW).oldest_waiting_ms.values()) == 0
    clock.advance(MINUTE)
    assert max(ledger.observe(WINDOW).oldest_waiting_ms.values()) == MINUTE


def test_active_jobs_are_counted_by_pool(ledger: Ledger) -> None:
    run_new(ledger)
    admit(ledger)
    assert ledger.observe(WINDOW).active == {"lambda": 0, "container": 1}


def test_many_active_jobs_are_counted_in_proportion(ledger: Ledger) -> None:
    for number in range(150):
        claim(ledger, admit(ledger, pool="lambda" if number % 3 == 0 else "container"))
    active = ledger.observe(WINDOW).active
    assert sum(active.values()) == 150
    assert 35 <= active["lambda"] <= 65


def test_a_member_without_a_job_does_not_end_the_proportion(ledger: Ledger, scripts: LossyScripts) -> None:
    for _ in range(150):
        claim(ledger, admit(ledger))
    scripts.redis.zadd("{test}:active", {f"{'0' * 36}:gone": 1})  # the first of the sample
    assert ledger.observe(WINDOW).active == {"lambda": 0, "container": 151}


def test_the_oldest_is_found_behind_jobs_that_were_admitted_first_and_are_due_since_now(ledger: Ledger, clock: Clock) -> None:
    for _ in range(5):
        ledger.admit(job(), "pending", -1, 30 * MINUTE)
    clock.advance(10 * MINUTE)
    admit(ledger)
    clock.advance(20 * MINUTE)
    ledger.sweep()
    assert max(ledger.observe(WINDOW).oldest_waiting_ms.values()) == 20 * MINUTE


def test_a_limit_of_memory_is_seen(ledger: Ledger, scripts: LossyScripts) -> None:
    scripts.redis.config_set("maxmemory", 50_000_000)
    try:
        assert ledger.observe(WINDOW).memory_allowed == 50_000_000
    finally:
        scripts.redis.config_set("maxmemory", 0)


class TestJudge:
    def test_a_condition_has_to_last(self, ledger: Ledger, clock: Clock) -> None:
        assert ledger.evaluate_alarms([("waiting", True, 5 * MINUTE)]).on == {}
        clock.advance(4 * MINUTE)
        assert ledger.evaluate_alarms([("waiting", True, 5 * MINUTE)]).on == {}
        clock.advance(MINUTE)
        assert ledger.evaluate_alarms([("waiting", True, 5 * MINUTE)]).on == {"waiting": clock.ms}
        at = clock.ms
        clock.advance(MINUTE)
        assert ledger.evaluate_alarms([("waiting", True, 5 * MINUTE)]).on == {"waiting": at}
        assert ledger.evaluate_alarms([("waiting", False, 5 * MINUTE)]).on == {}

    def test_an_interruption_begins_anew(self, ledger: Ledger, clock: Clock) -> None:
        for true in (True, False, True):
            assert ledger.evaluate_alarms([("stalled", true, 2 * MINUTE)]).on == {}
            clock.advance(MINUTE)
        assert ledger.evaluate_alarms([("stalled", True, 2 * MINUTE)]).on == {}

    def test_whoever_only_looks_changes_nothing(self, ledger: Ledger, clock: Clock) -> None:
        assert ledger.evaluate_alarms().observed_ms == 0
        ledger.evaluate_alarms([("waiting", True, 0), ("stalled", True, MINUTE)])
        at = clock.ms
        clock.advance(MINUTE)
        verdict = ledger.evaluate_alarms()
        assert (verdict.now_ms, verdict.observed_ms, verdict.on) == (clock.ms, at, {"waiting": at})

    def test_an_alarm_that_is_gone_from_the_table_is_forgotten(self, ledger: Ledger) -> None:
        ledger.evaluate_alarms([("of old", True, 0)])
        assert ledger.evaluate_alarms([("waiting", False, 0)]).on == {}
