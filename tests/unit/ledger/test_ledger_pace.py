"""Pace and estimated start, the journal, and the webhook events of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from chalicelib.ledger.ledger import new_token
from tests.unit.factories import admit, claim, job

if TYPE_CHECKING:
    from chalicelib.domain.jobs import MediaJob
    from chalicelib.ledger.ledger import Ledger
    from chalicelib.ledger.types import JobSnapshot
    from tests.conftest import Clock


def seen(ledger: Ledger, ticket: MediaJob) -> JobSnapshot:
    snapshot = ledger.get(ticket.job_id)
    assert snapshot is not None
    return snapshot


def with_callback(ledger: Ledger, user: str = "u1") -> MediaJob:
    wanted = msgspec.structs.replace(job(user), callback_url="https://example.com/done")
    admission = ledger.admit(wanted, "pending", -1)
    assert admission.send is not None
    return admission.send


class TestPace:
    def test_the_time_between_two_starts_while_jobs_waited(self, ledger: Ledger, clock: Clock) -> None:
        tickets = [admit(ledger) for _ in range(6)]
        for ticket in tickets[:3]:
            clock.advance(10_000)
            claim(ledger, ticket)
        assert ledger.pools()["container"].pace_ms == 10_000
        last = seen(ledger, tickets[5])
        assert (last.position, last.starts_ms) == (3, clock.ms + 30_000)

    def test_an_idle_night_does_not_count(self, ledger: Ledger, clock: Clock) -> None:
        first, second, third = admit(ledger), admit(ledger), admit(ledger)
        for ticket in (first, second, third):
            clock.advance(1000)
            claim(ledger, ticket)
        clock.advance(8 * 3_600_000)
        claim(ledger, admit(ledger))
        assert ledger.pools()["container"].pace_ms == 1000

    def test_a_change_of_pace_is_followed(self, ledger: Ledger, clock: Clock) -> None:
        for at, ticket in enumerate([admit(ledger) for _ in range(42)]):
            clock.advance(1000 if at < 2 else 5000)
            claim(ledger, ticket)
        assert 4900 < ledger.pools()["container"].pace_ms <= 5000

    def test_nobody_knows_when_a_line_that_stands_still_will_move(self, ledger: Ledger, clock: Clock) -> None:
        tickets = [admit(ledger) for _ in range(3)]
        for ticket in tickets[:2]:
            clock.advance(1000)
            claim(ledger, ticket)
        assert seen(ledger, tickets[2]).starts_ms == clock.ms + 1000
        clock.advance(10_000)
        assert seen(ledger, tickets[2]).starts_ms == clock.ms  # overdue: any moment now
        clock.advance(120_000)
        assert seen(ledger, tickets[2]).starts_ms is None

    def test_each_pool_has_its_own(self, ledger: Ledger, clock: Clock) -> None:
        for pool, wait in (("lambda", 1000), ("container", 3000)):
            for ticket in [admit(ledger, pool=pool) for _ in range(3)]:
                clock.advance(wait)
                claim(ledger, ticket)
        assert {name: pool.pace_ms for name, pool in ledger.pools().items()} == {"lambda": 1000, "container": 3000}

    def test_several_at_once_as_each_alone(self, ledger: Ledger) -> None:
        tickets = [admit(ledger) for _ in range(3)]
        claim(ledger, tickets[0])
        found = ledger.get_many([ticket.job_id for ticket in tickets] + ["unknown"])
        assert [one.state if one else None for one in found] == ["active", "waiting", "waiting", None]
        assert [one.body for one in found if one] == ["", "", ""]
        assert ledger.get_many([]) == []


class TestNotes:
    def test_a_next_attempt_is_given_them(self, ledger: Ledger) -> None:
        ticket = admit(ledger)
        held = claim(ledger, ticket)
        assert held.journal == ""
        assert ledger.renew(held.job, held.token, 10, journal='{"log":[]}') == "ok"  # type: ignore[arg-type]
        assert ledger.renew(held.job, held.token, 20) == "ok"  # type: ignore[arg-type] - says nothing new
        assert seen(ledger, ticket).journal == '{"log":[]}'
        assert ledger.release(held.job, held.token, journal='{"log":[1]}') == "ok"  # type: ignore[arg-type]
        assert claim(ledger, ticket).journal == '{"log":[1]}'

    def test_a_retry_and_a_hop_keep_them(self, ledger: Ledger, clock: Clock) -> None:
        ticket = admit(ledger)
        held = claim(ledger, ticket)
        assert ledger.finish(held.job, held.token, "retry", {}, 2000, '{"log":[2]}') == "ok"  # type: ignore[arg-type]
        clock.advance(2000)
        again = claim(ledger, ticket)
        assert again.journal == '{"log":[2]}'
        assert again.job is not None
        moved = msgspec.structs.replace(again.job, pool="lambda")
        assert ledger.move(moved, again.token, '{"log":[3]}') == "ok"
        assert seen(ledger, ticket).journal == '{"log":[3]}'


class TestCallbacks:
    @pytest.mark.parametrize("outcome", ["completed", "failed", "cancelled"])
    def test_an_end_is_due_at_once(self, ledger: Ledger, outcome: str) -> None:
        ticket = with_callback(ledger)
        held = claim(ledger, ticket)
        assert ledger.take_webhook(1000) is None
        ledger.finish(held.job, held.token, outcome, {})  # type: ignore[arg-type]
        due = ledger.take_webhook(1000)
        assert due is not None
        assert (due.job_id, due.id, due.outcome, due.attempts) == (ticket.job_id, ticket.id, outcome, 0)
        assert '"callback_url":"https://example.com/done"' in due.body

    def test_nobody_asked_nobody_is_told(self, ledger: Ledger) -> None:
        held = claim(ledger, admit(ledger))
        ledger.finish(held.job, held.token, "completed", {})  # type: ignore[arg-type]
        assert ledger.take_webhook(1000) is None

    def test_a_cancel_before_the_start_is_told(self, ledger: Ledger) -> None:
        ticket = with_callback(ledger)
        assert ledger.cancel(ticket.job_id, ticket.id)[0] == "removed"
        due = ledger.take_webhook(1000)
        assert due is not None
        assert due.outcome == "cancelled"

    def test_a_courier_that_dies_is_followed_by_another(self, ledger: Ledger, clock: Clock) -> None:
        ticket = with_callback(ledger)
        ledger.cancel(ticket.job_id, ticket.id)
        assert ledger.take_webhook(60_000) is not None
        assert ledger.take_webhook(60_000) is None
        clock.advance(60_000)
        assert ledger.take_webhook(60_000) is not None

    def test_tries_are_noted_until_it_is_over(self, ledger: Ledger, clock: Clock) -> None:
        ticket = with_callback(ledger)
        ledger.cancel(ticket.job_id, ticket.id)
        due = ledger.take_webhook(60_000)
        assert due is not None
        assert ledger.record_webhook_attempt(due, 503, "callback_url answered with status 503", 5000) == "ok"
        assert ledger.take_webhook(60_000) is None
        clock.advance(5000)
        again = ledger.take_webhook(60_000)
        assert again is not None
        assert again.attempts == 1
        assert ledger.record_webhook_attempt(again, 200, "", None) == "ok"
        clock.advance(10_000_000)
        assert ledger.take_webhook(60_000) is None
        webhook = seen(ledger, ticket).webhook
        assert webhook is not None
        assert ([one.status for one in webhook.attempts], webhook.finished) == ([503, 200], True)

    def test_a_newer_end_takes_the_place_of_one_that_was_not_told(self, ledger: Ledger) -> None:
        ticket = with_callback(ledger)
        held = claim(ledger, ticket)
        ledger.finish(held.job, held.token, "failed", {})  # type: ignore[arg-type]
        old = ledger.take_webhook(1)
        assert old is not None
        again = msgspec.structs.replace(ticket, id="")
        admission = ledger.admit(again, "reopened", -1)
        assert admission.send is not None
        held = claim(ledger, admission.send)
        ledger.finish(held.job, held.token, "completed", {})  # type: ignore[arg-type]
        assert ledger.record_webhook_attempt(old, 200, "", None) == "unknown"
        due = ledger.take_webhook(1000)
        assert due is not None
        assert (due.id, due.outcome) == (admission.id, "completed")

    def test_what_nobody_has_told_is_found(self, ledger: Ledger, clock: Clock) -> None:
        """Where only Lambdas work, nobody is awake between two jobs."""
        ticket = with_callback(ledger)
        ledger.cancel(ticket.job_id, ticket.id)
        assert (ledger.sweep().undelivered, ledger.overdue_webhooks(10)) == (0, [])  # whoever ended it is telling it
        clock.advance(20_000)
        assert ledger.sweep().undelivered == 1
        [found] = ledger.overdue_webhooks(10)
        assert found.id == ticket.id
        old = msgspec.structs.replace(found, pool="lambda")
        assert claim(ledger, old).word == "drop"  # by whichever worker is sent the old ticket

    def test_one_of_a_users_at_a_time(self, ledger: Ledger, clock: Clock) -> None:
        """A receiver that does not answer delays nobody else's."""
        for user in ("a", "a", "a", "b"):
            ticket = with_callback(ledger, user)
            ledger.cancel(ticket.job_id, ticket.id)
            clock.advance(1)
        first, other = ledger.take_webhook(60_000), ledger.take_webhook(60_000)
        assert first is not None
        assert other is not None
        assert ['"user_id":"a"' in first.body, '"user_id":"b"' in other.body] == [True, True]
        assert ledger.take_webhook(60_000) is None
        ledger.record_webhook_attempt(first, 0, "callback_url could not be reached", 500_000, 30_000)
        clock.advance(10_000)
        assert ledger.take_webhook(60_000) is None  # the others of its user wait as well
        clock.advance(50_000)
        assert ledger.take_webhook(60_000) is not None

    def test_a_user_with_very_many_hides_nobody(self, ledger: Ledger, clock: Clock) -> None:
        for user in (*["a"] * 350, "b"):
            ticket = with_callback(ledger, user)
            ledger.cancel(ticket.job_id, ticket.id)
            clock.advance(1)
        first, other = ledger.take_webhook(60_000), ledger.take_webhook(60_000)
        assert first is not None
        assert other is not None
        assert '"user_id":"b"' in other.body
        ledger.record_webhook_attempt(first, 200, "", None)
        clock.advance(2000)
        assert ledger.take_webhook(60_000) is not None  # the next of the many

    def test_a_note_that_is_repeated_or_late_changes_nothing(self, ledger: Ledger, clock: Clock) -> None:
        ticket = with_callback(ledger)
        ledger.cancel(ticket.job_id, ticket.id)
        due = ledger.take_webhook(1000)
        assert due is not None
        ledger.record_webhook_attempt(due, 500, "bad", 5000)
        assert ledger.record_webhook_attempt(due, 500, "bad", 5000) == "ok"
        webhook = seen(ledger, ticket).webhook
        assert webhook is not None
        assert len(webhook.attempts) == 1
        clock.advance(5000)
        again = ledger.take_webhook(1000)
        assert again is not None
        ledger.record_webhook_attempt(again, 200, "", None)
        ledger.record_webhook_attempt(due, 0, "late", 5000)
        clock.advance(100_000)
        assert ledger.take_webhook(1000) is None

    def test_what_was_put_off_was_no_try(self, ledger: Ledger, clock: Clock) -> None:
        ticket = with_callback(ledger)
        ledger.cancel(ticket.job_id, ticket.id)
        for _ in range(50):
            due = ledger.take_webhook(1000)
            assert due is not None
            assert due.attempts == 0
            ledger.record_webhook_attempt(due, None, "", 30_000)
            clock.advance(30_000)

    def test_what_is_over_is_small_and_goes(self, ledger: Ledger) -> None:
        ticket = with_callback(ledger)
        ledger.cancel(ticket.job_id, ticket.id)
        due = ledger.take_webhook(1000)
        assert due is not None
        ledger.record_webhook_attempt(due, 200, "", None)
        redis, key = ledger._scripts.redis, f"{{test}}:webhook:{ticket.job_id}"
        assert redis.strlen(key) < 300
        assert 0 < redis.ttl(key) <= 86_400

    def test_samples_of_an_older_release_are_left_out(self, ledger: Ledger) -> None:
        ledger._scripts.redis.rpush("{test}:trend", "1 2 3")
        ledger.observe(10**15)
        assert len(ledger.trend()) == 1

    def test_a_day_has_one_sample_a_minute(self, ledger: Ledger, clock: Clock) -> None:
        for _ in range(30):
            ledger.observe(900_000)
            clock.advance(20_000)
        assert len(ledger.trend(1440)) == 10
        assert len(ledger.trend(60)) == 10
        assert len(ledger.trend()) == 30

    def test_a_day_is_all_that_is_kept(self, ledger: Ledger, clock: Clock) -> None:
        ledger._scripts.redis.rpush("{test}:trend:day", *["1 2 3 4 5"] * 1440)
        ledger.observe(900_000)
        assert ledger._scripts.redis.llen("{test}:trend:day") == 1440
        assert ledger.trend(1440)[-1].at_ms == clock.ms

    def test_a_job_put_back_after_a_wipe_still_calls_back(self, ledger: Ledger) -> None:
        from chalicelib.ledger.codec import LostJob

        ticket = with_callback(ledger)
        token = new_token()
        ledger._scripts.redis.flushall()
        assert ledger.adopt([LostJob(ticket, "processing", token=token)]) == ["adopted"]
        assert ledger.finish(ticket, token, "completed", {}) == "ok"
        assert ledger.take_webhook(1000) is not None
