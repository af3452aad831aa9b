"""Metrics, trend, pools, usage, and the OpenAPI document."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from openapi_spec_validator import validate
from prometheus_client.parser import text_string_to_metric_families

from chalicelib.api import dashboard, openapi
from chalicelib.domain import plans, queries
from chalicelib.domain.jobs import OPERATIONS
from chalicelib.ledger.workers import Heartbeat
from chalicelib.maintenance.alarms import KNOWN
from infra.local.directus import accounts
from mediaq.cli import commands
from tests.contract.api.test_job_status import claim, made, queued
from tests.contract.conftest import serve

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.conftest import Api, Backends


def metrics(api: Api) -> dict[str, Any]:
    """Read them with the official parser."""
    answer = api.call("GET", "/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


class TestMetrics:
    def test_types_and_names(self, api: Api) -> None:
        found = metrics(api)
        assert {name: family.type for name, family in found.items()} == {
            "mediaq_jobs_waiting": "gauge",
            "mediaq_jobs_active": "gauge",
            "mediaq_jobs_delayed": "gauge",
            "mediaq_jobs_ended": "counter",  # the parser takes _total off
            "mediaq_pool_paused": "gauge",
            "mediaq_pool_pace_seconds": "gauge",
            "mediaq_jobs_in_parts": "gauge",
            "mediaq_parts": "gauge",
            "mediaq_parts_finished": "counter",
            "mediaq_part_runs_repeated": "counter",
            "mediaq_workers_alive": "gauge",
            "mediaq_workers_jobs": "gauge",
            "mediaq_workers_lost": "gauge",
            "mediaq_cost_dollars": "counter",
            "mediaq_taxonomy_cache_entries": "gauge",
            "mediaq_taxonomy_cache_requests": "counter",
            "mediaq_alarm_on": "gauge",
            "mediaq_maintenance_last_run_timestamp_seconds": "gauge",
        }
        assert all(family.documentation for family in found.values())

    def test_they_say_what_the_stats_say(self, api: Api) -> None:
        token = api.backends.tokens["enterprise"]
        jobs = [queued(api, token) for _ in range(3)]
        queued(api, token, delay=600_000)
        held = claim(api, jobs[0])
        assert api.services.ledger.finish(held.job, held.token, "completed", {}) == "ok"
        claim(api, jobs[1])
        api.services.ledger.pause("container", True)
        values = {(s.name, *s.labels.values()): s.value for family in metrics(api).values() for s in family.samples}
        stats = api.call("GET", "/stats").json["stats"]
        assert values["mediaq_jobs_waiting", "container"] == stats["waiting"] == 1
        assert values["mediaq_jobs_active",] == stats["active"] == 1
        assert values["mediaq_jobs_delayed",] == stats["delayed"] == 1
        assert values["mediaq_jobs_ended_total", "completed"] == stats["completed"] == 1
        assert values["mediaq_jobs_ended_total", "failed"] == stats["failed"] == 0
        assert (values["mediaq_pool_paused", "container"], values["mediaq_pool_paused", "lambda"]) == (1, 0)
        assert values["mediaq_pool_pace_seconds", "container"] > 0
        assert {key[1] for key in values if key[0] == "mediaq_alarm_on"} == set(KNOWN)

    def test_away_is_said(self, backends: Backends) -> None:
        for api in serve(backends, REDIS_URL="redis://127.0.0.1:1/0"):
            assert api.call("GET", "/metrics").status_code == 503


class TestTrend:
    def test_what_the_keeper_saw(self, api: Api) -> None:
        assert api.call("GET", "/trend").json == {"ok": True, "samples": []}
        queued(api, api.backends.tokens["enterprise"])
        api.services.ledger.observe(900_000)
        [sample] = api.call("GET", "/trend").json["samples"]
        assert {name: sample[name] for name in ("completed", "failed", "waiting", "active")} == {
            "completed": 0,
            "failed": 0,
            "waiting": 1,
            "active": 0,
        }
        assert sample["at"].startswith("20")

    def test_a_range_is_thinned(self, api: Api) -> None:
        minute = int(time.time()) // 60
        old = [f"{(minute - 3000) * 60_000} 0 0 9 0"] * 20  # before a day without the maintenance task
        seen = [f"{(minute - ago) * 60_000} 0 0 {ago} 0" for ago in range(1419, -1, -1)]
        api.services.scripts.redis.rpush(f"{api.services.settings.redis_prefix}:trend:day", *old, *seen)
        hour = api.call("GET", "/trend?range=1h").json["samples"]
        assert [one["waiting"] for one in (hour[0], hour[-1])] == [59, 0]
        day = api.call("GET", "/trend?range=24h").json["samples"]
        assert len(day) in (284, 285)
        assert day[-1]["waiting"] == 0
        answer = api.call("GET", "/trend?range=2h")
        assert (answer.status_code, answer.json["error"]) == (400, "range must be one of 15m, 1h, 24h")


class TestPools:
    def test_an_administrator_pauses_and_resumes(self, api: Api) -> None:
        answer = api.call("POST", "/pools/container/pause", accounts.ADMIN_TOKEN)
        assert (answer.status_code, answer.json) == (200, {"ok": True, "pool": "container", "paused": True})
        states = {one["pool"]: one["paused"] for one in api.call("GET", "/pools").json["pools"]}
        assert states == {"lambda": False, "container": True}
        assert api.call("POST", "/pools/container/resume", accounts.ADMIN_TOKEN).json["paused"] is False
        assert api.services.ledger.pools()["container"].paused is False

    def test_nobody_else_does(self, api: Api) -> None:
        assert api.call("POST", "/pools/container/pause", api.backends.tokens["enterprise"]).status_code == 403
        assert api.call("POST", "/pools/container/pause").status_code == 401
        assert api.call("POST", "/pools/garage/pause", accounts.ADMIN_TOKEN).status_code == 404
        assert api.services.ledger.pools()["container"].paused is False


class TestWorkers:
    def test_administrators_see_them(self, api: Api) -> None:
        about: dict[str, Any] = {
            "pools": ["lambda", "container"],
            "host": "h",
            "version": "1.0.0",
            "started_ms": 1000,
            "slots": 2,
        }
        busy = Heartbeat(id="h:1", kind="container", jobs=["a job"], last_error="no luck", last_error_ms=2000, **about)
        api.services.workers_ledger.beat(busy)
        [found] = api.call("GET", "/workers", accounts.ADMIN_TOKEN).json["workers"]
        assert (found["id"], found["state"], found["pools"]) == ("h:1", "alive", ["lambda", "container"])
        assert (found["started_at"], found["jobs"]) == ("1970-01-01T00:00:01.000Z", ["a job"])
        assert (found["last_error"], found["last_error_at"]) == ("no luck", "1970-01-01T00:00:02.000Z")
        values = {(s.name, *s.labels.values()): s.value for family in metrics(api).values() for s in family.samples}
        assert values["mediaq_workers_alive", "container"] == values["mediaq_workers_alive", "lambda"] == 1
        assert (values["mediaq_workers_jobs",], values["mediaq_workers_lost",]) == (1, 0)

    def test_nobody_else_does(self, api: Api) -> None:
        assert api.call("GET", "/workers", api.backends.tokens["enterprise"]).status_code == 403
        assert api.call("GET", "/workers").status_code == 401


class TestCost:
    """A user's jobs cost what their records say, also those that the ledger has forgotten."""

    def test_of_jobs_before_and_after_a_wipe(self, api: Api) -> None:
        user, token = api.new_user()
        cost = {"pool": "container", "usd": 0.25}
        before = {"finished_at": "2020-01-01T00:00:00.000Z"}  # of this month, by date_created
        for values in ({"status": "completed", **before}, {"status": "failed", **before}, {"status": "completed"}):
            made(api, token, result={"cost": cost}, **values)
        made(api, token, status="completed", result="nonsense", **before)
        assert api.call("GET", "/usage", token).json["cost"] == {"usd": 0.5, "max_usd": None, "remaining_usd": None}
        held = claim(api, queued(api, token))
        api.services.ledger.finish(held.job, held.token, "completed", {}, usd=1.5)
        assert api.call("GET", "/usage", token).json["cost"]["usd"] == 2.0
        assert held.job.user_id == user
        values = {(s.name, *s.labels.values()): s.value for family in metrics(api).values() for s in family.samples}
        assert values["mediaq_cost_dollars_total", "transcoding"] == 1.5

    def test_a_budget_is_kept(self, backends: Backends, plans: Path) -> None:
        plans.write_text('{"free": {"transcoding": -1, "max_usd": 2}}')
        for api in serve(backends, PLANS_FILE=str(plans)):
            _, token = api.new_user()
            held = claim(api, queued(api, token))
            assert api.call("GET", "/usage", token).json["cost"] == {"usd": 0.0, "max_usd": 2.0, "remaining_usd": 2.0}
            api.services.ledger.finish(held.job, held.token, "completed", {}, usd=2)
            answer = api.enqueue({"jobId": made(api, token), "operation": "transcoding"}, token=token)
            assert (answer.status_code, answer.json["error"]) == (403, "tier_limit_reached")
            assert answer.json["reason"] == "budget_reached"
            assert api.call("GET", "/usage", token).json["cost"]["remaining_usd"] == 0


class TestUsage:
    def test_what_is_left(self, api: Api) -> None:
        user, token = api.new_user()
        made(api, token, status="completed")
        queued(api, token, input_url="https://example.com/clip.mp4")
        answer = api.call("GET", "/usage", token).json
        assert (answer["ok"], answer["user"], answer["tier"]) == (True, user, "free")
        operations = {one["operation"]: one for one in answer["operations"]}
        limit = plans.load_plans(api.services.settings.plans_file)["free"]["transcoding"]
        assert operations["transcoding"] == {"operation": "transcoding", "limit": limit, "used": 2, "remaining": limit - 2}
        assert answer["cycle"]["starts_at"] < answer["cycle"]["ends_at"]

    def test_it_is_what_admission_goes_by(self, backends: Backends, plans: Path) -> None:
        plans.write_text('{"free": {"transcoding": 1}}')
        for api in serve(backends, PLANS_FILE=str(plans)):
            _, token = api.new_user()
            queued(api, token)
            left = {one["operation"]: one["remaining"] for one in api.call("GET", "/usage", token).json["operations"]}
            assert left == dict.fromkeys(left, 0)
            answer = api.enqueue({"jobId": made(api, token), "operation": "transcoding"}, token=token)
            assert (answer.status_code, answer.json["reason"]) == (403, "limit_reached")

    def test_unlimited(self, api: Api) -> None:
        answer = api.call("GET", "/usage", api.backends.tokens["enterprise"]).json
        [transcoding] = [one for one in answer["operations"] if one["operation"] == "transcoding"]
        assert (transcoding["limit"], transcoding["remaining"]) == (None, None)

    def test_whose(self, api: Api) -> None:
        user, token = api.new_user()
        assert api.call("GET", f"/usage?user={user}", token).json["user"] == user
        assert api.call("GET", f"/usage?user={user}", accounts.ADMIN_TOKEN).json["user"] == user
        assert api.call("GET", f"/usage?user={user}", api.backends.tokens["pro"]).status_code == 403
        assert api.call("GET", f"/usage?user={uuid.uuid4()}", accounts.ADMIN_TOKEN).status_code == 404
        assert api.call("GET", "/usage?user=me", token).status_code == 400
        assert api.call("GET", "/usage").status_code == 401

    @pytest.mark.parametrize(("cycle", "after"), [("2026-11", "2026-12"), ("2026-12", "2027-01"), ("2027-01", "2027-02")])
    def test_the_cycle_after(self, cycle: str, after: str) -> None:
        assert plans.cycle_after(cycle) == after


class TestOpenApi:
    def test_it_is_valid(self, api: Api) -> None:
        answer = api.call("GET", "/openapi.json")
        assert answer.json["openapi"] == "3.1.0"
        validate(answer.json)

    def test_every_route_is_described_and_no_other(self) -> None:
        from app import app

        there = {
            (method.lower(), path.replace("{job_id}", "{jobId}").replace("{credential_id}", "{credentialId}"))
            for path, methods in app.routes.items()
            for method in methods
        }
        described = {(route.method, route.path.replace(".{format}", "")) for route in openapi.ROUTES}  # a suffix of one route
        assert described == there

    def test_the_parameters_of_every_operation_are_there(self) -> None:
        described = json.dumps(openapi.document())
        for params in openapi.PARAMS.values():
            for field in params.__struct_fields__:
                assert f'"{field}"' in described


def test_page_and_command_know_the_words_of_the_api() -> None:
    script = dashboard.page("https://directus.example").html
    assert f"const STATES = {list(queries.STATES)};" in script
    assert f"const OPERATIONS = {list(OPERATIONS)};" in script
    assert (queries.STATES, tuple(OPERATIONS)) == (commands.STATES, commands.OPERATIONS)
