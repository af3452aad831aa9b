"""Every example of the published API."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from tests.contract.conftest import serve

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.ledger.scripts import Scripts
    from tests.contract.conftest import Api, Backends


def test_stats(api: Api) -> None:
    answer = api.call("GET", "/stats")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json == {
        "ok": True,
        "stats": {"waiting": 0, "active": 0, "completed": 0, "failed": 0, "delayed": 0},
        "taxonomy_cache": {"size": 0, "hits": 0, "misses": 0},
    }
    assert list(answer.json["stats"]) == ["waiting", "active", "completed", "failed", "delayed"]
    assert all(type(count) is int for part in ("stats", "taxonomy_cache") for count in answer.json[part].values())


def test_stats_count_what_is_enqueued(api: Api) -> None:
    for priority in (1, 10, 100):
        assert api.enqueue({"jobId": api.record(), "operation": "transcoding", "priority": priority}).status_code == 200
    assert api.call("GET", "/stats").json["stats"]["waiting"] == 3


def test_media_with_the_example_body(api: Api) -> None:
    file_id = api.file()
    job_id = api.record(input_file_id=file_id)
    answer = api.enqueue(
        {
            "jobId": job_id,
            "operation": "transcoding",
            "input_file_id": file_id,
            "params": {"format": "mp4", "resolution": "1080p", "codec": "h264"},
            "creator_profile_id": "d3f21c8e-4a5b-4c9d-8e7f-1a2b3c4d5e6f",
            "priority": 5,
        }
    )
    assert answer.status_code == 200
    assert set(answer.json) == {"ok", "bullJobId", "jobId"}
    assert (answer.json["ok"], answer.json["jobId"]) == (True, job_id)
    assert UUID(answer.json["bullJobId"]).version == 7


def test_media_with_the_body_of_the_integration_example(api: Api) -> None:
    file_id = api.file()
    params = {"format": "mp4", "resolution": "1080p"}
    job_id = api.record(input_file_id=file_id, status="pending", params=params)
    body = {"jobId": job_id, "operation": "transcoding", "input_file_id": file_id, "params": params, "priority": 5}
    assert api.enqueue(body).json["ok"] is True


@pytest.mark.parametrize("body", [{}, {"jobId": "x"}, {"operation": "transcoding"}, {"jobId": None, "operation": ""}])
def test_missing_required_fields(api: Api, body: dict[str, object]) -> None:
    answer = api.enqueue(body)
    assert (answer.status_code, answer.json) == (400, {"error": "jobId and operation are required"})


def test_invalid_token(api: Api) -> None:
    answer = api.enqueue({"jobId": api.record(), "operation": "transcoding"}, token="eyJ.a.b")
    assert (answer.status_code, answer.json) == (401, {"error": "Invalid or expired Directus token"})


def test_tier_limit(backends: Backends, scripts: Scripts, plans: Path) -> None:
    plans.write_text('{"free": {"transcoding": 1}}')
    for api in serve(backends, PLANS_FILE=str(plans)):
        assert api.enqueue({"jobId": api.record("free"), "operation": "transcoding"}, "free").status_code == 200
        answer = api.enqueue({"jobId": api.record("free"), "operation": "transcoding"}, "free")
        assert answer.status_code == 403
        assert answer.json == {
            "error": "tier_limit_reached",
            "reason": "limit_reached",
            "message": "You have reached your plan limit for this feature. Upgrade to continue.",
        }


@pytest.mark.parametrize("operation", ["caption_generation", "an operation that no plan knows", "__proto__"])
def test_tier_feature_unavailable(api: Api, operation: str) -> None:
    answer = api.enqueue({"jobId": api.record("free"), "operation": operation}, "free")
    assert answer.status_code == 403
    assert answer.json == {
        "error": "tier_limit_reached",
        "reason": "feature_unavailable",
        "message": "This feature is not available on your current plan.",
    }


def test_enqueue_failure(backends: Backends, scripts: Scripts) -> None:
    for api in serve(backends, REDIS_URL="redis://127.0.0.1:1/0"):
        answer = api.enqueue({"jobId": api.record(), "operation": "transcoding"})
        assert (answer.status_code, answer.json) == (503, {"ok": False, "error": "Redis connection refused"})
        assert int(answer.headers["Retry-After"]) > 0


def test_stats_failure(backends: Backends) -> None:
    for api in serve(backends, REDIS_URL="redis://127.0.0.1:1/0"):
        answer = api.call("GET", "/stats")
        assert (answer.status_code, answer.json) == (503, {"ok": False, "error": "Failed to connect to Redis"})


def test_taxonomy_invalidate_from_loopback(api: Api) -> None:
    answer = api.call("POST", "/taxonomy/invalidate", peer="127.0.0.1")
    assert (answer.status_code, answer.json) == (200, {"ok": True, "message": "Taxonomy cache invalidated"})


def test_the_javascript_example_gets_what_it_reads(api: Api) -> None:
    """`const { stats } = await res.json()` and `const { ok, bullJobId } = ...`: from a page of another origin."""
    answer = api.call("GET", "/stats", headers={"Origin": "https://studio.example.com"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    preflight = api.call("OPTIONS", "/media", headers={"Origin": "https://studio.example.com"})
    assert preflight.status_code == 200
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    allowed = preflight.headers["Access-Control-Allow-Headers"].lower()
    assert re.search(r"authorization", allowed)
    assert re.search(r"content-type", allowed)
