"""`POST /media` beyond the published examples: rejections, authorization, cost of a call."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.queues.tickets import Tickets
from chalicelib.settings import POOLS
from infra.local.directus import accounts
from tests.contract.conftest import serve

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.ledger.scripts import Scripts
    from tests.contract.conftest import Api, Backends

PRIORITY = "priority must be an integer from 1 to 100, lower first"
URL = "input_url must be an http or https URL of at most 2048 characters"


class TestBadRequests:
    @pytest.mark.parametrize("body", [b"", b"{", b"nonsense", b'{"jobId": "x",}', b"\xff\xfe", b"[" * 100_000, b'{"a": NaN}'])
    def test_not_json(self, api: Api, body: bytes) -> None:
        answer = api.call("POST", "/media", api.backends.tokens["pro"], data=body, content_type="application/json")
        assert answer.status_code == 400
        assert answer.json["error"].startswith("body must be")

    @pytest.mark.parametrize("body", [[], "text", 5, None, True, [{"jobId": "x"}]])
    def test_not_an_object(self, api: Api, body: Any) -> None:
        answer = api.call("POST", "/media", api.backends.tokens["pro"], data=json.dumps(body), content_type="application/json")
        assert (answer.status_code, answer.json) == (400, {"error": "body must be a JSON object"})

    def test_too_large(self, api: Api) -> None:
        answer = api.enqueue({"jobId": "x", "operation": "y", "params": {"x": "x" * 70_000}})
        assert (answer.status_code, answer.json) == (400, {"error": "body must be at most 65536 bytes"})

    @pytest.mark.parametrize("priority", [0, 101, 2.5, "5", True, -1, [1], {"a": 1}, 10**400])
    def test_priority(self, api: Api, priority: Any) -> None:
        answer = api.enqueue({"jobId": str(uuid.uuid4()), "operation": "transcoding", "priority": priority})
        assert (answer.status_code, answer.json) == (400, {"error": PRIORITY})

    @pytest.mark.parametrize("field", ["jobId", "input_file_id", "creator_profile_id"])
    @pytest.mark.parametrize(
        "value", ["nonsense", "f47ac10b-58cc-4372-a567", 5, True, ["x"], "f47ac10b-58cc-4372-a567-0e02b2c3d479x"]
    )
    def test_malformed_uuid(self, api: Api, field: str, value: Any) -> None:
        answer = api.enqueue({"jobId": str(uuid.uuid4()), "operation": "transcoding", field: value})
        assert answer.status_code == 400
        assert answer.json["error"].startswith(f"{field} must be the UUID of a ")

    @pytest.mark.parametrize(
        "url",
        [
            "nonsense", "ftp://example.com/a", "file:///etc/passwd", "http://", "http:///a", "https://user:pass@example.com/a",
            "http://good@evil.example/", "http://example.com:99999/", "http://exa mple.com/", "javascript:alert(1)",
            "http://example.com\\@evil.example/", "http://[::1", 5, "https://example.com/" + "a" * 2100,
            "http://example.com/\n", "concat:http://a|http://b",
        ],
    )  # fmt: skip
    def test_unusable_url(self, api: Api, url: Any) -> None:
        answer = api.enqueue({"jobId": str(uuid.uuid4()), "operation": "transcoding", "input_url": url})
        assert answer.status_code == 400
        assert answer.json["error"].startswith(URL)

    @pytest.mark.parametrize(
        ("params", "error"),
        [
            ("mp4", "params must be an object of parameters of the operation"),
            ([], "params must be an object of parameters of the operation"),
            ({"format": "avi"}, "params.format must be one of mp4, webm, mkv, mov, hls, mp3, m4a, ogg, wav, gif"),
            ({"codec": "vp9"}, "params.codec must be one of h264, h265, av1 when format is mp4"),
            ({"codec": "h264 -f tee"}, "params.codec must be one of h264, h265, vp9, av1, as the format allows"),
            ({"resolution": "huge"}, "params.resolution must be a height such as 720p or 1080p"),
            ({"resolution": "9p"}, "params.resolution must be a height such as 720p or 1080p"),
            ({"resolution": "100p"}, "params.resolution must be a height from 144p to 4320p"),
            ({"crf": 52}, "params.crf must be an integer from 0 to 51 when codec is h264"),
            ({"crf": 20, "bitrate": "1M"}, "params.bitrate must be absent when crf is given"),
            ({"bitrate": "1k"}, "params.bitrate must be a video bitrate such as 800k or 2.5M"),
            ({"bitrate": "800k\n"}, "params.bitrate must be a video bitrate such as 800k or 2.5M"),
            ({"fps": 0}, "params.fps must be a number of frames a second from 1 to 120"),
            ({"upscale": "yes"}, "params.upscale must be true or false"),
            ({"preset": "placebo"}, "params.preset must be one of ultrafast"),
            ({"loudness": 3}, "params.loudness must be an EBU R128 target from -70 to -5 LUFS"),
            ({"loudness": -23, "audio_codec": "none"}, "params.loudness must be absent when there is no sound"),
            ({"format": "wav", "audio_bitrate": "128k"}, "params.audio_bitrate must be absent when format is wav"),
            ({"format": "mp3", "resolution": "720p"}, "params.resolution must be absent when format is mp3"),
            ({"format": "mp3", "audio_codec": "none"}, "params.audio_codec must be mp3 when format is mp3"),
            ({"format": "webm", "audio_codec": "aac"}, "params.audio_codec must be one of opus, none when format is webm"),
            ({"start": -1}, "params.start must be a number of seconds from 0 to 86400"),
            ({"duration": 0}, "params.duration must be a number of seconds from 0.04 to 86400"),
            ({"best": True}, "params.best is not a parameter; it must be one of format, codec"),
        ],
    )
    def test_wrong_transcoding_parameter(self, api: Api, params: Any, error: str) -> None:
        answer = api.enqueue({"jobId": str(uuid.uuid4()), "operation": "transcoding", "params": params})
        assert answer.status_code == 400
        assert answer.json["error"].startswith(error)

    @pytest.mark.parametrize("operation", [5, True, [], {}, "x" * 65])
    def test_wrong_operation(self, api: Api, operation: Any) -> None:
        answer = api.enqueue({"jobId": str(uuid.uuid4()), "operation": operation})
        if operation in ([], {}):
            assert answer.status_code == 400
        assert answer.json["error"].startswith("operation must be the name of an operation")

    def test_no_input_anywhere(self, api: Api) -> None:
        answer = api.enqueue({"jobId": api.record(input_file_id=None), "operation": "transcoding"})
        assert answer.status_code == 400
        assert answer.json == {"error": "input_file_id or input_url is required: the record has neither"}


class TestLeniency:
    def test_null_and_empty_mean_absent_and_other_keys_are_ignored(self, api: Api) -> None:
        body = {"jobId": api.record(), "operation": "transcoding", "priority": None, "input_url": "", "params": None, "x": 1}
        body |= {"creator_profile_id": "", "input_file_id": None}
        assert api.enqueue(body).status_code == 200

    def test_empty_parameters_mean_absent(self, api: Api) -> None:
        body = {"jobId": api.record(), "operation": "transcoding", "params": {"resolution": "", "crf": None}}
        assert api.enqueue(body).status_code == 200

    def test_a_parameter_that_there_is_not_is_refused_also_when_empty(self, api: Api) -> None:
        answer = api.enqueue({"jobId": api.record(), "operation": "transcoding", "params": {"colour": None}})
        assert (answer.status_code, answer.json["error"].partition(";")[0]) == (400, "params.colour is not a parameter")

    def test_the_file_wins_over_the_url_and_both_over_the_record(self, api: Api) -> None:
        drain_tickets(api.services.tickets)
        other = api.file()
        body = {"jobId": api.record(), "operation": "transcoding", "input_file_id": other, "input_url": "https://e.com/a.mp4"}
        api.enqueue(body)
        [ticket] = api.services.tickets.receive("container", wait_seconds=1)
        assert ticket.job is not None
        assert (ticket.job.input_file_id, ticket.job.input_url) == (other, None)
        api.services.tickets.delete(ticket)

    def test_a_url_alone_will_do(self, api: Api) -> None:
        assert api.enqueue({"jobId": api.record(input_url="https://example.com/a.mp4"), "operation": "transcoding"}).json["ok"]

    def test_upper_case_uuids_name_the_same_record(self, api: Api) -> None:
        job_id = api.record()
        assert api.enqueue({"jobId": job_id.upper(), "operation": "transcoding"}).json["jobId"] == job_id


class TestOwnership:
    def test_unknown_records_and_other_peoples_look_the_same(self, api: Api) -> None:
        theirs = api.enqueue({"jobId": api.record("pro"), "operation": "transcoding"}, "enterprise")
        nobodys = api.enqueue({"jobId": str(uuid.uuid4()), "operation": "transcoding"}, "enterprise")
        assert theirs.status_code == nobodys.status_code == 404
        assert theirs.json == nobodys.json

    def test_other_peoples_files_are_not_there(self, api: Api) -> None:
        theirs = api.file("pro")
        for body in ({"jobId": api.record(), "input_file_id": theirs}, {"jobId": api.record(input_file_id=theirs)}):
            answer = api.enqueue({**body, "operation": "transcoding"})
            assert (answer.status_code, answer.json) == (404, {"error": "input_file_id must be the id of one of your files"})

    def test_an_administrator_may_for_anyone_and_the_owner_pays(self, api: Api, scripts: Scripts) -> None:
        answer = api.enqueue({"jobId": api.record("pro"), "operation": "transcoding"}, token=accounts.ADMIN_TOKEN)
        assert answer.status_code == 200
        assert len(list(scripts.redis.scan_iter(f"*:usage:{api.user_id('pro')}:*"))) == 1

    def test_an_administrator_may_name_anyone_s_file(self, api: Api) -> None:
        body = {"jobId": api.record("pro"), "operation": "transcoding", "input_file_id": api.file("enterprise")}
        assert api.enqueue(body, "pro").status_code == 404
        assert api.enqueue(body, token=accounts.ADMIN_TOKEN).status_code == 200

    def test_a_suspended_administrator_is_refused(self, api: Api) -> None:
        from tests.contract.api.test_auth import mint

        user_id, _ = api.new_user(role="Administrator", status="suspended")
        body = {"jobId": api.record("pro"), "operation": "transcoding"}
        assert api.enqueue(body, token=mint(id=user_id)).status_code == 401
        api.directus("PATCH", f"/users/{user_id}", json={"status": "active"})
        assert api.enqueue(body, token=mint(id=user_id)).status_code == 200

    def test_a_claim_of_being_one_is_not_believed(self, api: Api) -> None:
        from tests.contract.api.test_auth import mint

        token = mint(id=api.user_id("pro"), admin_access=True, app_access=True)
        assert api.enqueue({"jobId": api.record("enterprise"), "operation": "transcoding"}, token=token).status_code == 404

    def test_a_suspended_user_is_refused(self, api: Api) -> None:
        from tests.contract.api.test_auth import mint

        user_id, token = api.new_user()
        file_id = api.directus("POST", "/files", token, files={"file": ("a.mp4", b"a", "video/mp4")})["id"]
        record = {"operation": "transcoding", "input_file_id": file_id}
        job_id = api.directus("POST", "/items/media_jobs", token, json=record)["id"]
        api.directus("PATCH", f"/users/{user_id}", json={"status": "suspended"})
        answer = api.enqueue({"jobId": job_id, "operation": "transcoding"}, token=mint(id=user_id))
        assert answer.status_code == 401


class TestStates:
    def test_completed_is_a_conflict(self, api: Api) -> None:
        job_id = api.record()
        api.directus("PATCH", f"/items/media_jobs/{job_id}", json={"status": "completed"})
        answer = api.enqueue({"jobId": job_id, "operation": "transcoding"})
        assert (answer.status_code, answer.json) == (409, {"error": "jobId names a record that is completed already"})

    def test_a_status_of_somebody_else_s_is_a_conflict(self, api: Api) -> None:
        job_id = api.record(status="draft")
        answer = api.enqueue({"jobId": job_id, "operation": "transcoding"})
        assert answer.status_code == 409
        assert "neither pending, processing nor failed" in answer.json["error"]

    def test_failed_starts_anew(self, api: Api) -> None:
        job_id = api.record()
        api.directus("PATCH", f"/items/media_jobs/{job_id}", json={"status": "failed", "error": "bad luck"})
        assert api.enqueue({"jobId": job_id, "operation": "transcoding"}).status_code == 200
        record = api.directus("GET", f"/items/media_jobs/{job_id}")
        assert (record["status"], record["error"]) == ("pending", None)

    def test_a_thousand_posts_of_one_job(self, api: Api, scripts: Scripts) -> None:
        body = {"jobId": api.record("pro"), "operation": "transcoding"}
        drain_tickets(api.services.tickets)
        with ThreadPoolExecutor(50) as threads:
            answers = list(threads.map(lambda _: api.enqueue(body, "pro"), range(1000)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json["bullJobId"] for answer in answers}) == 1
        assert api.call("GET", "/stats").json["stats"]["waiting"] == 1
        [usage] = scripts.redis.scan_iter("*:usage:*")
        assert scripts.redis.hget(usage, "transcoding") == "1"
        assert 1 <= drain_tickets(api.services.tickets) <= 2

    def test_a_failed_send_takes_everything_back(self, backends: Backends, scripts: Scripts, plans: Path) -> None:
        plans.write_text('{"free": {"transcoding": 1}}')
        for api in serve(backends, PLANS_FILE=str(plans), QUEUE_URL_CONTAINER="http://127.0.0.1:1/000000000000/none"):
            body = {"jobId": api.record("free"), "operation": "transcoding"}
            for _ in range(3):  # the quota is not eaten up by failures
                answer = api.enqueue(body, "free")
                assert answer.status_code == 503
                assert answer.json["ok"] is False
                assert "SQS" in answer.json["error"]
            assert api.call("GET", "/stats").json["stats"]["waiting"] == 0

    def test_fifty_at_once_with_ten_left(self, backends: Backends, scripts: Scripts, plans: Path) -> None:
        plans.write_text('{"pro": {"transcoding": 10}}')
        for api in serve(backends, PLANS_FILE=str(plans)):
            bodies = [{"jobId": api.record("pro"), "operation": "transcoding"} for _ in range(50)]
            with ThreadPoolExecutor(50) as threads:
                codes = [answer.status_code for answer in threads.map(api.enqueue, bodies, ["pro"] * 50)]
            assert sorted(codes) == [200] * 10 + [403] * 40

    def test_the_quota_is_seeded_from_directus(self, backends: Backends, scripts: Scripts, plans: Path) -> None:
        plans.write_text('{"free": {"transcoding": 2}}')
        for api in serve(backends, PLANS_FILE=str(plans)):
            _, token = api.new_user()
            file_id = api.directus("POST", "/files", token, files={"file": ("a.mp4", b"a", "video/mp4")})["id"]

            def record(status: str, token: str = token, file_id: str = file_id, api: Api = api) -> str:
                body = {"operation": "transcoding", "input_file_id": file_id, "status": status}
                return str(api.directus("POST", "/items/media_jobs", token, json=body)["id"])

            for status in ("completed", "failed", "pending", "pending"):  # records that were never enqueued cost nothing
                record(status)
            codes = [
                api.enqueue({"jobId": record("pending"), "operation": "transcoding"}, token=token).status_code for _ in "ab"
            ]
            assert codes == [200, 403]

    def test_directus_away_is_a_refusal_and_never_a_free_pass(self, backends: Backends, scripts: Scripts) -> None:
        for api in serve(backends, DIRECTUS_URL="http://127.0.0.1:1"):
            answer = api.enqueue({"jobId": str(uuid.uuid4()), "operation": "transcoding"})
            assert (answer.status_code, answer.json) == (503, {"ok": False, "error": "Directus connection refused"})
            assert api.call("GET", "/stats").json["stats"]["waiting"] == 0


def test_the_warm_path_costs_one_read_one_script_and_one_send(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.enqueue({"jobId": api.record(), "operation": "transcoding"})  # warm: connections, scripts, quota
    job_id = api.record()
    reads: list[str] = []
    sends: list[str] = []
    call = api.services.directus._call
    monkeypatch.setattr(api.services.directus, "_call", lambda *a, **k: reads.append(" ".join(a)) or call(*a, **k))
    sqs = api.services.tickets._sqs
    sqs.meta.events.register("before-send.sqs.*", lambda request, **_: sends.append(request.headers["X-Amz-Target"]))
    before = api.services.scripts.redis.info("commandstats")
    assert api.enqueue({"jobId": job_id, "operation": "transcoding"}).status_code == 200
    after = api.services.scripts.redis.info("commandstats")
    assert reads == ["GET /items/media_jobs"]
    assert [target.decode() if isinstance(target, bytes) else target for target in sends] == ["AmazonSQS.SendMessage"]
    assert after["cmdstat_evalsha"]["calls"] - before["cmdstat_evalsha"]["calls"] == 1


def drain_tickets(tickets: Tickets) -> int:
    """Delete every ticket of both queues and say how many there were."""
    count = 0
    for pool in POOLS:
        while found := tickets.receive(pool, 10, wait_seconds=0):
            for ticket in found:
                tickets.delete(ticket)
            count += len(found)
    return count
