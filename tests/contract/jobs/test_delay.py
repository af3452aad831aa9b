"""Delayed jobs: up to 15 minutes in SQS, up to a week in EventBridge Scheduler."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

from chalicelib.ledger import codec
from tests.conftest import PREFIX
from tests.contract.api.test_media import drain_tickets
from tests.contract.conftest import serve

if TYPE_CHECKING:
    from chalicelib.ledger.scripts import Scripts
    from chalicelib.queues.tickets import Ticket
    from tests.contract.conftest import Api, Backends

DAY_MS = 86_400_000


def schedules(api: Api) -> Any:
    return boto3.client("scheduler", endpoint_url=api.backends.environment["AWS_ENDPOINT_URL"], region_name="us-east-1")


def ahead(**by: float) -> str:
    return (datetime.now(UTC) + timedelta(**by)).isoformat()


def test_a_short_one_waits_in_sqs_and_in_the_ledger(api: Api) -> None:
    drain_tickets(api.services.tickets)
    record = api.record()
    answer = api.enqueue({"jobId": record, "operation": "transcoding", "delay": 1500})
    assert answer.status_code == 200
    assert api.call("GET", "/stats").json["stats"] | {"completed": 0, "failed": 0} == {
        "waiting": 0, "active": 0, "completed": 0, "failed": 0, "delayed": 1,
    }  # fmt: skip
    assert api.services.tickets.receive("container", wait_seconds=0) == []
    started = time.monotonic()
    [ticket] = api.services.tickets.receive("container", wait_seconds=5)
    assert time.monotonic() - started > 1
    assert api.services.ledger.claim("container", answer.json["bullJobId"], record, "t").word == "run"
    api.services.tickets.delete(ticket)


@pytest.mark.parametrize("way", ["delay", "run_at"])
def test_a_long_one_has_a_schedule_with_its_whole_envelope(api: Api, way: str) -> None:
    later: dict[str, Any] = {"delay": 3 * DAY_MS} if way == "delay" else {"run_at": ahead(days=3)}
    drain_tickets(api.services.tickets)
    record = api.record()
    bull_job_id = api.enqueue({"jobId": record, "operation": "transcoding", **later}).json["bullJobId"]
    schedule = schedules(api).get_schedule(Name=bull_job_id)
    due = datetime.strptime(schedule["ScheduleExpression"], "at(%Y-%m-%dT%H:%M:%S)").replace(tzinfo=UTC)
    assert abs((due - datetime.now(UTC)).total_seconds() - 3 * 86_400) < 60
    assert schedule["ActionAfterCompletion"] == "DELETE"
    assert record in schedule["Target"]["Input"]
    assert schedule["Target"]["Arn"] == "arn:aws:sqs:us-east-1:000000000000:mediaq-local-container"
    assert api.services.tickets.receive("container", wait_seconds=0) == []
    again = api.enqueue({"jobId": record, "operation": "transcoding", **later})  # the second caller sends a ticket too: later
    assert (again.status_code, again.json["bullJobId"]) == (200, bull_job_id)
    assert api.services.tickets.receive("container", wait_seconds=0) == []


def test_the_schedule_sends_the_ticket(api: Api) -> None:
    from chalicelib.queues import schedules as module
    from tests.unit.factories import job

    drain_tickets(api.services.tickets)
    scheduler = module.Schedules(api.services.settings.schedule_role_arn, "default")
    sent = api.services.ledger.admit(job(), "pending", -1).send
    assert sent is not None
    scheduler.send_later(sent, api.services.settings.queue_urls["container"], 1000)
    scheduler.send_later(sent, api.services.settings.queue_urls["container"], 1000)
    found: list[Ticket] = []
    deadline = time.monotonic() + 20  # the emulator looks every 10 s
    while not found and time.monotonic() < deadline:
        found += api.services.tickets.receive("container", 10, wait_seconds=1)
    assert [ticket.job for ticket in found] == [sent]
    assert drain_tickets(api.services.tickets) == 0
    api.services.tickets.delete(found[0])


def test_a_time_that_is_over_is_now(api: Api) -> None:
    assert api.enqueue({"jobId": api.record(), "operation": "transcoding", "run_at": ahead(hours=-1)}).status_code == 200
    assert api.call("GET", "/stats").json["stats"]["waiting"] == 1


@pytest.mark.parametrize(
    ("later", "error"),
    [
        ({"delay": -1}, "delay must be an integer of milliseconds to wait"),
        ({"delay": "1h"}, "delay must be an integer of milliseconds to wait"),
        ({"delay": 7 * DAY_MS + 1}, "delay must be at most 604800000 ms ahead (168 hours)"),
        ({"run_at": "tomorrow"}, "run_at must be an ISO 8601 time with its zone, such as 2026-12-24T18:00:00Z"),
        ({"run_at": "2026-12-24T18:00:00"}, "run_at must be an ISO 8601 time with its zone, such as 2026-12-24T18:00:00Z"),
        ({"run_at": ahead(days=8)}, "run_at must be at most 604800000 ms ahead (168 hours)"),
        ({"run_at": ahead(days=1), "delay": 5}, "run_at must be left out when there is a delay"),
    ],
    ids=["negative", "text", "too long", "no time", "no zone", "too far", "both"],
)
def test_wrong_ones(api: Api, later: dict[str, Any], error: str) -> None:
    answer = api.enqueue({"jobId": api.record(), "operation": "transcoding", **later})
    assert (answer.status_code, answer.json) == (400, {"error": error})


def test_without_a_scheduler_a_quarter_of_an_hour_is_the_limit(backends: Backends, scripts: Scripts) -> None:
    for api in serve(backends, SCHEDULE_ROLE_ARN=""):
        answer = api.enqueue({"jobId": api.record(), "operation": "transcoding", "delay": 900_001})
        assert answer.json == {"error": "delay must be at most 900000 ms ahead (0.25 hours)"}


def test_a_user_may_have_so_many(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "SCHEDULED_AT_MOST", 2)
    answers = [api.enqueue({"jobId": api.record(), "operation": "transcoding", "delay": 60_000}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json["error"].startswith("delay and run_at must wait")
    assert api.enqueue({"jobId": api.record(), "operation": "transcoding"}).status_code == 200
    assert api.enqueue({"jobId": api.record("pro"), "operation": "transcoding", "delay": 60_000}, "pro").status_code == 200


def test_a_cancelled_one_leaves_no_schedule(api: Api) -> None:
    record = api.record()
    bull_job_id = api.enqueue({"jobId": record, "operation": "transcoding", "delay": DAY_MS}).json["bullJobId"]
    assert schedules(api).get_schedule(Name=bull_job_id)
    assert api.call("DELETE", f"/jobs/{record}", api.backends.tokens["enterprise"]).status_code == 200
    with pytest.raises(schedules(api).exceptions.ResourceNotFoundException):
        schedules(api).get_schedule(Name=bull_job_id)
    assert api.services.scripts.redis.ttl(f"{PREFIX}:done:{record}") > 7 * 86_400  # a ticket that is on its way is dropped then


def test_a_scheduler_that_is_away_holds_up_no_other_job(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    from chalicelib.errors import TicketsUnavailable
    from chalicelib.queues import schedules as module

    def away(*_: object) -> None:
        raise TicketsUnavailable("EventBridge Scheduler connection refused") from EndpointConnectionError(endpoint_url="x")

    monkeypatch.setattr(module.Schedules, "send_later", away)
    late = {"jobId": api.record(), "operation": "transcoding", "delay": DAY_MS}
    jobs = [late, {"jobId": api.record(), "operation": "transcoding"}]
    answer = api.call("POST", "/media/bulk", api.backends.tokens["enterprise"], json={"jobs": jobs})
    assert [one["ok"] for one in answer.json["results"]] == [False, True]
    assert answer.json["results"][0]["error"] == "EventBridge Scheduler connection refused"
    assert api.call("GET", "/stats").json["stats"]["delayed"] == 0
