"""What happens to the tickets of running and of ended jobs."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from chalicelib.errors import TicketsUnavailable
from chalicelib.queues.tickets import RUN_VISIBILITY_SECONDS, Ticket
from tests.unit.factories import job
from tests.waiting import until
from workers.runtime import ticket_keeper as module
from workers.runtime.ticket_keeper import TicketKeeper


class Queue:
    """Notes the calls, and fails the first ones."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls: list[tuple[str, list[Any]]] = []

    def _note(self, call: str, about: list[Any]) -> None:
        if about:
            self.calls.append((call, about))
        if about and self.errors:
            raise self.errors.pop()

    def hold_all(self, delays: list[tuple[Ticket, int]]) -> None:
        self._note("hold", [(ticket.receipt, ms) for ticket, ms in delays])

    def delete_all(self, tickets: list[Ticket]) -> None:
        self._note("delete", [ticket.receipt for ticket in tickets])

    def hold(self, ticket: Ticket, delay_ms: int) -> None:
        self._note("return", [ticket.receipt, delay_ms])

    def send(self, made: Any, delay_ms: int) -> None:
        self._note("send", [made.job_id, delay_ms])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK_SECONDS", 0.01)


def ticket(number: int = 0) -> Ticket:
    return Ticket("container", f"receipt-{number}", "", job())


def keeper(queue: Any, *, at_once: bool = False) -> TicketKeeper:
    return TicketKeeper(queue, at_once=at_once)


class Time:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class TestHiding:
    """With the thread that does it every half second held back, and a clock of the test's own."""

    @pytest.fixture
    def time(self, monkeypatch: pytest.MonkeyPatch) -> Time:
        time = Time()
        monkeypatch.setattr(module, "time", time)
        monkeypatch.setattr(TicketKeeper, "_start", lambda self: None)
        return time

    def test_tickets_are_hidden_together_for_as_long_as_a_run_may_need(self, time: Time) -> None:
        queue = Queue()
        kept = keeper(queue)
        for number in range(3):
            kept.keep(ticket(number))
        time.now += module.RECEIVE_VISIBILITY_SECONDS / 2 - 1
        kept._extend()
        assert queue.calls == []
        time.now += 1
        kept._extend()
        assert queue.calls == [("hold", [(f"receipt-{number}", RUN_VISIBILITY_SECONDS * 1000) for number in range(3)])]

    def test_they_are_hidden_again_well_before_they_would_be_seen(self, time: Time) -> None:
        queue = Queue()
        kept = keeper(queue)
        kept.keep(ticket())
        began, seen_at = time.now, time.now + module.RECEIVE_VISIBILITY_SECONDS
        while time.now < began + 1000:
            calls = len(queue.calls)
            kept._extend()
            if len(queue.calls) > calls:
                assert time.now < seen_at - 10
                seen_at = time.now + RUN_VISIBILITY_SECONDS
            time.now += 0.5
        assert len(queue.calls) == 14  # a call costs money


def test_hiding_is_tried_again_while_sqs_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECEIVE_VISIBILITY_SECONDS", 0.01)
    queue = Queue(TicketsUnavailable(), TicketsUnavailable())
    keeper(queue).keep(ticket())
    until(lambda: len(queue.calls) == 3)
    time.sleep(0.1)
    assert len(queue.calls) == 3


def test_the_ticket_of_an_ended_job_is_hidden_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECEIVE_VISIBILITY_SECONDS", 0.1)
    queue = Queue()
    kept, ended = keeper(queue), ticket()
    kept.keep(ended)
    kept.delete([ended])
    time.sleep(0.2)
    assert queue.calls == [("delete", ["receipt-0"])]
    until(lambda: not kept._running)


def test_jobs_that_end_at_about_the_same_time_share_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK_SECONDS", 0.2)
    queue = Queue()
    kept = keeper(queue)
    for number in range(4):
        kept.delete([ticket(number)])
    until(lambda: queue.calls)
    assert queue.calls == [("delete", [f"receipt-{number}" for number in range(4)])]


def test_a_worker_that_stops_deletes_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK_SECONDS", 60)
    queue = Queue()
    kept = keeper(queue)
    kept.delete([ticket()])
    kept.flush()
    assert queue.calls == [("delete", ["receipt-0"])]


def test_a_lambda_deletes_at_once() -> None:
    queue = Queue()
    kept = keeper(queue, at_once=True)
    kept.delete([ticket()])
    assert queue.calls == [("delete", ["receipt-0"])]
    kept.delete([])
    assert len(queue.calls) == 1


@pytest.mark.parametrize("error", [TicketsUnavailable(), RuntimeError("a bug")])
def test_an_error_ends_neither_the_thread_nor_the_caller(error: Exception) -> None:
    queue = Queue(error)
    kept = keeper(queue)
    kept.delete([ticket(1)])
    until(lambda: queue.calls)
    kept.delete([ticket(2)])
    until(lambda: len(queue.calls) == 2)


@pytest.mark.parametrize("unreachable", [False, True])
def test_a_released_job_gets_its_ticket_back_or_a_new_one(unreachable: bool) -> None:
    queue = Queue(*[TicketsUnavailable()] * 2 * unreachable)
    kept, own, released = keeper(queue, at_once=True), ticket(), job()
    kept.hold_or_send(own, released, 2000)
    kept.hold_or_send(None, released, 2000, unsure=False)  # no worker looks for jobs without tickets
    assert queue.calls == [("return", ["receipt-0", 2000]), ("send", [released.job_id, 2000])]


def test_a_container_sends_no_second_ticket() -> None:
    queue = Queue()
    kept, released = keeper(queue), job()
    kept.hold_or_send(None, released, 2000, unsure=False)
    assert queue.calls == []
    kept.hold_or_send(None, released, 2000, unsure=True)
    assert queue.calls == [("send", [released.job_id, 2000])]


def test_a_returned_ticket_is_not_hidden_by_an_extension_that_is_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECEIVE_VISIBILITY_SECONDS", 0.01)
    queue = Queue()
    kept, own = keeper(queue), ticket()
    hides, goes_on = threading.Event(), threading.Event()

    def slow(delays: list[tuple[Ticket, int]]) -> None:
        if delays:
            hides.set()
            assert goes_on.wait(5)
            queue.calls.append(("hold", []))

    queue.hold_all = slow  # type: ignore[method-assign]
    kept.keep(own)
    assert hides.wait(5)
    returning = threading.Thread(target=kept.hold_or_send, args=(own, job(), 0))
    returning.start()
    time.sleep(0.1)
    goes_on.set()
    returning.join(5)
    assert queue.calls == [("hold", []), ("return", ["receipt-0", 0])]


def test_a_thread_that_cannot_be_started_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Queue()
    kept, start = keeper(queue), threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda self: (_ for _ in ()).throw(RuntimeError("can't start new thread")))
    with pytest.raises(RuntimeError):
        kept.delete([ticket(1)])
    monkeypatch.setattr(threading.Thread, "start", start)
    kept.delete([ticket(2)])
    until(lambda: queue.calls)
    assert queue.calls == [("delete", ["receipt-1", "receipt-2"])]
