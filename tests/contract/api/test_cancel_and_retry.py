"""`/queue/jobs/{jobId}`: cancel and retry, with authorization."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.__main__ import main
from chalicelib.domain.jobs import decode
from infra.local.directus import accounts
from tests.conftest import PREFIX
from tests.contract.conftest import serve

if TYPE_CHECKING:
    from chalicelib.ledger.scripts import Scripts
    from tests.contract.conftest import Api, Backends

PARAMS = {"format": "webm", "resolution": "360p"}


def failed(api: Api, tier: str = "enterprise", **values: Any) -> str:
    record = api.record(tier)
    values = {"status": "failed", "error": "bad luck", **values}
    api.directus("PATCH", f"/items/media_jobs/{record}", json=values)
    return record


class TestCancel:
    def test_a_waiting_one(self, api: Api) -> None:
        record = api.record()
        api.enqueue({"jobId": record, "operation": "transcoding"})
        answer = api.call("DELETE", f"/jobs/{record}", api.backends.tokens["enterprise"])
        assert (answer.status_code, answer.json) == (200, {"ok": True, "jobId": record, "status": "cancelled"})
        assert api.directus("GET", f"/items/media_jobs/{record}")["error"] == "Cancelled"
        assert api.call("GET", "/stats").json["stats"]["waiting"] == 0

    def test_a_delayed_one(self, api: Api) -> None:
        record = api.record()
        api.enqueue({"jobId": record, "operation": "transcoding", "delay": 600_000})
        assert api.call("GET", "/stats").json["stats"]["delayed"] == 1
        assert api.call("DELETE", f"/jobs/{record}", api.backends.tokens["enterprise"]).status_code == 200
        assert api.call("GET", "/stats").json["stats"]["delayed"] == 0

    def test_one_that_a_later_release_admitted(self, api: Api) -> None:
        record = api.record()
        api.enqueue({"jobId": record, "operation": "transcoding"})
        rewrite = "local j = cmsgpack.unpack(redis.call('GET', KEYS[1])) j.body = ARGV[1] redis.call('SET', KEYS[1], cmsgpack.pack(j))"
        api.services.scripts.redis.eval(rewrite, 1, f"{PREFIX}:job:{record}", '{"v":2}')
        assert api.call("DELETE", f"/jobs/{record}", api.backends.tokens["enterprise"]).status_code == 200
        assert api.call("GET", "/stats").json["stats"]["waiting"] == 0

    def test_other_peoples_are_not_there(self, api: Api) -> None:
        record = api.record("pro")
        api.enqueue({"jobId": record, "operation": "transcoding"}, "pro")
        assert api.call("DELETE", f"/jobs/{record}", api.backends.tokens["enterprise"]).status_code == 404
        assert api.directus("GET", f"/items/media_jobs/{record}")["status"] == "pending"
        assert api.call("DELETE", f"/jobs/{record}", accounts.ADMIN_TOKEN).status_code == 200

    def test_what_is_over_is_a_conflict(self, api: Api) -> None:
        answer = api.call("DELETE", f"/jobs/{failed(api)}", api.backends.tokens["enterprise"])
        assert (answer.status_code, answer.json) == (409, {"error": "jobId names a job that is completed or failed already"})

    def test_wrong_ids_and_callers(self, api: Api) -> None:
        assert api.call("DELETE", "/jobs/nonsense", api.backends.tokens["pro"]).status_code == 400
        assert api.call("DELETE", f"/jobs/{uuid.uuid4()}").status_code == 401


class TestRetry:
    def test_as_it_was_asked_for(self, api: Api) -> None:
        request = {"operation": "transcoding", "params": PARAMS, "priority": 3, "input_file_id": api.file()}
        record = failed(api, result={"request": request}, operation="thumbnail", priority=50)
        answer = api.call("POST", f"/jobs/{record}/retry", api.backends.tokens["enterprise"])
        assert answer.status_code == 200
        assert answer.json == {"ok": True, "jobId": record, "bullJobId": answer.json["bullJobId"]}
        seen = api.services.ledger.get(record)
        assert seen is not None
        assert (seen.operation, seen.priority, seen.id) == ("transcoding", 3, answer.json["bullJobId"])
        assert api.directus("GET", f"/items/media_jobs/{record}")["status"] == "pending"

    def test_by_its_own_columns_when_nobody_wrote_down_more(self, api: Api) -> None:
        record = failed(api, operation="thumbnail", priority=7, params={"width": 100})
        assert api.call("POST", f"/jobs/{record}/retry", api.backends.tokens["enterprise"]).status_code == 200
        seen = api.services.ledger.get(record)
        assert seen is not None
        assert (seen.operation, seen.priority) == ("thumbnail", 7)

    @pytest.mark.parametrize("request_", ["x", {"operation": "transcoding", "params": {"format": "exe"}}, {"jobId": "x"}])
    def test_what_a_record_says_is_read_like_any_request(self, api: Api, request_: Any) -> None:
        answer = api.call("POST", f"/jobs/{failed(api, result={'request': request_})}/retry", api.backends.tokens["enterprise"])
        assert answer.status_code == (200 if request_ == "x" else 400)

    def test_a_record_that_names_a_strangers_file_gets_nobody_s_rights_but_its_owner_s(self, api: Api, operator: None) -> None:
        """A user may write any id into their record; an operator's redrive must not fetch it for them."""
        theirs = api.file("pro")
        named = failed(api, input_file_id=theirs)
        asked = failed(api, result={"request": {"operation": "transcoding", "input_file_id": theirs}})
        for record in (named, asked):
            assert main(["retry", record]) == 1
            assert main(["redrive", "--search", "bad luck", "--user", api.user_id("enterprise")]) == 1
            assert api.call("POST", f"/jobs/{record}/retry", accounts.ADMIN_TOKEN).status_code == 404
            assert api.directus("GET", f"/items/media_jobs/{record}")["status"] == "failed"

    def test_a_cancelled_job_as_it_was_asked_for(self, api: Api) -> None:
        record = api.record(priority=50)
        api.enqueue({"jobId": record, "operation": "transcoding", "params": PARAMS, "priority": 2})
        assert api.call("DELETE", f"/jobs/{record}", api.backends.tokens["enterprise"]).status_code == 200
        assert api.call("POST", f"/jobs/{record}/retry", api.backends.tokens["enterprise"]).status_code == 200
        seen = api.services.ledger.get(record)
        assert seen is not None
        assert (seen.priority, decode(seen.body).params) == (2, PARAMS)

    def test_only_what_failed(self, api: Api) -> None:
        record = api.record()
        answer = api.call("POST", f"/jobs/{record}/retry", api.backends.tokens["enterprise"])
        assert (answer.status_code, answer.json["error"]) == (
            409, "jobId names a job that is pending; only a failed one can be retried",
        )  # fmt: skip
        assert api.call("POST", f"/jobs/{failed(api, 'pro')}/retry", api.backends.tokens["enterprise"]).status_code == 404


def test_a_retry_without_sqs_leaves_the_job_as_it_failed(backends: Backends, scripts: Scripts) -> None:
    request = {"operation": "transcoding", "params": PARAMS}
    for api in serve(backends, QUEUE_URL_CONTAINER="http://127.0.0.1:1/000000000000/none"):
        record = failed(api, result={"request": request})
        answer = api.call("POST", f"/jobs/{record}/retry", api.backends.tokens["enterprise"])
        assert answer.status_code == 503
        row = api.directus("GET", f"/items/media_jobs/{record}")
        assert (row["status"], row["error"], row["result"]) == ("failed", "bad luck", {"request": request})


def test_a_retry_that_got_no_further_than_the_record_may_be_asked_again(api: Api) -> None:
    record = failed(api, result={"request": {"operation": "transcoding", "params": PARAMS}})
    assert api.services.directus.reopen_job(record)  # and then the API died
    assert api.call("POST", f"/jobs/{record}/retry", api.backends.tokens["enterprise"]).status_code == 200
    assert api.call("GET", "/stats").json["stats"]["waiting"] == 1


def test_a_job_that_is_being_closed_cannot_be_cancelled(api: Api) -> None:
    record = api.record()
    bull_job_id = api.enqueue({"jobId": record, "operation": "transcoding"}).json["bullJobId"]
    claim = api.services.ledger.claim("container", bull_job_id, record, "t")
    assert claim.job is not None
    assert api.services.ledger.renew(claim.job, "t", phase="closing") == "ok"
    answer = api.call("DELETE", f"/jobs/{record}", api.backends.tokens["enterprise"])
    assert (answer.status_code, answer.json) == (409, {"error": "jobId names a job that is being closed this moment"})
    assert api.directus("GET", f"/items/media_jobs/{record}")["status"] == "pending"


class TestCommands:
    def test_retry_and_show(self, api: Api, operator: None, capsys: pytest.CaptureFixture[str]) -> None:
        record, pending = failed(api), api.record("pro")
        assert main(["retry", record, pending]) == 1
        first, second = capsys.readouterr().out.splitlines()
        assert first == f"{record}: will run again"
        assert second == f"{pending}: jobId names a job that is pending; only a failed one can be retried"
        assert main(["show", record, str(uuid.uuid4())]) == 1
        shown = capsys.readouterr().out.splitlines()
        assert '"state":"waiting"' in shown[0]
        assert '"status":"pending"' in shown[0]
        assert shown[1].endswith('"ledger":null,"record":null}')

    def test_pause_and_resume(self, api: Api, operator: None, capsys: pytest.CaptureFixture[str]) -> None:
        record = api.record()
        answer = api.enqueue({"jobId": record, "operation": "transcoding"}).json
        assert main(["pause", "container"]) == 0
        assert main(["pause", "container"]) == 0
        assert api.services.ledger.claim("container", answer["bullJobId"], record, "t").word == "hold"
        assert main(["resume", "container"]) == 0
        assert main(["resume", "container"]) == 0
        assert api.services.ledger.claim("container", answer["bullJobId"], record, "t").word == "run"
        assert capsys.readouterr().out.splitlines() == [
            "container is paused", "container was paused already", "container goes on", "container was not paused",
        ]  # fmt: skip
