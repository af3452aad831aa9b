"""`POST /queue/media/bulk`: every job has its own result."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.api.test_media import drain_tickets
from tests.contract.conftest import serve

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.ledger.scripts import Scripts
    from tests.contract.conftest import Api, Backends


def bulk(api: Api, jobs: Any, tier: str = "enterprise") -> Any:
    return api.call("POST", "/media/bulk", api.backends.tokens[tier], json={"jobs": jobs})


def test_each_has_its_own_answer_in_their_order(api: Api) -> None:
    drain_tickets(api.services.tickets)
    good, done = api.record(), api.record()
    api.directus("PATCH", f"/items/media_jobs/{done}", json={"status": "completed"})
    jobs: list[Any] = [
        {"jobId": good, "operation": "transcoding"},
        {"jobId": "nonsense", "operation": "transcoding"},
        {"jobId": str(uuid.uuid4()), "operation": "transcoding"},
        {"jobId": done, "operation": "transcoding"},
        {"jobId": api.record("pro"), "operation": "transcoding"},
        {"jobId": api.record(), "operation": "juggling"},
        "not even an object",
        {"jobId": good, "operation": "transcoding", "priority": 1},
    ]
    answer = bulk(api, jobs)
    assert answer.status_code == 200
    assert answer.json["ok"] is False
    first, *others = answer.json["results"]
    assert first == {"ok": True, "bullJobId": first["bullJobId"], "jobId": good}
    assert [(one["ok"], one.get("status"), one.get("error")) for one in others] == [
        (False, 400, "jobId must be the UUID of a media_jobs record"),
        (False, 404, "jobId must be the id of one of your media_jobs records"),
        (False, 409, "jobId names a record that is completed already"),
        (False, 404, "jobId must be the id of one of your media_jobs records"),
        (False, 403, "tier_limit_reached"),
        (False, 400, "each of jobs must be an object"),
        (True, None, None),
    ]
    assert others[4]["reason"] == "feature_unavailable"
    assert others[-1] == first  # named twice, admitted once
    assert api.call("GET", "/stats").json["stats"]["waiting"] == 1


def test_a_hundred_are_one_read_and_ten_sends(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    drain_tickets(api.services.tickets)
    file_id = api.file()
    records = [api.record(input_file_id=file_id) for _ in range(100)]
    reads: list[str] = []
    sends: list[str] = []
    call = api.services.directus._call
    monkeypatch.setattr(api.services.directus, "_call", lambda *a, **k: reads.append(" ".join(a)) or call(*a, **k))
    events = api.services.tickets._sqs.meta.events
    events.register("before-send.sqs.*", lambda request, **_: sends.append(request.headers["X-Amz-Target"]))
    answer = bulk(api, [{"jobId": job_id, "operation": "transcoding"} for job_id in records])
    assert answer.json["ok"] is True
    assert [one["jobId"] for one in answer.json["results"]] == records
    assert reads == ["GET /items/media_jobs"]
    assert len(sends) == 10
    assert api.call("GET", "/stats").json["stats"]["waiting"] == 100
    assert drain_tickets(api.services.tickets) == 100


@pytest.mark.parametrize("jobs", [None, [], {}, "x", [{}] * 101])
def test_a_body_without_jobs_is_refused_as_a_whole(api: Api, jobs: Any) -> None:
    answer = bulk(api, jobs)
    assert answer.status_code == 400
    assert answer.json["error"].startswith("jobs must be a list of 1 to 100 objects")


def test_a_caller_is_needed(api: Api) -> None:
    assert api.call("POST", "/media/bulk", json={"jobs": [{}]}).status_code == 401


def test_what_is_left_of_the_quota_is_given_to_the_first(backends: Backends, scripts: Scripts, plans: Path) -> None:
    plans.write_text('{"pro": {"transcoding": 3}}')
    for api in serve(backends, PLANS_FILE=str(plans)):
        answer = bulk(api, [{"jobId": api.record("pro"), "operation": "transcoding"} for _ in range(5)], "pro")
        assert [one["ok"] for one in answer.json["results"]] == [True] * 3 + [False] * 2


def test_without_sqs_nothing_is_accepted(backends: Backends, scripts: Scripts) -> None:
    for api in serve(backends, QUEUE_URL_CONTAINER="http://127.0.0.1:1/000000000000/none"):
        answer = bulk(api, [{"jobId": api.record(), "operation": "transcoding"} for _ in range(25)])
        assert {(one["ok"], one["status"], one["error"]) for one in answer.json["results"]} == {
            (False, 503, "SQS refused the call")
        }
        assert api.call("GET", "/stats").json["stats"]["waiting"] == 0


def test_a_job_of_its_own_size_is_refused_by_its_number(api: Api) -> None:
    answer = bulk(api, [{"jobId": api.record(), "operation": "transcoding"}, {"params": {"x": "y" * 70_000}}])
    assert (answer.status_code, answer.json) == (400, {"error": "jobs[1] must be at most 65536 bytes"})


def test_a_record_of_odd_content_keeps_no_other_back(api: Api) -> None:
    jobs = [{"jobId": api.record(params=params), "operation": "transcoding"} for params in ([], "x", 5, {})]
    assert bulk(api, jobs).json["ok"] is True
