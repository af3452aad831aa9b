"""The queues on an SQS emulator: ministack, or LocalStack if AWS_ENDPOINT_URL names one.

The clients come from `localstack_client.session`, as LocalStack's documentation has it; nothing here knows which one answers.
"""

from __future__ import annotations

import os
import time
import uuid
from typing import TYPE_CHECKING, Any

import boto3
import msgspec
import pytest
from localstack_client.session import Session

from chalicelib.queues.tickets import Tickets
from infra.local import processes
from infra.local.process import LOOPBACK, pick_port
from tests.unit.factories import job

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if given := os.environ.get("AWS_ENDPOINT_URL"):
        yield given
        return
    port = pick_port()
    emulator = processes.sqs_process(tmp_path_factory.mktemp("sqs") / "state", port).start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{LOOPBACK}:{port}")
        yield f"http://{LOOPBACK}:{port}"
    emulator.stop()


@pytest.fixture(scope="module")
def session(endpoint: str) -> Session:
    return Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=processes.REGION)


@pytest.fixture(scope="module")
def urls(endpoint: str) -> dict[str, str]:
    return processes.make_queues(endpoint, f"it-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def sqs(session: Session) -> Any:
    return session.client("sqs")


@pytest.fixture
def queues(sqs: Any, urls: dict[str, str]) -> Tickets:
    pools = ("lambda", "container")
    return Tickets(
        sqs,
        {pool: urls[f"QUEUE_URL_{pool.upper()}"] for pool in pools},
        {pool: urls[f"DEAD_LETTER_URL_{pool.upper()}"] for pool in pools},
    )


def test_the_local_queues_outlive_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Of the emulator that the local system runs, whatever AWS_ENDPOINT_URL says."""
    port = pick_port()
    emulator = processes.sqs_process(tmp_path_factory.mktemp("restart") / "state", port).start()
    url = f"http://{LOOPBACK}:{port}"
    client = boto3.client("sqs", endpoint_url=url, region_name=processes.REGION)
    queue = processes.make_queues(url)["QUEUE_URL_CONTAINER"]
    client.send_message(QueueUrl=queue, MessageBody="still here")
    emulator.stop()
    emulator.start()
    assert processes.make_queues(url)["QUEUE_URL_CONTAINER"] == queue
    assert client.receive_message(QueueUrl=queue, WaitTimeSeconds=2)["Messages"][0]["Body"] == "still here"
    emulator.stop()


def test_the_stack_made_what_the_template_says(sqs: Any, urls: dict[str, str]) -> None:
    for pool in ("LAMBDA", "CONTAINER"):
        url = urls[f"QUEUE_URL_{pool}"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert attributes["MessageRetentionPeriod"] == "1209600"
        redrive = msgspec.json.decode(attributes["RedrivePolicy"])
        assert int(redrive["maxReceiveCount"]) == 1000
        assert redrive["deadLetterTargetArn"].endswith("-dead")


def test_making_them_again_finds_them(endpoint: str, urls: dict[str, str]) -> None:
    stage = urls["QUEUE_URL_LAMBDA"].rsplit("/", 1)[1].removeprefix("mediaq-").removesuffix("-lambda")
    assert processes.make_queues(endpoint, stage) == urls


def test_there_hold_back_and_gone(queues: Tickets) -> None:
    sent = msgspec.structs.replace(job(), id="018f0000-0000-7000-8000-000000000001")
    queues.send(sent)
    [ticket] = queues.receive("container", 10, wait_seconds=5)
    assert ticket.job == sent
    assert queues.receive("container", 10, wait_seconds=0) == []
    queues.hold(ticket)
    [again] = queues.receive("container", 10, wait_seconds=5)
    queues.delete(again)
    assert queues.receive("container", 10, wait_seconds=0) == []


def test_a_delay_is_kept(queues: Tickets) -> None:
    queues.send(msgspec.structs.replace(job(), id="x"), delay_ms=1_500)
    assert queues.receive("container", wait_seconds=0) == []
    started = time.monotonic()
    [ticket] = queues.receive("container", wait_seconds=5)
    assert time.monotonic() - started > 1
    queues.delete(ticket)


def test_a_long_poll_wakes_up(queues: Tickets) -> None:
    import threading

    threading.Timer(0.5, lambda: queues.send(msgspec.structs.replace(job(), id="y"))).start()
    started = time.monotonic()
    [ticket] = queues.receive("container", wait_seconds=10)
    assert time.monotonic() - started < 5
    queues.delete(ticket)


def test_poison_is_buried(queues: Tickets, sqs: Any, urls: dict[str, str]) -> None:
    sqs.send_message(QueueUrl=urls["QUEUE_URL_LAMBDA"], MessageBody="rubbish")
    [ticket] = queues.receive("lambda", wait_seconds=5)
    queues.send_to_dead_letter_queue(ticket)
    found = sqs.receive_message(QueueUrl=urls["DEAD_LETTER_URL_LAMBDA"], WaitTimeSeconds=5)["Messages"]
    assert [one["Body"] for one in found] == ["rubbish"]
