"""`POST /jobs/retry` and `/jobs/cancel`: many jobs by a filter or by their ids, each with the caller's rights."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.__main__ import main
from chalicelib.usecases import bulk
from infra.local.directus import accounts
from tests.conftest import PREFIX
from tests.contract.api.test_job_status import claim, made, queued
from tests.contract.conftest import serve

if TYPE_CHECKING:
    from tests.contract.conftest import Api, Backends


def act(api: Api, action: str, token: str, **body: Any) -> Any:
    answer = api.call("POST", f"/jobs/{action}", token, json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json["ok"] is True
    return answer.json


def done(answer: Any) -> list[str]:
    return [one["jobId"] for one in answer["results"] if one["ok"]]


def failed(api: Api, token: str, error: str, **values: Any) -> str:
    return made(api, token, status="failed", error=error, **values)


class TestRetry:
    def test_by_a_filter_after_a_dry_run(self, api: Api) -> None:
        _, token = api.new_user()
        mark = f"mark-{uuid.uuid4().hex}"
        wanted = [failed(api, token, f"boom {mark} {number}") for number in range(3)]
        failed(api, token, f"other {mark}")
        failed(api, api.backends.tokens["pro"], f"boom {mark}")
        made(api, token, status="failed", error="Cancelled")
        dry = act(api, "retry", token, search=f"boom {mark}", dry_run=True)
        assert (done(dry), dry["dry_run"], dry["next"]) == (wanted, True, None)
        assert api.services.ledger.stats().waiting == 0
        assert done(act(api, "retry", token, search=f"boom {mark}")) == wanted
        assert api.services.ledger.stats().waiting == 3
        assert act(api, "retry", token, search=f"boom {mark}")["results"] == []

    def test_by_ids_each_has_its_own_answer(self, api: Api) -> None:
        _, token = api.new_user()
        good, cancelled = failed(api, token, "x"), made(api, token, status="failed", error="Cancelled")
        open_, foreign = made(api, token), failed(api, api.backends.tokens["pro"], "x")
        missing = str(uuid.uuid4())
        found = act(api, "retry", token, jobIds=[good, cancelled, open_, foreign, missing])["results"]
        assert [(one["jobId"], one["ok"], one.get("status", 200)) for one in found] == [
            (good, True, 200), (cancelled, True, 200), (open_, False, 409), (foreign, False, 404), (missing, False, 404)
        ]  # fmt: skip
        assert found[2]["error"] == "jobId names a job that is pending; only a failed one can be retried"

    def test_page_by_page_although_some_stay_failed(self, api: Api) -> None:
        """Records of one moment, some of which are refused again, are each tried once."""
        _, token = api.new_user()
        jobs = [failed(api, token, "x", **({"params": {"format": "exe"}} if number % 3 == 0 else {})) for number in range(10)]
        for job in jobs:
            api.directus("PATCH", f"/items/media_jobs/{job}", json={"date_created": "2026-01-01T00:00:00.000Z"})
        seen, cursor = [], None
        for _ in range(10):
            answer = act(api, "retry", token, state="failed", limit=3, cursor=cursor)
            seen += [(one["jobId"], one["ok"]) for one in answer["results"]]
            cursor = answer["next"]
            if cursor is None:
                break
        assert sorted(seen) == sorted((job, number % 3 != 0) for number, job in enumerate(jobs))

    def test_whose(self, api: Api) -> None:
        user, token = api.new_user()
        job = failed(api, token, "x")
        pro = api.backends.tokens["pro"]
        assert api.call("POST", "/jobs/retry", pro, json={"user": user, "all": False}).status_code == 403
        assert act(api, "retry", accounts.ADMIN_TOKEN, user=user, dry_run=True)["results"] == [{"jobId": job, "ok": True}]
        assert api.call("POST", "/jobs/retry", json={"all": True}).status_code == 401
        assert done(act(api, "retry", token, all=True)) == [job]

    @pytest.mark.parametrize(
        ("body", "error"),
        [
            ({}, "jobIds must be given, or at least one of state,"),
            ({"all": True, "state": "failed"}, "jobIds must be given, or at least one of state,"),
            ({"jobIds": [str(uuid.uuid4())], "all": True}, "jobIds must be given, or"),
            ({"jobIds": []}, "jobIds must be a list of 1 to 100 ids of jobs"),
            ({"jobIds": ["x"]}, "jobIds"),
            ({"state": "waiting"}, "state must be one of failed, cancelled"),
            ({"state": "odd"}, "state must be one of pending, waiting"),
            ({"since": "yesterday"}, "since must be an ISO 8601 time"),
            ({"all": True, "limit": 101}, "limit must be an integer from 1 to 100"),
            ({"all": True, "cursor": "x"}, "cursor must be the next of an earlier answer"),
            ({"everything": True}, "everything is not a parameter"),
        ],
    )
    def test_a_wrong_body(self, api: Api, body: dict[str, Any], error: str) -> None:
        answer = api.call("POST", "/jobs/retry", api.backends.tokens["pro"], json=body)
        assert (answer.status_code, answer.json["error"][: len(error)]) == (400, error)


class TestCancel:
    def test_open_jobs_by_state(self, api: Api) -> None:
        _, token = api.new_user(subscription_tier="enterprise")
        active, waiting, delayed = (queued(api, token, **given) for given in ({"priority": 1}, {}, {"delay": 600_000}))
        pending, over = made(api, token), made(api, token, status="completed")
        claim(api, active)
        api.directus("PATCH", f"/items/media_jobs/{active}", json={"status": "processing"})
        api.services.scripts.redis.hincrby(f"{PREFIX}:meta", "born_ms", -20_000)  # a ledger that knows all open jobs
        for state, job in (("delayed", delayed), ("waiting", waiting), ("pending", pending)):
            answer = act(api, "cancel", token, state=state)
            assert done(answer) == [job], answer
        assert done(act(api, "cancel", token, all=True, dry_run=True)) == [active]
        [refused] = act(api, "cancel", token, jobIds=[over])["results"]
        assert (refused["status"], refused["error"]) == (409, "jobId names a job that is completed or failed already")
        assert api.services.ledger.stats()[:3] == (0, 1, 0)

    @pytest.mark.parametrize("action", ["cancel", "retry"])
    def test_a_call_ends_in_time_and_the_next_goes_on(self, api: Api, monkeypatch: pytest.MonkeyPatch, action: str) -> None:
        monkeypatch.setattr(bulk, "CALL_SECONDS", -1)
        monkeypatch.setattr(bulk, "RETRIED_AT_ONCE", 1)
        _, token = api.new_user()
        jobs = [queued(api, token) if action == "cancel" else failed(api, token, "x") for _ in range(3)]
        seen, cursor = [], None
        for _ in jobs:
            answer = act(api, action, token, all=True, cursor=cursor)
            assert len(answer["results"]) == 1
            seen += done(answer)
            cursor = answer["next"]
        assert (sorted(seen), cursor) == (sorted(jobs), None)
        assert len(done(act(api, "cancel", token, jobIds=[queued(api, token) for _ in range(2)]))) == 1

    def test_without_directus_nothing_is_done(self, backends: Backends) -> None:
        for away in serve(backends, DIRECTUS_URL="http://127.0.0.1:1"):
            answer = away.call("POST", "/jobs/cancel", backends.tokens["pro"], json={"all": True})
            assert answer.status_code == 503


def test_the_operator_s_command_does_the_same(api: Api, operator: None, capsys: pytest.CaptureFixture[str]) -> None:
    _, token = api.new_user()
    mark = f"mark-{uuid.uuid4().hex}"
    wanted = [failed(api, token, f"boom {mark} {number}") for number in range(3)]
    made(api, token, status="failed", error="Cancelled")
    assert main(["redrive"]) == 2
    assert "--all" in capsys.readouterr().err
    assert main(["redrive", "--search", mark, "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{job}: would run again" for job in wanted]
    assert main(["redrive", "--search", mark, "--since", "2100-01-01T00:00:00Z"]) == 0
    assert capsys.readouterr() == ("", "no failed job is like that\n")
    assert main(["redrive", "--search", mark, "--limit", "2"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{job}: will run again" for job in wanted[:2]]
    assert main(["redrive", "--search", mark]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{wanted[2]}: will run again"]
