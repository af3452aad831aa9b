"""The journal of a run, and how the next run continues it."""

from __future__ import annotations

import pytest

from chalicelib.domain import attempts
from chalicelib.domain.cost import Cost, PoolPrices
from chalicelib.ledger.types import Claim
from workers.attempt import journal as journal_module
from workers.attempt.journal import Journal


def begun(attempt: int = 1, earlier: str = "") -> Journal:
    return Journal(Claim("run", attempt=attempt, journal=earlier))


def test_stages_and_a_log() -> None:
    journal = begun()
    with journal.stage("fetch"):
        pass
    with pytest.raises(ZeroDivisionError), journal.stage("process"):
        raise ZeroDivisionError
    journal.end("retry", "no luck")
    assert set(journal.stages) == {"fetch", "process"}  # also of what was cut short
    kept = attempts.from_result(journal.kept())
    assert [(one.attempt, one.outcome, one.error) for one in kept.attempts] == [(1, "retry", "no luck")]
    texts = [line.text for line in kept.log]
    assert texts[0] == "Attempt 1 started"
    assert texts[1].startswith("fetch took ")
    assert texts[-1] == "Attempt 1: retry, no luck"


def test_the_next_run_goes_on_where_this_one_ended() -> None:
    first = begun()
    first.end("released", "The worker is shutting down")
    kept = attempts.read(begun(earlier=first.text()).text())
    assert [one.outcome for one in kept.attempts] == ["released", None]
    assert "Attempt 1 started" in [line.text for line in kept.log]


def test_one_that_died_could_not_say_so() -> None:
    died = begun()
    kept = attempts.read(begun(2, died.text()).text())
    assert [one.outcome for one in kept.attempts] == ["interrupted", None]


def test_it_stays_small() -> None:
    text = ""
    for attempt in range(1, 100):
        run = begun(attempt, text)
        for _ in range(20):
            run.say("x" * 5000)
        run.end("released", "y" * 5000)
        text = run.text()
    kept = attempts.read(text)
    assert len(kept.attempts) == journal_module.ATTEMPTS_KEPT
    assert len(kept.log) == journal_module.LINES_KEPT
    assert len(text) < 40_000


def test_only_what_is_new_is_sent() -> None:
    journal = begun()
    text, changes = journal.unsent()
    assert text
    journal.sent(changes)
    assert journal.unsent()[0] == ""
    journal.say("more")
    assert "more" in journal.unsent()[0]
    journal.sent(0)  # the ledger was wiped
    assert journal.unsent()[0] == journal.text()


@pytest.mark.parametrize("earlier", ["nonsense", "[]", '{"attempts": 7}', '{"log": [{}]}'])
def test_notes_of_another_release_are_left_alone(earlier: str) -> None:
    assert len(attempts.read(begun(earlier=earlier).text()).attempts) == 1


def test_the_cost_of_all_runs_is_kept() -> None:
    """Also of those that are not listed any more."""
    text = ""
    for number in range(30):
        journal = begun(earlier=text)
        journal.spend(
            Cost(pool="container", seconds=2, cpu_seconds=3, peak_memory_bytes=number, bytes_in=5, bytes_out=7, usd=1)
        )
        text = journal.text()
    total = journal.total_cost(PoolPrices(job=0.5))
    assert (total.usd, total.seconds, total.cpu_seconds, total.bytes_in, total.bytes_out) == (30.5, 60, 90, 150, 7)
    assert total.peak_memory_bytes == 29
    assert len(attempts.read(text).attempts) == journal_module.ATTEMPTS_KEPT
