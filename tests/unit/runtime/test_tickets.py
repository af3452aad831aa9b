"""The tickets, on moto in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import msgspec
import pytest
from moto import mock_aws

from chalicelib.domain import jobs
from chalicelib.errors import TicketsUnavailable
from chalicelib.queues import tickets
from chalicelib.queues.tickets import Tickets
from tests.unit.factories import job

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
