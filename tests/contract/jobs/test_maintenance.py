"""The scheduled Lambda, as AWS calls it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from chalice.test import Client

from chalicelib.domain.jobs import encode
from chalicelib.errors import TicketsUnavailable
from chalicelib.maintenance import alarms
from tests.conftest import PREFIX
from tests.contract.api.test_media import drain_tickets

if TYPE_CHECKING:
    from chalicelib.queues.tickets import Ticket
    from tests.contract.conftest import Api


def test_it_runs_and_publishes_the_counts(
    api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from app import app

    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "false")
    api.enqueue({"jobId": api.record(), "operation": "transcoding"})
    with Client(app) as client:
        event = client.events.generate_cw_event(source="aws.events", detail_type="Scheduled Event", detail={}, resources=[])
        report = client.lambda_.invoke("maintenance", event).payload
        assert report == {"tickets": 0, "revived": 0, "dead": 0, "seeded": False}
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert len(lines) == 1
    assert lines[0]["waiting"] == [1.0]
    described = lines[0]["_aws"]["CloudWatchMetrics"][0]
    assert described["Namespace"] == "mediaq"
    assert described["Dimensions"] == [["stage", "service"]]
    assert (lines[0]["stage"], lines[0]["service"]) == ("local", "mediaq")
    ours = {alarm.metric for alarm in alarms.ALARMS if alarm.source is None}
    assert ours | {"container_workers_wanted"} <= {metric["Name"] for metric in described["Metrics"]}
    assert lines[0]["maintenance_runs"] == [1.0]


def test_a_round_that_fails_publishes_what_is_known_and_is_missed(
    api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from app import app

    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "false")
    monkeypatch.setattr(api.services.tickets, "count_dead_letters", lambda pool: (_ for _ in ()).throw(TicketsUnavailable))
    with Client(app) as client, pytest.raises(TicketsUnavailable):
        client.lambda_.invoke("maintenance", client.events.generate_cw_event("aws.events", "Scheduled Event", {}, []))
    [line] = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert line["waiting"] == [0.0]
    assert "maintenance_runs" not in line


def test_two_at_once_do_no_harm(api: Api) -> None:
    from concurrent.futures import ThreadPoolExecutor

    api.enqueue({"jobId": api.record(), "operation": "transcoding"})
    with ThreadPoolExecutor(2) as threads:
        reports = list(threads.map(lambda _: api.services.maintenance.run(sleep=lambda seconds: None), range(2)))
    assert [report.tickets for report in reports] == [0, 0]
    assert api.call("GET", "/stats").json["stats"]["waiting"] == 1


def test_a_quiet_run_costs_four_scripts_and_a_look_into_each_dead_letter_queue(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.services.maintenance.run(sleep=lambda seconds: None)
    api.services.scripts.redis.hset(f"{PREFIX}:meta", "seeded", 1)
    sent: list[str] = []
    asked: list[str] = []
    events = api.services.tickets._sqs.meta.events
    events.register("before-send.sqs.*", lambda request, **_: sent.append(str(request.headers["X-Amz-Target"])))
    monkeypatch.setattr(api.services.directus, "_call", lambda *a, **k: asked.append(a[1]))
    before = api.services.scripts.redis.info("commandstats")["cmdstat_evalsha"]["calls"]
    api.services.maintenance.run(sleep=lambda seconds: None)
    assert api.services.scripts.redis.info("commandstats")["cmdstat_evalsha"]["calls"] - before == 4
    assert len(sent) == 2
    assert all("GetQueueAttributes" in one for one in sent)
    assert asked == []


@pytest.mark.parametrize("claimed", ["before the count", "during the count"])
def test_totals_are_seeded_from_a_moment_in_which_nothing_closes(
    api: Api, monkeypatch: pytest.MonkeyPatch, claimed: str
) -> None:
    """A record is closed while its maintenance counts: the outcome is counted once, by the worker that finishes the job."""
    record = api.record()
    bull_job_id = api.enqueue({"jobId": record, "operation": "transcoding"}).json["bullJobId"]
    known = api.services.directus.count_status("completed")
    count, held = api.services.directus.count_status, []

    def claim() -> None:
        held.append(api.services.ledger.claim("container", bull_job_id, record, "t").job)

    def count_while_a_worker_closes(status: str, among: list[str] | None = None) -> int:
        if among is None and status == "completed" and not held[1:]:
            if claimed == "during the count":
                claim()
            held.append(None)
            assert api.services.directus.update_open_job(record, {"status": "completed"})
        return count(status, among)

    if claimed == "before the count":
        claim()
    api.services.scripts.redis.hset(f"{PREFIX}:meta", "born_ms", 0)
    monkeypatch.setattr(api.services.directus, "count_status", count_while_a_worker_closes)
    assert api.services.maintenance.seed_totals()
    assert api.services.ledger.stats().completed == known
    assert api.services.ledger.finish(held[0], "t", "completed", {}) == "ok"
    assert api.services.ledger.stats().completed == known + 1 == count("completed")


class TestDeadLetters:
    def test_open_jobs_get_a_ticket_and_the_others_are_cleared_away(self, api: Api) -> None:
        drain_tickets(api.services.tickets)
        waiting, over = api.record(), api.record()
        bodies = []
        for record in (waiting, over):
            api.enqueue({"jobId": record, "operation": "transcoding"})
        for ticket in receive_all(api):
            assert ticket.job is not None
            bodies.append(ticket.body)
            api.services.tickets.delete(ticket)
        api.directus("PATCH", f"/items/media_jobs/{over}", json={"status": "completed"})
        dead = api.services.settings.dead_letter_urls["container"]
        for body in (*bodies, "nobody can read this"):
            api.services.tickets._sqs.send_message(QueueUrl=dead, MessageBody=body)
        report = api.services.maintenance.run(sleep=lambda seconds: None)
        assert (report.revived, report.dead) == (1, 1)
        [back] = receive_all(api)
        assert back.job is not None
        assert back.job.job_id == waiting
        api.services.tickets.delete(back)
        assert api.services.maintenance.run(sleep=lambda seconds: None).revived == 0
        attributes = api.services.tickets._sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["All"])["Attributes"]
        left = int(attributes["ApproximateNumberOfMessages"]) + int(attributes["ApproximateNumberOfMessagesNotVisible"])
        assert left == 1  # for an operator to look at
        api.services.tickets._sqs.purge_queue(QueueUrl=dead)

    def test_without_directus_they_stay(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        from chalicelib.errors import DirectusUnavailable
        from tests.unit.factories import job

        def away(*_: object) -> None:
            raise DirectusUnavailable

        dead = api.services.settings.dead_letter_urls["lambda"]
        api.services.tickets._sqs.send_message(QueueUrl=dead, MessageBody=encode(job(pool="lambda")))
        monkeypatch.setattr(api.services.directus, "read_jobs", away)
        with pytest.raises(DirectusUnavailable):
            api.services.maintenance.redrive_dead_letters("lambda")
        attributes = api.services.tickets._sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["All"])["Attributes"]
        assert attributes["ApproximateNumberOfMessagesNotVisible"] == "1"
        api.services.tickets._sqs.purge_queue(QueueUrl=dead)


def receive_all(api: Api) -> list[Ticket]:
    found = []
    while some := api.services.tickets.receive("container", 10):
        found += some
    return found
