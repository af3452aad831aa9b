"""The response of the Lambda worker: an id leaves the list of failures only if its ticket is no longer needed."""

from __future__ import annotations

import io
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.domain import jobs
from chalicelib.ledger.ledger import new_token
from tests.media import make_tools
from tests.unit.factories import job
from workers.attempt.attempt import Attempt
from workers.context.programs import LISTS, Programs
from workers.context.work import Done, Output
from workers.runtime import lambda_handler
from workers.runtime.heartbeat import Heartbeats

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.conftest import Api


class Context:
    """A Lambda's context, with some seconds left."""

    def __init__(self, seconds: float = 900) -> None:
        self.until = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return max(0, round((self.until - time.monotonic()) * 1000))


@pytest.fixture
def queue(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Api:
    tools = make_tools(tmp_path, programs=Programs("/nonexistent/ffmpeg", "none", dict.fromkeys(LISTS, frozenset())))
    heartbeats = Heartbeats(api.services.workers_ledger, tools.programs, kind="lambda", pools=["lambda"], slots=1)
    monkeypatch.setattr(lambda_handler, "_parts", lambda: (api.services, tools, heartbeats))
    for url in api.services.settings.queue_urls.values():
        api.services.tickets._sqs.purge_queue(QueueUrl=url)
    return api


def event(api: Api, most: int = 1) -> dict[str, Any]:
    """What an event source mapping makes of what it receives."""
    url = api.services.settings.queue_urls["lambda"]
    answer = api.services.tickets._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=most, VisibilityTimeout=5400)
    return {
        "Records": [
            {
                "messageId": one["MessageId"],
                "receiptHandle": one["ReceiptHandle"],
                "body": one["Body"],
                "eventSource": "aws:sqs",
            }
            for one in answer.get("Messages", [])
        ]
    }


def failures(answer: lambda_handler.Answer) -> list[str]:
    return [one["itemIdentifier"] for one in answer["batchItemFailures"]]


def counts(api: Api) -> tuple[int, int]:
    """Tickets that can be seen, and that cannot."""
    attributes = api.services.tickets._sqs.get_queue_attributes(
        QueueUrl=api.services.settings.queue_urls["lambda"], AttributeNames=["All"]
    )["Attributes"]
    return int(attributes["ApproximateNumberOfMessages"]), int(attributes["ApproximateNumberOfMessagesNotVisible"])


def enqueue(api: Api, **values: Any) -> str:
    record = api.record()
    answer = api.enqueue({"jobId": record, "operation": "thumbnail", **values})
    assert answer.status_code == 200
    return record


def test_a_finished_job_is_no_failure_and_its_ticket_is_gone(queue: Api) -> None:
    record = enqueue(queue)
    assert failures(lambda_handler.handler(event(queue), Context())) == []
    assert queue.directus("GET", f"/items/media_jobs/{record}")["status"] == "failed"  # b"not really" is no film
    assert counts(queue) == (0, 0)


def test_a_call_for_parts_is_answered_and_gone(queue: Api) -> None:
    queue.services.tickets.call_for_parts("a job that has ended", 1)
    assert failures(lambda_handler.handler(event(queue), Context())) == []
    assert counts(queue) == (0, 0)


def test_the_ticket_of_a_job_that_is_over_is_dropped(queue: Api) -> None:
    record = enqueue(queue)
    queue.services.canceller.cancel(record)
    assert failures(lambda_handler.handler(event(queue), Context())) == []


def test_a_ticket_that_gave_way_to_a_better_job_is_a_failure(queue: Api) -> None:
    enqueue(queue, priority=50)
    received = event(queue)
    better = enqueue(queue, priority=1)
    assert failures(lambda_handler.handler(received, Context())) == [received["Records"][0]["messageId"]]
    assert queue.directus("GET", f"/items/media_jobs/{better}")["status"] == "failed"
    assert counts(queue) == (2, 0)  # the first was given back at once; the better one's is dropped when it turns up
    answers = [failures(lambda_handler.handler(event(queue), Context())) for _ in range(2)]
    assert answers == [[], []]


def test_a_running_or_paused_or_delayed_job_s_ticket_is_a_failure(queue: Api) -> None:
    record = enqueue(queue)
    received = event(queue)
    message_id = received["Records"][0]["messageId"]
    queue.services.ledger.pause("lambda", True)
    assert failures(lambda_handler.handler(received, Context())) == [message_id]
    queue.services.ledger.pause("lambda", False)
    seen = queue.services.ledger.get(record)
    assert seen is not None
    assert queue.services.ledger.claim("lambda", seen.id, record, new_token()).word == "run"
    assert failures(lambda_handler.handler(received, Context())) == [message_id]


def test_without_redis_or_directus_every_ticket_is_a_failure(queue: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    from chalicelib.errors import DirectusUnavailable, LedgerUnavailable

    def away(error: type[Exception]) -> Any:
        def call(*_: object, **__: object) -> None:
            raise error

        return call

    enqueue(queue)
    received = event(queue)
    with monkeypatch.context() as patch:
        patch.setattr(queue.services.scripts, "call", away(LedgerUnavailable))
        assert len(failures(lambda_handler.handler(received, Context()))) == 1
    with monkeypatch.context() as patch:
        patch.setattr(queue.services.directus, "_call", away(DirectusUnavailable))
        assert len(failures(lambda_handler.handler(received, Context()))) == 1
    assert queue.call("GET", "/stats").json["stats"]["delayed"] == 1  # released for half a minute, no attempt spent


def test_a_later_release_s_ticket_is_a_failure_and_rubbish_is_buried(queue: Api) -> None:
    sqs, urls = queue.services.tickets._sqs, queue.services.settings
    for body in ('{"v": 2}', "rubbish"):
        sqs.send_message(QueueUrl=urls.queue_urls["lambda"], MessageBody=body)
    received = event(queue, 10)
    later = next(one["messageId"] for one in received["Records"] if one["body"] != "rubbish")
    assert failures(lambda_handler.handler(received, Context())) == [later]
    [buried] = sqs.receive_message(QueueUrl=urls.dead_letter_urls["lambda"])["Messages"]
    assert buried["Body"] == "rubbish"
    sqs.purge_queue(QueueUrl=urls.dead_letter_urls["lambda"])


@pytest.mark.parametrize(
    "malformed",
    [{}, {"Records": []}, {"Records": [{}]}, {"Records": [{"messageId": "1", "body": "{}"}]}, {"Records": "x"}, []],
)
def test_what_is_malformed_can_never_mean_success(queue: Api, malformed: Any) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        lambda_handler.handler(malformed, Context())


def test_without_time_the_job_hops_to_the_container_pool(queue: Api) -> None:
    record = enqueue(queue)
    assert failures(lambda_handler.handler(event(queue), Context(seconds=1))) == []
    seen = queue.services.ledger.get(record)
    assert seen is not None
    assert (seen.state, seen.pool, seen.attempts, seen.stalls) == ("waiting", "container", 0, 0)
    assert counts(queue) == (0, 0)
    assert queue.services.tickets.receive("container", 10) == []  # not before the job has moved
    time.sleep(2.5)
    [ticket] = queue.services.tickets.receive("container", 10, wait_seconds=1)
    assert ticket.job is not None
    assert (ticket.job.job_id, ticket.job.pool) == (record, "container")
    queue.services.tickets.delete(ticket)
    queue.services.canceller.cancel(record)


def test_a_hop_without_sqs_gives_the_job_back(queue: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    from chalicelib.errors import TicketsUnavailable

    def away(*_: object) -> None:
        raise TicketsUnavailable

    record = enqueue(queue)
    received = event(queue)
    monkeypatch.setattr(queue.services.tickets, "send", away)
    assert len(failures(lambda_handler.handler(received, Context(seconds=1)))) == 1
    seen = queue.services.ledger.get(record)
    assert seen is not None
    assert (seen.state, seen.pool, seen.stalls) == ("waiting", "lambda", 0)


def test_a_forgotten_job_comes_back_by_its_ticket(queue: Api) -> None:
    record = enqueue(queue)
    queue.services.scripts.redis.flushall()
    assert failures(lambda_handler.handler(event(queue), Context())) == []
    assert queue.directus("GET", f"/items/media_jobs/{record}")["status"] == "failed"


def test_what_a_forgotten_run_left_is_deleted(queue: Api) -> None:
    """It had uploaded an output when its worker died, the job was completed by another, and Redis was wiped."""
    record = enqueue(queue)
    keep, stray = (
        queue.services.directus.upload_file(io.BytesIO(b"x"), title=f"{record}/output.jpg", name="a.jpg", mime="image/jpeg")
        for _ in range(2)
    )
    queue.directus("PATCH", f"/items/media_jobs/{record}", json={"status": "completed", "output_file_id": keep, "result": {}})
    queue.services.scripts.redis.flushall()
    assert failures(lambda_handler.handler(event(queue), Context())) == []
    assert queue.services.directus.find_files(f"{record}/") == [keep]
    assert stray != keep


def test_a_run_that_finds_its_record_closed_looks_for_what_another_left(queue: Api) -> None:
    """The same, but the ledger still, or again, has the job: as one that nobody has run."""
    record = enqueue(queue)
    queue.services.directus.upload_file(io.BytesIO(b"x"), title=f"{record}/output.jpg", name="a.jpg", mime="image/jpeg")
    queue.directus("PATCH", f"/items/media_jobs/{record}", json={"status": "failed", "error": "bad luck"})
    assert failures(lambda_handler.handler(event(queue), Context())) == []
    assert queue.services.directus.find_files(f"{record}/") == []


def test_a_job_that_was_cancelled_before_its_claim_is_not_started(queue: Api) -> None:
    record = enqueue(queue)
    seen = queue.services.ledger.get(record)
    assert seen is not None
    assert queue.services.ledger.begin_cancel(record, seen.id, "token") == "flagged"
    queue.services.ledger.unlock(record, "token")
    assert failures(lambda_handler.handler(event(queue), Context())) == []
    row = queue.directus("GET", f"/items/media_jobs/{record}")
    assert (row["status"], row["error"], row["started_at"]) == ("failed", "Cancelled", None)


def test_outputs_of_a_run_that_a_wiped_ledger_lost_are_deleted(queue: Api) -> None:
    """The record is processing, although the ledger knows of no run: its worker died after an upload."""
    record = enqueue(queue)
    queue.services.directus.upload_file(io.BytesIO(b"x"), title=f"{record}/output.jpg", name="a.jpg", mime="image/jpeg")
    queue.directus("PATCH", f"/items/media_jobs/{record}", json={"status": "processing", "attempts": 1})
    assert failures(lambda_handler.handler(event(queue), Context())) == []
    assert queue.directus("GET", f"/items/media_jobs/{record}")["status"] == "failed"
    assert queue.services.directus.find_files(f"{record}/") == []


def test_outputs_of_a_run_whose_record_was_closed_meanwhile_are_deleted(queue: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    record = enqueue(queue)

    def work(_: Attempt, folder: Path, __: Any) -> tuple[Done, str]:
        made = folder / "made.jpg"
        made.write_bytes(b"x")
        queue.directus("PATCH", f"/items/media_jobs/{record}", json={"status": "failed", "error": "by an administrator"})
        return Done([Output(made, "output.jpg", "image/jpeg")]), "a.mp4"

    monkeypatch.setattr(Attempt, "_work", work)
    assert failures(lambda_handler.handler(event(queue), Context())) == []
    assert queue.services.directus.find_files(f"{record}/") == []
    assert queue.directus("GET", f"/items/media_jobs/{record}")["error"] == "by an administrator"


def test_what_a_later_admission_uploads_meanwhile_is_no_stray(queue: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at the files and the look at the record, the job is retried and another worker is quick."""
    record = enqueue(queue)
    queue.directus("PATCH", f"/items/media_jobs/{record}", json={"status": "failed", "error": "bad luck"})
    queue.services.scripts.redis.flushall()
    find, uploaded = queue.services.directus.find_files, []

    def upload() -> str:
        return queue.services.directus.upload_file(io.BytesIO(b"x"), title=f"{record}/a.jpg", name="a.jpg", mime="image/jpeg")

    def find_and_be_overtaken(prefix: str) -> list[str]:
        found = find(prefix)
        uploaded.append(upload())
        return found

    stray = upload()
    monkeypatch.setattr(queue.services.directus, "find_files", find_and_be_overtaken)
    assert failures(lambda_handler.handler(event(queue), Context())) == []
    assert find(f"{record}/") == uploaded
    assert stray not in uploaded


def test_a_ticket_of_nobody_s_is_dropped(queue: Api) -> None:
    stranger = job(pool="lambda", job_id=str(uuid.uuid4()))
    queue.services.tickets._sqs.send_message(
        QueueUrl=queue.services.settings.queue_urls["lambda"], MessageBody=jobs.encode(stranger)
    )
    assert failures(lambda_handler.handler(event(queue), Context())) == []
