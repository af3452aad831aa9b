"""What mediaq relies on in Directus, on the stand-in and on the real Directus."""

from __future__ import annotations

import io
import uuid

import pytest
import requests

from chalicelib.directus.client import Directus
from chalicelib.domain.queries import as_filter, parse
from chalicelib.errors import DirectusUnavailable
from infra.local.directus import accounts
from tests.contract.server import BEST, Server


def code(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["extensions"]["code"]


class TestConnections:
    def test_read_by_the_service_with_whose_it_is(self, server: Server) -> None:
        row = {"platform": "x", "credentials": "token"}
        made = server.call("POST", "/items/platform_connections", accounts.ADMIN_TOKEN, json=row).json()["data"]
        owner = server.call("GET", "/users/me?fields=id", server.token).json()["data"]["id"]
        path = f"/items/platform_connections/{made['id']}"
        assert server.call("PATCH", path, accounts.ADMIN_TOKEN, json={"user_created": owner}).status_code == 200
        found = server.service.read_connection(made["id"])
        assert found is not None
        assert (found.id, found.user_created, found.credentials) == (made["id"], owner, "token")
        assert "token" not in repr(found)
        assert server.service.read_connection(str(uuid.uuid4())) is None

    def test_no_user_reads_the_credentials_of_another(self, server: Server) -> None:
        answer = server.call("GET", "/items/platform_connections", server.token)
        assert code(answer) == (403, "FORBIDDEN")


class TestUsers:
    def test_login_gives_a_token_of_the_published_form(self, server: Server) -> None:
        answer = server.call("POST", "/auth/login", json={"email": BEST.email, "password": BEST.password})
        data = answer.json()["data"]
        assert set(data) == {"expires", "refresh_token", "access_token"}
        assert data["expires"] == accounts.TOKEN_TTL_DAYS * 86_400_000
        import jwt

        claims = jwt.decode(data["access_token"], accounts.SECRET, algorithms=["HS256"], issuer="directus")
        assert {"id", "role", "app_access", "admin_access", "iat", "exp", "iss"} <= set(claims)
        assert claims["admin_access"] is False

    def test_wrong_logins(self, server: Server) -> None:
        wrong = server.call("POST", "/auth/login", json={"email": BEST.email, "password": "no"})
        assert code(wrong) == (401, "INVALID_CREDENTIALS")
        assert code(server.call("POST", "/auth/login", json={"email": BEST.email})) == (400, "INVALID_PAYLOAD")

    def test_whoami(self, server: Server) -> None:
        assert server.service.whoami(server.token) == server.record()["user_created"]
        assert server.service.whoami(accounts.ADMIN_TOKEN)
        assert server.service.whoami("unknown-token") is None

    def test_who_is_an_administrator(self, server: Server) -> None:
        assert server.service.is_admin(accounts.ADMIN_TOKEN)
        assert not server.service.is_admin(server.token)
        assert not server.service.is_admin(accounts.SERVICE_TOKEN)
        assert not server.service.is_admin("unknown-token")

    def test_a_user_by_id(self, server: Server) -> None:
        user_id = server.service.whoami(server.token)
        assert user_id is not None
        user = server.service.read_user(user_id)
        assert user is not None
        assert (user.id, user.status) == (user_id, "active")
        assert server.service.read_user(str(uuid.uuid4())) is None

    def test_bad_tokens(self, server: Server) -> None:
        assert code(server.call("GET", "/users/me", "unknown")) == (401, "INVALID_CREDENTIALS")
        assert code(server.call("GET", "/users/me", server.token[:-3] + "abc")) == (403, "INVALID_TOKEN")
        assert code(server.call("GET", "/items/media_jobs")) == (403, "FORBIDDEN")


class TestRecords:
    def test_a_new_record_has_its_defaults_and_its_maker(self, server: Server) -> None:
        row = server.record(params={"format": "mp4"}, user_created=str(uuid.uuid4()), bogus=1)
        assert (row["status"], row["progress"], row["attempts"]) == ("pending", 0, 0)
        assert row["params"] == {"format": "mp4"}
        assert row["user_created"] == server.service.whoami(server.token)
        assert row["date_created"].endswith("Z")
        assert "bogus" not in row

    def test_a_required_column(self, server: Server) -> None:
        assert code(server.call("POST", "/items/media_jobs", server.token, json={})) == (400, "FAILED_VALIDATION")

    def test_one_key_once(self, server: Server) -> None:
        row = server.record()
        again = server.call("POST", "/items/media_jobs", server.token, json={"id": row["id"], "operation": "x"})
        assert code(again) == (400, "RECORD_NOT_UNIQUE")

    def test_read_with_owner_and_file(self, server: Server) -> None:
        upload = server.call("POST", "/files", server.token, files={"file": ("a.mp4", b"abc", "video/mp4")})
        file_id = upload.json()["data"]["id"]
        row = server.record(input_file_id=file_id)
        record = server.service.read_job(row["id"])
        assert record is not None
        assert record.user_created is not None
        assert (record.user_created.id, record.user_created.status) == (row["user_created"], "active")
        assert record.user_created.subscription_tier == BEST.tier
        assert record.input_file_id is not None
        assert (record.input_file_id.id, record.input_file_id.uploaded_by) == (file_id, row["user_created"])
        assert record.input_file_id.filename_download == "a.mp4"

    def test_missing_records(self, server: Server) -> None:
        missing = str(uuid.uuid4())
        assert server.service.read_job(missing) is None
        assert server.service.read_jobs([missing]) == {}
        assert code(server.call("GET", f"/items/media_jobs/{missing}", server.token)) == (403, "FORBIDDEN")
        assert server.service.update_open_job(missing, {"progress": 1}) is False

    def test_starting_a_job_reads_it_too(self, server: Server) -> None:
        row = server.record(status="pending")
        record = server.service.start_job(row["id"], {"status": "processing", "attempts": 1})
        assert record is not None
        assert (record.id, record.status, record.attempts) == (row["id"], "processing", 1)
        assert record.user_created is not None
        assert (record.user_created.id, record.user_created.subscription_tier) == (row["user_created"], "enterprise")
        assert server.service.start_job(row["id"], {"status": "processing"}) is None
        assert server.service.start_job(str(uuid.uuid4()), {"status": "processing"}) is None

    def test_an_output_becomes_its_user_s_when_the_record_is_closed(self, server: Server) -> None:
        row = server.record(status="processing")
        file_id = server.service.upload_file(io.BytesIO(b"film"), title="t", name="a.mp4", mime="video/mp4")
        values = {"status": "completed", "output_file_id": file_id}
        assert server.service.update_open_job(row["id"], values, give_to=row["user_created"])
        file, record = server.service.read_file(file_id), server.service.read_job(row["id"])
        assert file is not None
        assert record is not None
        assert (file.uploaded_by, record.output_file_id, record.status) == (row["user_created"], file_id, "completed")
        assert file.filename_download == "a.mp4"
        again = server.record(status="processing")
        assert server.service.update_open_job(again["id"], values, give_to=str(uuid.uuid4()))  # a user who is gone
        closed = server.service.read_job(again["id"])
        assert closed is not None
        assert (closed.output_file_id, closed.status) == (file_id, "completed")

    def test_what_failed_and_what_it_has_in_common(self, server: Server) -> None:
        mark = f"mark-{uuid.uuid4().hex}"
        rows = [server.record(status="failed", error=f"{mark} {number}") for number in range(3)]
        server.record(status="failed", error=f"Cancelled {mark}", operation="upload")

        def found(at_most: int = 10, **filters: str) -> list[str]:
            query = as_filter(parse({name: [value] for name, value in filters.items()}), rows[0]["user_created"], None)
            return [one.id for one in server.service.find_jobs(query, at_most, oldest_first=True)]

        ids = [row["id"] for row in rows]
        assert found(state="failed", operation="transcoding", search=mark, since="2020-01-01T00:00:00Z") == ids
        assert found(2, state="failed", operation="transcoding", search=mark) == ids[:2]
        assert found(state="failed", search=mark, until="2020-01-01T00:00:00Z") == []
        server.record(status="failed", error="Cancelled", operation="analysis")
        assert found(state="failed", operation="analysis", search="Cancelled") == []

    def test_several_at_once(self, server: Server) -> None:
        rows = [server.record()["id"] for _ in range(3)]
        assert set(server.service.read_jobs([*rows, str(uuid.uuid4())])) == set(rows)

    def test_only_open_records_change(self, server: Server) -> None:
        job_id = server.record()["id"]
        assert server.service.update_open_job(job_id, {"status": "processing", "started_at": "2026-11-24T08:00:00.000Z"})
        result = {"width": 1280, "stages": {"fetch": 0.5}}
        assert server.service.update_open_job(job_id, {"status": "completed", "result": result, "progress": 100})
        assert not server.service.update_open_job(job_id, {"status": "failed"})
        row = server.call("GET", f"/items/media_jobs/{job_id}", server.token).json()["data"]
        assert (row["status"], row["result"], row["progress"]) == ("completed", result, 100)

    def test_only_failed_records_are_reopened(self, server: Server) -> None:
        job_id = server.record()["id"]
        assert not server.service.reopen_job(job_id)
        server.service.update_open_job(job_id, {"status": "failed", "error": "x"})
        assert server.service.reopen_job(job_id)
        record = server.service.read_job(job_id)
        assert record is not None
        assert (record.status, record.error) == ("pending", None)

    def test_columns_that_a_directus_lacks(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        """An optional one is left out from then on; any other is our mistake."""
        monkeypatch.setattr("chalicelib.directus.client.OPTIONAL_COLUMNS", {"bogus", "progress"})
        job_id = server.record()["id"]
        service = Directus(server.url, accounts.SERVICE_TOKEN, 10)
        assert service.update_open_job(job_id, {"bogus": 1, "progress": 7})
        record = server.call("GET", f"/items/media_jobs/{job_id}", server.token).json()["data"]
        assert record["progress"] == 7
        with pytest.raises(DirectusUnavailable):
            service.update_open_job(job_id, {"worse": 1})

    def test_wrong_queries(self, server: Server) -> None:
        for query in ("filter[bogus][_eq]=1", "fields=bogus", "sort=bogus"):
            assert code(server.call("GET", f"/items/media_jobs?{query}", server.token)) == (403, "FORBIDDEN")
        wrong = server.call("GET", "/items/media_jobs?filter[id][_like_it]=1", server.token)
        assert code(wrong) == (400, "INVALID_QUERY")

    def test_counting(self, server: Server) -> None:
        user_id, operations = server.record()["user_created"], ["transcoding", "thumbnail"]
        before = server.service.count_completed(user_id, operations, "2020-01-01T00:00:00Z")
        failed = server.service.count_status("failed")
        rows = [server.record()["id"] for _ in range(3)]
        server.service.update_open_job(rows[0], {"status": "completed"})
        server.service.update_open_job(rows[1], {"status": "failed", "error": "Cancelled"})
        server.service.update_open_job(rows[2], {"status": "failed", "error": "bad media"})
        after = server.service.count_completed(user_id, operations, "2020-01-01T00:00:00Z")
        assert after == before | {"transcoding": before["transcoding"] + 1}
        assert server.service.count_completed(user_id, operations, "2099-01-01T00:00:00Z") == dict.fromkeys(operations, 0)
        assert server.service.count_status("failed") == failed + 1  # the cancelled one apart
        assert server.service.count_status("failed", rows) == 1
        assert server.service.count_status("completed", rows) == 1


class TestFiles:
    def test_there_and_back(self, server: Server) -> None:
        data = bytes(range(256)) * 9000
        sent: list[int] = []
        owner = server.service.whoami(server.token)
        assert owner is not None
        file_id = server.service.upload_file(
            io.BytesIO(data), title="job/output.mp4", name="ä clip.mp4", mime="video/mp4", sent=sent.append
        )
        assert server.service.give_file(file_id, owner)
        more = [server.service.upload_file(io.BytesIO(b"x"), title="t", name="b.mp4", mime="video/mp4") for _ in range(2)]
        assert server.service.give_files([*more, str(uuid.uuid4())], owner)
        found = server.service.read_files([*more, str(uuid.uuid4())])
        assert {key: file.uploaded_by for key, file in found.items()} == dict.fromkeys(more, owner)
        assert not server.service.give_file(str(uuid.uuid4()), owner)  # refused, and no reason to wait
        assert sent[-1] > len(data)
        file = server.service.read_file(file_id)
        assert file is not None
        assert (file.type, int(file.filesize or 0), file.filename_download) == ("video/mp4", len(data), "ä clip.mp4")
        assert file.uploaded_by == owner  # and no longer the service's: a user can go on from what a job made
        assert file_id in server.service.find_files("job/")
        with server.service.open_file(file_id) as opened:
            assert opened is not None
            length, pieces = opened
            assert length == len(data)
            assert b"".join(pieces) == data
        part = requests.get(
            f"{server.url}/assets/{file_id}",
            headers={"Authorization": f"Bearer {server.token}", "Range": "bytes=2-5"},
            timeout=10,
        )
        assert (part.status_code, part.content) == (206, data[2:6])
        for _ in range(2):
            server.service.delete_file(file_id)
        assert server.service.find_files("job/") == []

    def test_missing(self, server: Server) -> None:
        assert server.service.read_file(str(uuid.uuid4())) is None
        with server.service.open_file(str(uuid.uuid4())) as opened:
            assert opened is None

    def test_an_upload_without_a_file(self, server: Server) -> None:
        answer = server.call("POST", "/files", server.token, files={"other": (None, "x")})
        assert code(answer) == (400, "INVALID_PAYLOAD")


def test_taxonomy_terms(server: Server) -> None:
    assert {term["name"] for term in server.service.taxonomy_terms()} >= {term["name"] for term in accounts.TAXONOMY}


def test_our_own_access_gone_wrong_is_unavailable(server: Server) -> None:
    for token in ("unknown", server.token[:-3] + "abc"):
        with pytest.raises(DirectusUnavailable, match=r"^Directus refused the call$"):
            Directus(server.url, token, 10).read_job(str(uuid.uuid4()))


def test_an_unknown_route(server: Server) -> None:
    assert code(server.call("GET", "/nothing", server.token)) == (404, "ROUTE_NOT_FOUND")
