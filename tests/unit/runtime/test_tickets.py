"""The tickets, on moto in this process."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import boto3
import msgspec
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from chalicelib.domain import jobs
from chalicelib.errors import TicketsUnavailable
from chalicelib.queues import tickets
from chalicelib.queues.tickets import Tickets
from tests.unit.factories import job
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_sqs import SQSClient


@pytest.fixture
def sqs() -> Iterator[SQSClient]:
    with mock_aws():
        yield boto3.client("sqs", region_name="us-east-1")


@pytest.fixture
def queues(sqs: SQSClient) -> Tickets:
    def make(name: str) -> str:
        return sqs.create_queue(QueueName=name)["QueueUrl"]

    return Tickets(sqs, {pool: make(pool) for pool in ("lambda", "container")}, {"container": make("dead")})


def named(**values: Any) -> jobs.MediaJob:
    return msgspec.structs.replace(job(**values), id="018f0000-0000-7000-8000-000000000001")


def test_a_ticket_carries_the_whole_job(queues: Tickets) -> None:
    sent = named(priority=3)
    queues.send(sent)
    [ticket] = queues.receive("container", wait_seconds=0)
    assert ticket.job == sent


def test_lambdas_are_called_for_parts_in_batches(queues: Tickets) -> None:
    queues.call_for_parts("018f0000-0000-7000-8000-000000000001", 25)
    received = [ticket for _ in range(5) for ticket in queues.receive("lambda", 10)]
    assert [(ticket.calls_for_parts, ticket.job, ticket.poison) for ticket in received] == [(True, None, False)] * 25
    with pytest.raises(jobs.UnknownEnvelope) as unknown:
        jobs.decode(received[0].body)
    assert unknown.value.newer  # a release that knows no parts keeps it for a newer worker


def test_pools_have_queues_of_their_own(queues: Tickets) -> None:
    queues.send(named(pool="lambda"))
    assert queues.receive("container", wait_seconds=0) == []
    assert len(queues.receive("lambda", wait_seconds=0)) == 1


def test_received_tickets_are_out_of_sight_until_they_are_given_back(queues: Tickets) -> None:
    queues.send(named())
    [ticket] = queues.receive("container", wait_seconds=0)
    assert queues.receive("container", wait_seconds=0) == []
    queues.hold(ticket)
    [again] = queues.receive("container", wait_seconds=0)
    queues.delete(again)
    queues.hold(again)  # gone: nothing to change, and nothing to complain about
    assert queues.receive("container", wait_seconds=0) == []


def test_a_delay_is_rounded_up_to_seconds_and_bounded_by_what_sqs_takes(queues: Tickets, sqs: SQSClient) -> None:
    seen: list[dict[str, Any]] = []
    sqs.meta.events.register("provide-client-params.sqs.*", lambda params, **_: seen.append(params))
    queues.send(named(), delay_ms=1_001)
    queues.send(named(), delay_ms=10**9)
    assert [one["DelaySeconds"] for one in seen] == [2, 900]


@pytest.mark.parametrize("body", ["rubbish", "{}", '{"v":1}', '{"v":"1"}', "[]", '{"v":0,"job_id":"x"}'])
def test_what_no_release_can_read_is_poison_and_goes_to_the_dead_letter_queue(
    queues: Tickets, sqs: SQSClient, body: str
) -> None:
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName="container")["QueueUrl"], MessageBody=body)
    [ticket] = queues.receive("container", wait_seconds=0)
    assert ticket.job is None
    assert ticket.poison
    queues.send_to_dead_letter_queue(ticket)
    dead = sqs.receive_message(QueueUrl=sqs.get_queue_url(QueueName="dead")["QueueUrl"])["Messages"]
    assert [one["Body"] for one in dead] == [body]
    assert queues.receive("container", wait_seconds=0) == []


@pytest.mark.parametrize("body", ['{"v":2,"anything":1}', jobs.encode(named()).replace("transcoding", "hologram")])
def test_what_a_later_release_wrote_is_not(queues: Tickets, sqs: SQSClient, body: str) -> None:
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName="container")["QueueUrl"], MessageBody=body)
    [ticket] = queues.receive("container", wait_seconds=0)
    assert ticket.job is None
    assert not ticket.poison


def test_sqs_away_is_said_in_our_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    away = Tickets(tickets.client(), {"container": "http://127.0.0.1:1/q"}, {})
    with pytest.raises(TicketsUnavailable, match=r"^SQS connection refused$"):
        away.send(named())


def test_a_queue_that_is_missing_is_no_secret_of_ours(sqs: SQSClient) -> None:
    with pytest.raises(TicketsUnavailable, match=r"^SQS refused the call$"):
        Tickets(sqs, {"container": "https://sqs.us-east-1.amazonaws.com/1/none"}, {}).send(named())


class Counting:
    """Counts the calls of SQS, and lets chosen ones fail."""

    def __init__(self, sqs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self.error: Exception | None = None
        for name in ("send_message", "send_message_batch"):
            monkeypatch.setattr(sqs, name, self.counted(name, getattr(sqs, name)))

    def counted(self, name: str, call: Any) -> Any:
        def counted(**arguments: Any) -> Any:
            self.calls.append(name)
            if self.error is not None:
                raise self.error
            return call(**arguments)

        return counted


def several(
    count: int, pool: str = "container", delay_ms: int = 0, params: dict[str, Any] | None = None
) -> list[tickets.Sending]:
    return [
        tickets.Sending(msgspec.structs.replace(job(pool=pool), id=f"{pool}-{number}", params=params or {}), delay_ms)
        for number in range(count)
    ]


def test_many_are_sent_ten_at_a_time(queues: Tickets, sqs: SQSClient, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(sqs, monkeypatch)
    assert queues.send_all(several(21) + several(2, "lambda")) == {}
    assert counting.calls == ["send_message_batch", "send_message_batch", "send_message", "send_message_batch"]
    received = [ticket for _ in range(3) for ticket in queues.receive("container", 10)]
    assert {ticket.job.id for ticket in received if ticket.job} == {f"container-{number}" for number in range(21)}
    assert len(queues.receive("lambda", 10)) == 2


def test_a_batch_is_no_larger_than_sqs_takes(queues: Tickets, sqs: SQSClient, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(sqs, monkeypatch)
    assert queues.send_all(several(6, params={"transcript": "x" * (tickets.BATCH_MAX_BYTES // 4)})) == {}
    assert counting.calls == ["send_message_batch", "send_message_batch"]


def test_delays_in_a_batch_are_rounded_up(queues: Tickets, sqs: SQSClient, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(sqs, "send_message_batch", lambda **arguments: sent.append(arguments) or {})
    queues.send_all(several(2, delay_ms=1500))
    assert [entry["DelaySeconds"] for entry in sent[0]["Entries"]] == [2, 2]


def test_what_sqs_refuses_of_a_batch_is_named(queues: Tickets, sqs: SQSClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqs, "send_message_batch", lambda **_: {"Failed": [{"Id": "1"}]})
    assert list(queues.send_all(several(3))) == ["container-1"]


def test_an_unreachable_sqs_is_asked_once(queues: Tickets, sqs: SQSClient, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(sqs, monkeypatch)
    counting.error = EndpointConnectionError(endpoint_url="http://sqs")
    failed = queues.send_all(several(25) + several(3, "lambda"))
    assert len(failed) == 28
    assert all(isinstance(error, TicketsUnavailable) for error in failed.values())
    assert len(counting.calls) == 1


def test_a_refused_batch_does_not_keep_the_next_back(queues: Tickets, sqs: SQSClient, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(sqs, monkeypatch)
    counting.error = ClientError({"Error": {"Code": "Refused"}}, "SendMessageBatch")
    assert len(queues.send_all(several(20))) == 20
    assert len(counting.calls) == 2


def test_tickets_of_one_moment_share_a_call_and_each_sender_has_its_own_answer(
    queues: Tickets, sqs: SQSClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQS takes its time with the first; the others gather behind it, and it refuses one of them."""
    goes_on, batches = threading.Event(), []
    one_by_one: list[Any] = []

    def slow(**arguments: Any) -> Any:
        one_by_one.append(arguments)
        assert goes_on.wait(10)

    def refuse_the_second(**arguments: Any) -> Any:
        batches.append([entry["Id"] for entry in arguments["Entries"]])
        return {"Failed": [{"Id": "1"}]}

    monkeypatch.setattr(sqs, "send_message", slow)
    monkeypatch.setattr(sqs, "send_message_batch", refuse_the_second)
    with ThreadPoolExecutor(8) as threads:
        first, *others = several(6)
        running = [threads.submit(queues.send_all, [first])]
        until(lambda: one_by_one)
        running += [threads.submit(queues.send_all, [one]) for one in others]
        until(lambda: len(queues._sends._gathered) == 5)
        goes_on.set()
        refused = [list(one.result(10)) for one in running]
    assert (len(one_by_one), batches) == (1, [["0", "1", "2", "3", "4"]])
    assert sorted(map(len, refused)) == [0, 0, 0, 0, 0, 1]
    assert all(ids in ([], [sending.job.id]) for ids, sending in zip(refused, [first, *others], strict=True))


def test_many_are_deleted_and_returned_ten_at_a_time(queues: Tickets, sqs: SQSClient, monkeypatch: pytest.MonkeyPatch) -> None:
    queues.send_all(several(12) + several(12, "lambda"))
    received = [ticket for pool in ("container", "lambda") for _ in range(2) for ticket in queues.receive(pool, 10)]
    assert len(received) == 24
    calls: list[tuple[str, int]] = []
    for name in ("delete_message_batch", "change_message_visibility_batch"):
        monkeypatch.setattr(sqs, name, counted_entries(calls, name, getattr(sqs, name)))
    queues.hold_all([(ticket, 0) for ticket in received])
    again = [ticket for pool in ("container", "lambda") for _ in range(2) for ticket in queues.receive(pool, 10)]
    assert len(again) == 24
    queues.delete_all(again)
    assert calls == [
        (name, size) for name in ("change_message_visibility_batch", "delete_message_batch") for size in (10, 2) * 2
    ]
    queues.hold_all([(ticket, 0) for ticket in again])  # there is nothing to change any more
    assert [queues.receive(pool, 10) for pool in ("container", "lambda")] == [[], []]
    queues.delete_all([])
    queues.hold_all([])
    assert len(calls) == 12


def counted_entries(calls: list[tuple[str, int]], name: str, call: Any) -> Any:
    def counted(**arguments: Any) -> Any:
        calls.append((name, len(arguments["Entries"])))
        return call(**arguments)

    return counted


def test_what_sqs_refuses_to_change_is_logged(
    queues: Tickets, sqs: SQSClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    queues.send_all(several(2))
    received = queues.receive("container", 10)
    failed = [{"Id": "0", "Code": "ReceiptHandleIsInvalid"}, {"Id": "1", "Code": "InternalError"}]
    monkeypatch.setattr(sqs, "delete_message_batch", lambda **_: {"Failed": failed})
    queues.delete_all(received)
    assert [record.codes for record in caplog.records] == [["InternalError"]]  # type: ignore[attr-defined]


def test_long_delays_go_to_the_scheduler_one_by_one(sqs: SQSClient, queues: Tickets) -> None:
    class Schedules:
        def __init__(self) -> None:
            self.sent: list[tuple[str, int]] = []
            self.forgotten: list[str] = []

        def send_later(self, job: jobs.MediaJob, url: str, delay_ms: int) -> None:
            self.sent.append((job.id, delay_ms))

        def forget(self, bull_job_id: str) -> None:
            self.forgotten.append(bull_job_id)
            raise TicketsUnavailable

    schedules: Any = Schedules()
    with_scheduler = Tickets(sqs, queues._urls, {}, schedules=schedules)
    edge = tickets.DELAY_MAX_SECONDS * 1000
    assert with_scheduler.send_all(several(2, delay_ms=edge + 1)) == {}
    assert schedules.sent == [("container-0", edge + 1), ("container-1", edge + 1)]
    with_scheduler.send(named(), edge)
    assert len(schedules.sent) == 2  # SQS takes that long itself
    assert (queues.delay_max_ms, with_scheduler.delay_max_ms) == (edge, 7 * 24 * 3_600_000)
    with_scheduler.unschedule("x")  # an error is only logged
    queues.unschedule("x")
    assert schedules.forgotten == ["x"]


def test_at_most_ten_are_received_and_dead_ones_are_marked(queues: Tickets) -> None:
    queues.send_all(several(12))
    received = queues.receive("container", 50)
    assert 1 <= len(received) <= 10
    assert not any(ticket.dead for ticket in received)
    queues.send_to_dead_letter_queue(received[0])
    assert queues.count_dead_letters("container") == 1
    [dead] = queues.receive("container", 1, dead=True)
    assert dead.dead
    assert queues.count_dead_letters("container") == 1  # one that is being looked at counts too
    queues.delete(dead)
    assert queues.count_dead_letters("container") == 0
