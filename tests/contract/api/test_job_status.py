"""`GET /queue/jobs` and `GET /queue/jobs/{jobId}`, with authorization."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from chalicelib.ledger.ledger import new_token
from chalicelib.ledger.parts import NewPart, PartPlan
from infra.local.directus import accounts
from tests.conftest import PREFIX

if TYPE_CHECKING:
    from tests.contract.conftest import Api


@pytest.fixture
def user(api: Api) -> tuple[str, str]:
    """A user who has nothing yet: id and token."""
    return api.new_user(subscription_tier="enterprise")


def made(api: Api, token: str, **values: Any) -> str:
    """Make a record and bring it into a state as an administrator would."""
    body = {"operation": "transcoding", "input_url": "https://example.com/clip.mp4"}
    job_id = str(api.directus("POST", "/items/media_jobs", token, json=body)["id"])
    if values:
        api.directus("PATCH", f"/items/media_jobs/{job_id}", json=values)
    return job_id


def queued(api: Api, token: str, **values: Any) -> str:
    job_id = made(api, token)
    answer = api.enqueue({"jobId": job_id, "operation": "transcoding", **values}, token=token)
    assert answer.status_code == 200, answer.text
    return job_id


def listed(api: Api, token: str, query: str = "") -> list[str]:
    answer = api.call("GET", f"/jobs{query}", token)
    assert answer.status_code == 200, answer.text
    return [job["jobId"] for job in answer.json["jobs"]]


def _signed(user: str) -> str:
    """A token as Directus signs it, which outlives a suspension."""
    claims = {"id": user, "iss": "directus", "exp": int(time.time()) + 900, "app_access": False}
    return jwt.encode(claims, accounts.SECRET, "HS256")


def shown(api: Api, token: str, job_id: str) -> Any:
    answer = api.call("GET", f"/jobs/{job_id}", token)
    assert answer.status_code == 200, answer.text
    assert answer.json["ok"] is True
    return answer.json["job"]


def claim(api: Api, job_id: str) -> Any:
    snapshot = api.services.ledger.get(job_id)
    assert snapshot is not None
    found = api.services.ledger.claim(snapshot.pool, snapshot.id, job_id, new_token())
    assert found.job is not None
    return found


class TestList:
    def test_the_newest_first_and_only_ones_own(self, api: Api, user: tuple[str, str]) -> None:
        mine = [made(api, user[1]) for _ in range(3)]
        made(api, api.backends.tokens["pro"])
        assert set(listed(api, user[1])) == set(mine)
        times = [job["created_at"] for job in api.call("GET", "/jobs", user[1]).json["jobs"]]
        assert times == sorted(times, reverse=True)

    def test_an_administrator_sees_all_or_those_of_one(self, api: Api, user: tuple[str, str]) -> None:
        mine, theirs = made(api, user[1]), made(api, api.backends.tokens["pro"])
        assert {mine, theirs} <= set(listed(api, accounts.ADMIN_TOKEN, "?limit=100"))
        assert listed(api, accounts.ADMIN_TOKEN, f"?user={user[0]}") == [mine]

    def test_others_see_no_job_of_somebody_else(self, api: Api, user: tuple[str, str]) -> None:
        assert listed(api, user[1], f"?user={user[0]}") == []
        answer = api.call("GET", f"/jobs?user={api.user_id('pro')}", user[1])
        assert (answer.status_code, answer.json["error"].partition(":")[0]) == (403, "user must be yourself")

    def test_by_state(self, api: Api, user: tuple[str, str]) -> None:
        token = user[1]
        there = {
            "pending": made(api, token),
            "delayed": queued(api, token, delay=600_000),
            "completed": made(api, token, status="completed"),
            "failed": made(api, token, status="failed", error="bad luck"),
            "cancelled": made(api, token, status="failed", error="Cancelled"),
        }
        there["active"] = queued(api, token, priority=1)
        claim(api, there["active"])
        there["waiting"] = queued(api, token)
        for state, job_id in there.items():
            assert listed(api, token, f"?state={state}") == [job_id], state
        states = {job["jobId"]: job["state"] for job in api.call("GET", "/jobs", token).json["jobs"]}
        assert states == {job_id: state for state, job_id in there.items()}

    def test_by_operation_time_and_search(self, api: Api, user: tuple[str, str]) -> None:
        token = user[1]
        first = made(api, token, status="failed", error="The disk was full")
        second = made(api, token, operation="thumbnail")
        when = api.directus("GET", f"/items/media_jobs/{second}")["date_created"]
        assert listed(api, token, "?operation=thumbnail") == [second]
        assert listed(api, token, "?search=disk%20was") == [first]
        assert listed(api, token, f"?search={second}") == [second]
        assert second in listed(api, token, f"?since={when}&until={when}")
        assert listed(api, token, "?since=2099-01-01T00:00:00Z") == []

    def test_a_cursor_goes_on_without_a_gap_or_a_repetition(self, api: Api, user: tuple[str, str]) -> None:
        token = user[1]
        mine = {made(api, token) for _ in range(7)}
        same = "2026-11-01T12:00:00.000Z"
        for job_id in list(mine)[:4]:  # made in one moment
            api.directus("PATCH", f"/items/media_jobs/{job_id}", json={"date_created": same})
        seen: list[str] = []
        cursor = ""
        for _ in range(7):
            answer = api.call("GET", f"/jobs?limit=2{cursor}", token).json
            seen += [job["jobId"] for job in answer["jobs"]]
            if answer["next"] is None:
                break
            cursor = f"&cursor={answer['next']}"
        assert len(seen) == 7
        assert set(seen) == mine

    def test_a_state_that_only_the_ledger_knows_is_found_behind_many_others(self, api: Api, user: tuple[str, str]) -> None:
        token = user[1]
        waiting = queued(api, token)
        for _ in range(5):
            made(api, token)
        assert listed(api, token, "?state=waiting&limit=2") == [waiting]

    @pytest.mark.parametrize(
        ("query", "says"),
        [
            ("limit=0", "limit must be an integer from 1 to 100"),
            ("limit=x", "limit must be an integer"),
            ("state=lost", "state must be one of pending, waiting"),
            ("operation=theft", "operation must be one of transcoding"),
            ("user=me", "user must be the UUID of a user"),
            ("limit=-1", "limit must be an integer"),
            ("since=yesterday", "since must be an ISO 8601 time"),
            ("until=0", "until must be an ISO 8601 time"),
            ("cursor=bm90aGluZw==", "cursor must be the next of an earlier answer"),
            ("search=%00", "search must be the id of a job"),
            ("sort=size", "sort is not a parameter; it must be one of state"),
            ("limit=1&limit=2", "limit must be given once"),
        ],
    )
    def test_what_is_wrong_is_named(self, api: Api, query: str, says: str) -> None:
        answer = api.call("GET", f"/jobs?{query}", api.backends.tokens["pro"])
        assert answer.status_code == 400
        assert answer.json["error"].startswith(says)

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("since=0001-01-01T00:00:00%2B14:00", True),
            ("until=0001-01-01T00:00:00%2B14:00", False),
            ("since=9999-12-31T23:59:59-14:00", False),
            ("until=9999-12-31T23:59:59-14:00", True),
            ("cursor=WyI5OTk5LTEyLTMxVDIzOjU5OjU5LTE0OjAwIiwwXQ==", True),
        ],
    )
    def test_the_ends_of_the_calendar(self, api: Api, user: tuple[str, str], query: str, found: bool) -> None:
        job_id = made(api, user[1])
        assert listed(api, user[1], f"?{query}") == [job_id] * found

    def test_strangers_and_the_suspended(self, api: Api) -> None:
        assert api.call("GET", "/jobs").status_code == 401
        assert api.call("GET", f"/jobs/{uuid.uuid4()}").status_code == 401
        user, _ = api.new_user()
        signed = _signed(user)
        assert api.call("GET", "/jobs", signed).status_code == 200
        api.directus("PATCH", f"/users/{user}", json={"status": "suspended"})
        api.services.ownership._active.clear()
        for path in ("/jobs", f"/jobs?user={user}", "/usage", "/callbacks/secret"):
            assert api.call("GET", path, signed).status_code == 401, path

    def test_one_that_ended_a_moment_ago_has_its_admission(self, api: Api, user: tuple[str, str]) -> None:
        job_id = queued(api, user[1])
        held = claim(api, job_id)
        api.services.ledger.finish(held.job, held.token, "completed", {})
        [job] = api.call("GET", "/jobs", user[1]).json["jobs"]  # its record is not read anew
        assert (job["state"], job["bullJobId"]) == ("completed", held.job.id)

    def test_what_an_owner_wrote_at_length_is_cut(self, api: Api, user: tuple[str, str]) -> None:
        made(api, user[1], status="failed", error="x" * 100_000, result={"y": "z" * 100_000})
        answer = api.call("GET", "/jobs", user[1])
        assert len(answer.data) < 5000


class TestShow:
    def test_its_place_in_the_line_and_when_it_may_start(self, api: Api, user: tuple[str, str]) -> None:
        token = user[1]
        jobs = [queued(api, token) for _ in range(3)]
        first = shown(api, token, jobs[0])
        assert (first["state"], first["position"], first["estimated_start"]) == ("waiting", 1, None)  # nothing has moved yet
        claim(api, jobs[0])
        claim(api, jobs[1])  # it waited while the first one started: now the line has a pace
        last = shown(api, token, jobs[2])
        assert (last["position"], last["paused"], last["pool"]) == (1, False, "container")
        assert last["estimated_start"] is not None
        api.services.ledger.pause("container", True)
        paused = shown(api, token, jobs[2])
        assert (paused["paused"], paused["estimated_start"]) == (True, None)

    def test_when_it_is_due(self, api: Api, user: tuple[str, str]) -> None:
        job = shown(api, user[1], queued(api, user[1], delay=3_600_000))
        assert (job["state"], job["position"]) == ("delayed", None)
        assert job["run_at"] > job["created_at"]

    def test_what_its_workers_wrote_while_it_runs(self, api: Api, user: tuple[str, str]) -> None:
        job_id = queued(api, user[1])
        held = claim(api, job_id)
        log = [{"at": "2026-11-25T12:00:00.000Z", "attempt": 1, "text": "fetch took 0.2 s"}]
        attempts = [{"attempt": 1, "started_at": "2026-11-25T12:00:00.000Z", "stages": {"fetch": 0.2}}]
        written = json.dumps({"attempts": attempts, "log": log})
        assert api.services.ledger.renew(held.job, held.token, 40, journal=written) == "ok"
        job = shown(api, user[1], job_id)
        assert (job["state"], job["progress"], job["stages"], job["log"]) == ("active", 40, {"fetch": 0.2}, log)
        assert job["attempts"][0]["ended_at"] is None

    def test_what_its_record_keeps_afterwards(self, api: Api, user: tuple[str, str]) -> None:
        attempts = [
            {"attempt": 1, "started_at": "x", "ended_at": "y", "outcome": "retry", "error": "no luck", "stages": {}},
            {"attempt": 2, "started_at": "x", "ended_at": "y", "outcome": "completed", "error": "", "stages": {"process": 2.5}},
        ]
        result = {"width": 1280, "outputs": [], "attempts": attempts, "log": [], "stages": {"process": 2.5}, "attempt": 2}
        job_id = made(api, user[1], status="completed", result=result, attempts=2)
        job = shown(api, user[1], job_id)
        assert (job["state"], job["bullJobId"], job["failed_attempts"]) == ("completed", None, 1)
        assert job["attempts"] == [{**attempt, "cost": None} for attempt in attempts]
        assert (job["stages"], job["result"]) == ({"process": 2.5}, {"width": 1280, "outputs": []})

    @pytest.mark.parametrize("result", ["nonsense", [1], {"attempts": "many", "log": 7}, {"attempts": [{"attempt": "x"}]}])
    def test_a_result_that_its_owner_wrote(self, api: Api, user: tuple[str, str], result: Any) -> None:
        job = shown(api, user[1], made(api, user[1], status="completed", result=result))
        assert (job["attempts"], job["log"]) == ([], [])

    def test_a_running_one_that_the_ledger_has_forgotten(self, api: Api, user: tuple[str, str]) -> None:
        job_id = queued(api, user[1])
        api.directus("PATCH", f"/items/media_jobs/{job_id}", json={"status": "processing", "progress": 30})
        api.services.scripts.redis.flushall()
        job = shown(api, user[1], job_id)
        assert (job["state"], job["progress"]) == ("active", 30)

    def test_an_envelope_of_a_later_release(self, api: Api, user: tuple[str, str]) -> None:
        job_id = queued(api, user[1])
        rewrite = "local j = cmsgpack.unpack(redis.call('GET', KEYS[1])) j.body = ARGV[1] redis.call('SET', KEYS[1], cmsgpack.pack(j))"
        api.services.scripts.redis.eval(rewrite, 1, f"{PREFIX}:job:{job_id}", '{"v":2}')
        assert shown(api, user[1], job_id)["state"] == "waiting"

    def test_a_cancelled_one_keeps_its_attempts(self, api: Api, user: tuple[str, str]) -> None:
        job_id = queued(api, user[1])
        held = claim(api, job_id)
        written = json.dumps({"attempts": [{"attempt": 1, "started_at": "2026-11-25T12:00:00.000Z"}], "log": []})
        api.services.ledger.renew(held.job, held.token, 10, journal=written)
        assert api.call("DELETE", f"/jobs/{job_id}", user[1]).status_code == 200
        api.services.ledger.finish(held.job, held.token, "cancelled", {})
        job = shown(api, user[1], job_id)
        assert (job["state"], [one["outcome"] for one in job["attempts"]]) == ("cancelled", ["cancelled"])

    def test_somebody_elses_is_not_there(self, api: Api, user: tuple[str, str]) -> None:
        job_id = made(api, api.backends.tokens["pro"])
        assert api.call("GET", f"/jobs/{job_id}", user[1]).status_code == 404
        assert shown(api, accounts.ADMIN_TOKEN, job_id)["jobId"] == job_id
        assert api.call("GET", f"/jobs/{uuid.uuid4()}", user[1]).status_code == 404
        assert api.call("GET", "/jobs/not-an-id", user[1]).status_code == 400


def test_the_parts_of_a_running_job_are_seen(api: Api, user: tuple[str, str]) -> None:
    job_id = queued(api, user[1], priority=1)
    assert shown(api, user[1], job_id)["parts"] is None
    seen, token = api.services.ledger.get(job_id), new_token()
    assert seen is not None
    job = api.services.ledger.claim("container", seen.id, job_id, token).job
    assert job is not None
    ledger = api.services.parts
    ledger.plan(job, token, PartPlan("hash", "recipe", "engine", 2))
    ledger.add(job, token, [NewPart(n, 2 - n, f"source-{n}", 10) for n in range(2)])
    _, part = ledger.claim_any("container", new_token(), "engine", "10.0.0.7:31")
    assert part is not None
    found = shown(api, user[1], job_id)["parts"]
    assert (found["count"], found["finished"]) == (2, 0)
    assert [(one["part"], one["state"], one["worker"], one["runs"]) for one in found["parts"]] == [
        (0, "active", 1, 1), (1, "open", None, 0),
    ]  # fmt: skip
    assert "10.0.0.7" not in str(found)
    assert 'mediaq_parts{state="open"} 1\n' in api.call("GET", "/metrics").data.decode()
