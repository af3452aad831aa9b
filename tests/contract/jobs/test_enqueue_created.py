"""`POST /media/created`: the call of a Directus Flow."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.directus import accounts
from tests.contract.conftest import serve

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

    from tests.contract.conftest import Api, Backends


def announce(api: Api, record: Any, **headers: str) -> TestResponse:
    """Say what a Flow says."""
    trigger = {"event": "media_jobs.items.create", "collection": "media_jobs", "key": record, "payload": {"operation": "x"}}
    return api.call("POST", "/media/created", headers={"X-Internal-Token": accounts.INTERNAL_TOKEN, **headers}, json=trigger)


def test_the_record_s_own_columns_are_what_is_asked_for(api: Api) -> None:
    record = api.record(operation="thumbnail", params={"width": 80}, priority=3)
    answer = announce(api, record)
    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["jobId"] == record
    seen = api.services.ledger.get(record)
    assert seen is not None
    assert (seen.operation, seen.priority, seen.pool) == ("thumbnail", 3, "lambda")
    assert '"width":80' in seen.body


def test_announced_twice_or_enqueued_as_well_it_is_one_job(api: Api) -> None:
    record = api.record()
    first = announce(api, record).json
    assert announce(api, record).json == first
    assert api.enqueue({"jobId": record, "operation": "transcoding"}).json == first
    assert api.call("GET", "/stats").json["stats"]["waiting"] == 1


@pytest.mark.parametrize("headers", [{"X-Internal-Token": "wrong"}, {"X-Internal-Token": ""}])
def test_nobody_else_may(api: Api, headers: dict[str, str]) -> None:
    record = api.record()
    answer = announce(api, record, **headers)
    assert answer.status_code == 403
    assert api.services.ledger.get(record) is None


@pytest.mark.parametrize("key", [None, 7, "", "no uuid", ["a"]])
def test_no_key_is_a_bad_request(api: Api, key: Any) -> None:
    assert announce(api, key).status_code == 400


def test_a_record_that_is_not_there(api: Api) -> None:
    assert announce(api, str(uuid.uuid4())).status_code == 404


@pytest.mark.parametrize(
    ("values", "status", "says"),
    [
        ({"params": {"codec": "h999"}}, 400, "params.codec "),
        ({"operation": "juggling"}, 403, "tier_limit_reached: This feature is not available"),
        ({"input_file_id": None}, 400, "input_file_id or input_url is required"),
        ({"priority": 500}, 400, "priority "),
    ],
)
def test_what_is_refused_says_so_in_the_record(api: Api, values: dict[str, Any], status: int, says: str) -> None:
    record = api.record(**values)
    assert announce(api, record).status_code == status
    row = api.directus("GET", f"/items/media_jobs/{record}")
    assert row["status"] == "failed"
    assert row["error"].startswith(says)


def test_a_file_of_somebody_else_is_not_to_be_had_this_way(api: Api) -> None:
    record = api.record(input_file_id=api.file("pro"))
    assert announce(api, record).status_code == 404
    assert api.directus("GET", f"/items/media_jobs/{record}")["status"] == "failed"


def test_a_job_that_its_maker_enqueued_is_not_closed(api: Api) -> None:
    """Its own columns are wrong, and the request that came first was right."""
    record = api.record(params={"codec": "h999"})
    assert api.enqueue({"jobId": record, "operation": "transcoding", "params": {"codec": "h264"}}).status_code == 200
    assert announce(api, record).status_code == 400
    assert api.directus("GET", f"/items/media_jobs/{record}")["status"] == "pending"


def test_a_record_that_was_made_closed_stays_as_it_is(api: Api) -> None:
    record = api.record(status="completed")
    assert announce(api, record).status_code == 409
    assert api.directus("GET", f"/items/media_jobs/{record}")["status"] == "completed"


def test_with_a_dependency_away_it_stays_pending(backends: Backends) -> None:
    for api in serve(backends, REDIS_URL="redis://127.0.0.1:1/0"):
        record = api.record()
        assert announce(api, record).status_code == 503
        assert api.directus("GET", f"/items/media_jobs/{record}")["status"] == "pending"
