"""Limits of the ledger, and a Redis that is unreachable, fails over, or answers twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import redis

from chalicelib.errors import LedgerUnavailable
from chalicelib.ledger import scripts as scripts_module
from chalicelib.ledger.ledger import Ledger
from chalicelib.ledger.scripts import Scripts
from tests.unit.factories import admit, claim, drain

if TYPE_CHECKING:
    from tests.conftest import Clock, LossyScripts


class TestBounds:
    def test_a_sweep_does_some_at_a_time(self, ledger: Ledger, clock: Clock) -> None:
        """When everything is wrong at once it is a matter of some runs, and no run is a long one."""
        for _ in range(250):
            claim(ledger, admit(ledger))
        for _ in range(250):
            admit(ledger)
        clock.advance(61_000)
        found = [len(ledger.sweep().missing)]
        for _ in range(30):
            clock.advance(5_001)
            found.append(len(ledger.sweep().missing))
        assert max(found) <= 90
        assert ledger.stats()[:2] == (500, 0)
        assert sum(found) >= 250

    def test_history_is_trimmed_and_totals_are_not(self, ledger: Ledger, scripts: Scripts) -> None:
        for outcome, jobs in (("completed", 125), ("failed", 1023)):
            for _ in range(jobs):
                drain(ledger, admit(ledger), outcome)
        assert ledger.stats()[3:5] == (125, 1023)
        assert 100 <= scripts.redis.llen("{test}:history:completed") < 120
        assert 1000 <= scripts.redis.llen("{test}:history:failed") < 1020

    def test_finished_jobs_leave_only_a_marker_for_a_day(self, ledger: Ledger, scripts: Scripts) -> None:
        for number in range(20):
            drain(ledger, admit(ledger, user=f"u{number}"))
        kinds = {key.split(":")[1] for key in scripts.redis.scan_iter(count=1000)}
        assert kinds == {"claim", "done", "history", "meta", "pool", "totals", "usage"}
        assert all(0 < scripts.redis.ttl(key) <= 60 for key in scripts.redis.scan_iter("*:claim:*"))
        assert all(0 < scripts.redis.ttl(key) <= 86_400 for key in scripts.redis.scan_iter("*:done:*"))

    def test_stats_cost_the_same_for_any_number_of_jobs(self, ledger: Ledger, scripts: Scripts) -> None:
        def commands() -> int:
            before = scripts.redis.info("commandstats")
            ledger.stats()
            after = scripts.redis.info("commandstats")
            return sum(after[name]["calls"] - before.get(name, {"calls": 0})["calls"] for name in after)

        ledger.stats()
        empty = commands()
        for number in range(200):
            admit(ledger, user=f"u{number}")
        assert commands() == empty


def test_who_closes_a_job_and_who_cancels_it_exclude_each_other(ledger: Ledger) -> None:
    """Directus would let both: its filtered update looks first, and writes then."""
    first, second = claim(ledger, admit(ledger)), claim(ledger, admit(ledger))
    assert first.job is not None
    assert second.job is not None
    assert ledger.renew(first.job, first.token, phase="closing") == "ok"
    assert ledger.begin_cancel(first.job.job_id, first.job.id, "t") == "closing"
    assert ledger.begin_cancel(second.job.job_id, second.job.id, "t") == "busy"
    assert ledger.renew(second.job, second.token, phase="started") == "cancelled"
    assert ledger.begin_cancel(second.job.job_id, second.job.id, "t") == "flagged"
    assert ledger.renew(second.job, second.token, phase="closing") == "cancelled"
    ledger.release(first.job, first.token)  # it did not come to that
    assert ledger.begin_cancel(first.job.job_id, first.job.id, "t") == "flagged"


def test_what_is_repeated_is_answered_as_before(ledger: Ledger) -> None:
    for call in (lambda held: ledger.release(held.job, held.token, 5), lambda held: ledger.move(held.job, held.token)):
        held = claim(ledger, admit(ledger))
        assert [call(held), call(held)] == ["ok", "ok"]
        ledger.cancel(held.job.job_id, held.job.id)


def test_redis_away_is_said_in_the_published_words() -> None:
    with pytest.raises(LedgerUnavailable, match=r"^Redis connection refused$"):
        Ledger(Scripts("redis://127.0.0.1:1/0", "{test}")).stats()


def test_redis_that_will_not_write_is_away(ledger: Ledger, scripts: Scripts) -> None:
    scripts.redis.config_set("maxmemory", "1")
    try:
        with pytest.raises(LedgerUnavailable):
            admit(ledger)
    finally:
        scripts.redis.config_set("maxmemory", "0")


@pytest.mark.parametrize("kind", scripts_module.UNWRITABLE)
def test_a_failover_is_redis_away(
    ledger: Ledger, scripts: Scripts, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    """As redis-py tells it of Redis 7 and Valkey: a class, and a text without the code."""

    def refuse(*_: object, **__: object) -> None:
        raise kind("You can't write against a read only replica.")

    ledger.stats()
    monkeypatch.setattr(redis.Connection, "read_response", refuse)
    with pytest.raises(LedgerUnavailable):
        ledger.stats()


def test_every_script_documents_its_arguments() -> None:
    files = list(scripts_module.FOLDER.rglob("*.lua"))
    assert len(files) > 30
    for file in files:
        text = file.read_text()
        assert text.startswith("-- "), file
        header = text.split("\nlocal", 1)[0]
        assert file.name == "lib.lua" or "ARGV[" not in text or "ARGV" in header, file


class TestTogether:
    """Calls of several threads in one exchange with Redis."""

    def exchange(self, scripts: Scripts, calls: list[tuple[Any, ...]]) -> list[Any]:
        return scripts._answers([scripts_module._Call(name, args) for name, *args in calls])

    def test_each_has_its_own_answer_also_when_redis_has_forgotten_the_scripts(self, scripts: Scripts) -> None:
        calls = [
            ("pools/stats", "lambda", "container"),
            ("jobs/get", "", 0, "unknown"),
            ("jobs/lock", "job", "token", 1),
            ("jobs/lock", "job", "t", 1),
        ]
        expected = [scripts.call(*call) for call in calls[:2]] + [["ok"], ["locked"]]
        scripts.redis.script_flush()
        assert self.exchange(scripts, calls) == expected

    def test_one_that_cannot_be_sent_or_is_refused_fails_alone(self, scripts: Scripts) -> None:
        lone_surrogate = "\ud800"
        calls = [
            ("jobs/lock", "a", lone_surrogate, 1),
            ("jobs/lock", "b", "token", 1),
            ("taxonomy/read",),
            ("jobs/lock", "b", "t", 1),
        ]
        unsendable, first, refused, second = self.exchange(scripts, calls)
        assert isinstance(unsendable, UnicodeEncodeError)
        assert isinstance(refused, redis.ResponseError)
        assert (first, second) == (["ok"], ["locked"])

    def test_after_a_lost_answer_all_are_repeated(self, ledger: Ledger, scripts: LossyScripts) -> None:
        """The first claims were made: the repeated ones find their jobs."""
        jobs = [admit(ledger) for _ in range(3)]
        scripts.lose = True
        answers = self.exchange(scripts, [("jobs/claim", ledger._now(), "container", 10_000, 1, f"t{n}") for n in range(2)])
        assert [answer[0][0] for answer in answers] == [job.id for job in jobs[:2]]
        assert ledger.stats()[:2] == (1, 2)

    def test_an_answer_that_was_not_read_is_not_that_of_the_next_call(
        self, scripts: Scripts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read = scripts_module._read

        def interrupted(connection: Any) -> Any:
            monkeypatch.setattr(scripts_module, "_read", read)
            raise KeyboardInterrupt

        monkeypatch.setattr(scripts_module, "_read", interrupted)
        with pytest.raises(KeyboardInterrupt):
            self.exchange(scripts, [("jobs/lock", "a", "token", 1), ("jobs/lock", "b", "token", 1)])
        assert scripts.call("jobs/lock", "a", "another", 1) == ["locked"]
        assert scripts.call("jobs/lock", "c", "token", 1) == ["ok"]
