"""`/credentials`: stored sealed, shown without the secret, for their owners alone."""

from __future__ import annotations

import json
import threading
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.domain import credentials as domain
from chalicelib.ledger import credential_tests
from infra.local.directus import accounts
from tests.contract.conftest import serve
from workers.network.credentials import Keyring

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

    from tests.contract.conftest import Api, Backends

SECRET = "s3cret-of-the-contract"
BEARER = {"name": "CDN", "kind": "bearer", "hosts": ["cdn.example.com"], "secret": {"token": SECRET}}


def call(api: Api, method: str, path: str = "", tier: str = "enterprise", **request: Any) -> TestResponse:
    answer = api.call(method, path, request.pop("token", api.backends.tokens[tier]), base="/api/credentials", **request)
    assert SECRET not in answer.text
    return answer


@pytest.fixture(autouse=True)
def nothing_stored(api: Api) -> None:
    """The rows of other tests are gone."""
    for row in api.directus("GET", "/items/platform_connections?limit=-1"):
        api.directus("DELETE", f"/items/platform_connections/{row['id']}")


def stored(api: Api, tier: str = "enterprise", **changes: Any) -> str:
    answer = call(api, "POST", tier=tier, json={**BEARER, **changes})
    assert answer.status_code == 200, answer.json
    return str(answer.json["credential"]["id"])


class TestCreate:
    @pytest.mark.parametrize(
        ("kind", "secret"),
        [
            ("bearer", {"token": SECRET}),
            ("basic", {"username": "ada", "password": SECRET}),
            ("header", {"name": "X-Api-Key", "value": SECRET}),
            ("query", {"name": "key", "value": SECRET}),
            ("aws_s3", {"access_key_id": "AKIDEXAMPLE", "secret_access_key": SECRET, "region": "eu-central-1"}),
            ("oauth2_client", {"token_url": "https://cdn.example.com/token", "client_id": "me", "client_secret": SECRET}),
        ],
    )
    def test_every_kind_is_sealed_for_the_workers(self, api: Api, kind: str, secret: dict[str, str]) -> None:
        answer = call(api, "POST", json={**BEARER, "kind": kind, "secret": secret}).json["credential"]
        assert (answer["name"], answer["kind"], answer["hosts"]) == ("CDN", kind, ["cdn.example.com"])
        assert len(answer["fingerprint"]) == 12
        assert (answer["last_used_at"], answer["user"]) == (None, api.user_id("enterprise"))
        row = api.directus("GET", f"/items/platform_connections/{answer['id']}")
        assert SECRET not in json.dumps(row)
        opened = Keyring([], [accounts.CREDENTIALS_PRIVATE_KEY]).unseal(row["credentials"], row["id"])
        assert (opened.kind, opened.hosts, opened.secret, opened.owner) == (kind, ("cdn.example.com",), secret, answer["user"])

    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"name": ""}, "name must be a name of 1 to 64 characters"),
            ({"kind": "telepathy"}, "kind must be one of bearer, basic"),
            ({"hosts": []}, "hosts must be a list of 1 to 10 host names"),
            ({"hosts": ["https://cdn.example.com"]}, "hosts must be a list of 1 to 10 host names such as"),
            ({"hosts": ["*.example.com"]}, "hosts must be"),
            ({"hosts": ["cdn.example.com/path"]}, "hosts must be"),
            ({"hosts": ["user@cdn.example.com"]}, "hosts must be"),
            ({"secret": {}}, "secret"),
            ({"secret": SECRET}, "secret must be an object"),
            ({"secret": {"token": f"{SECRET}\nX: y"}}, "secret.token must be printable ASCII"),
            ({"secret": {"token": SECRET, "more": SECRET}}, "secret.more is not a parameter"),
            ({"secret": {"token": SECRET * 200}}, "secret.token must be printable ASCII of 1 to 4000"),
            ({"kind": "header", "secret": {"name": "Host", "value": SECRET}}, "secret.name must be the name of a header"),
            ({"kind": "basic", "secret": {"username": SECRET}}, "secret"),
            (
                {
                    "kind": "oauth2_client",
                    "secret": {"token_url": "https://evil.example/", "client_id": "a", "client_secret": SECRET},
                },
                "secret.token_url must be an https URL at one of hosts",
            ),
            ({"user": "somebody"}, "user is not a parameter"),
        ],
        ids=str,
    )
    def test_a_wrong_body_says_which_field_and_never_the_secret(self, api: Api, changes: dict[str, Any], says: str) -> None:
        answer = call(api, "POST", json={**BEARER, **changes})
        assert answer.status_code == 400
        assert says in answer.json["error"]
        assert api.directus("GET", "/items/platform_connections") == []

    def test_hosts_are_compared_in_one_form(self, api: Api) -> None:
        answer = call(api, "POST", json={**BEARER, "hosts": ["CDN.example.com:443", "cdn.example.com", "b.example:8443"]})
        assert answer.json["credential"]["hosts"] == ["cdn.example.com", "b.example:8443"]

    def test_a_fingerprint_tells_secrets_apart(self, api: Api) -> None:
        prints = [
            call(api, "POST", json={**BEARER, "secret": {"token": token}}).json["credential"]["fingerprint"] for token in "aab"
        ]
        assert prints[0] == prints[1] != prints[2]

    def test_not_more_than_a_user_may_have(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(domain, "PER_USER", 2)
        for _ in range(2):
            stored(api)
        answer = call(api, "POST", json=BEARER)
        assert (answer.status_code, answer.json["error"]) == (409, "You have 2 credentials already; delete one first")
        stored(api, "pro")

    def test_without_a_key(self, backends: Backends, api: Api) -> None:
        for keyless in serve(backends, CREDENTIALS_PUBLIC_KEY=""):
            answer = call(keyless, "POST", json=BEARER)
            assert answer.status_code == 404
            assert "CREDENTIALS_PUBLIC_KEY" in answer.json["error"]


class TestManage:
    def test_owners_see_their_own_and_administrators_all_without_secrets(self, api: Api) -> None:
        own, other = stored(api), stored(api, "pro")
        listed = [one["id"] for one in call(api, "GET").json["credentials"]]
        assert listed == [own]
        assert {one["id"] for one in call(api, "GET", token=accounts.ADMIN_TOKEN).json["credentials"]} == {own, other}
        assert call(api, "GET", f"/{other}").status_code == 404
        assert call(api, "GET", f"/{other}", token=accounts.ADMIN_TOKEN).json["credential"]["user"] == api.user_id("pro")
        for method, request in (("PATCH", {"json": {"name": "x"}}), ("DELETE", {})):
            assert call(api, method, f"/{other}", **request).status_code == 404
            assert call(api, method, f"/{other}", token=accounts.ADMIN_TOKEN, **request).status_code == 404

    def test_rename_and_a_new_secret(self, api: Api) -> None:
        key = stored(api)
        before = api.directus("GET", f"/items/platform_connections/{key}")
        renamed = call(api, "PATCH", f"/{key}", json={"name": "Other"}).json["credential"]
        assert (renamed["name"], renamed["fingerprint"]) == ("Other", before["fingerprint"])
        changed = call(api, "PATCH", f"/{key}", json={"secret": {"token": "new"}, "hosts": ["b.example"]}).json["credential"]
        assert (changed["hosts"], changed["fingerprint"] != before["fingerprint"]) == (["b.example"], True)
        row = api.directus("GET", f"/items/platform_connections/{key}")
        opened = Keyring([], [accounts.CREDENTIALS_PRIVATE_KEY]).unseal(row["credentials"], key)
        assert (opened.hosts, opened.secret) == (("b.example",), {"token": "new"})

    @pytest.mark.parametrize(
        ("body", "says"),
        [
            ({}, "name, hosts or secret must be given"),
            ({"hosts": ["b.example"]}, "secret must be given with hosts"),
            ({"secret": {"password": SECRET}}, "secret"),
            ({"kind": "basic"}, "kind is not a parameter"),
        ],
    )
    def test_changes_that_are_refused(self, api: Api, body: dict[str, Any], says: str) -> None:
        answer = call(api, "PATCH", f"/{stored(api)}", json=body)
        assert answer.status_code == 400
        assert says in answer.json["error"]

    def test_one_that_an_open_job_names_is_deleted_by_force_only(self, api: Api) -> None:
        key = stored(api)
        api.record(creator_profile_id=key)
        assert call(api, "DELETE", f"/{key}").status_code == 409
        assert call(api, "DELETE", f"/{key}?force=perhaps").status_code == 400
        answer = call(api, "DELETE", f"/{key}?force=true")
        assert (answer.status_code, answer.json) == (200, {"ok": True, "id": key, "status": "deleted"})
        assert call(api, "GET", f"/{key}").status_code == 404

    def test_wrong_ids_and_callers(self, api: Api) -> None:
        assert call(api, "GET", "/nonsense").status_code == 400
        assert call(api, "GET", f"/{uuid.uuid4()}").status_code == 404
        assert api.call("GET", "", base="/api/credentials").status_code == 401

    def test_rows_that_others_wrote_break_nothing(self, api: Api) -> None:
        own = stored(api)
        for values in ({"kind": "telepathy"}, {"hosts": "text"}, {"hosts": [5]}, {"kind": None, "hosts": {"a": 1}}):
            row = api.directus("POST", "/items/platform_connections", json={"platform": "x", "kind": "bearer", **values})
            api.directus("PATCH", f"/items/platform_connections/{row['id']}", json={"user_created": api.user_id("enterprise")})
            for method, request in (("GET", {}), ("PATCH", {"json": {"secret": {"token": "x"}}})):
                assert call(api, method, f"/{row['id']}", **request).status_code in (200, 400, 404)
        assert own in [one["id"] for one in call(api, "GET").json["credentials"]]

    def test_what_is_too_large_to_be_sealed(self, api: Api) -> None:
        hosts = [f"{'a' * 60}.{'b' * 60}.{'c' * 60}.example{number}.com" for number in range(10)]
        answer = call(api, "POST", json={**BEARER, "hosts": hosts, "secret": {"token": "x" * 3000}})
        assert (answer.status_code, answer.json["error"]) == (400, "secret and hosts must be at most 4096 bytes together")

    def test_one_that_an_app_wrote_itself_is_not_listed(self, api: Api) -> None:
        row = api.directus("POST", "/items/platform_connections", json={"platform": "x", "credentials": "token"})
        api.directus("PATCH", f"/items/platform_connections/{row['id']}", json={"user_created": api.user_id("enterprise")})
        assert call(api, "GET").json["credentials"] == []
        assert call(api, "GET", f"/{row['id']}").status_code == 404


class TestTry:
    def answer_one(self, api: Api, outcome: credential_tests.Outcome) -> threading.Thread:
        """A worker that answers the next test."""
        tests = api.services.credential_tests

        def answer() -> None:
            while (test := tests.take()) is None:
                pass
            tests.answer(test, outcome)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        return thread

    @pytest.mark.parametrize(
        ("outcome", "said"),
        [
            (credential_tests.Outcome(200), {"state": "answered", "status": 200, "error": ""}),
            (credential_tests.Outcome(401), {"state": "answered", "status": 401, "error": ""}),
            (
                credential_tests.Outcome(0, "url could not be reached"),
                {"state": "failed", "status": None, "error": "url could not be reached"},
            ),
        ],
    )
    def test_a_worker_s_answer_is_told(self, api: Api, outcome: credential_tests.Outcome, said: dict[str, Any]) -> None:
        key = stored(api)
        worker = self.answer_one(api, outcome)
        answer = call(api, "POST", f"/{key}/test", json={"url": "https://cdn.example.com/a"})
        worker.join()
        assert answer.json == {"ok": True, **said}

    def test_without_a_worker_it_is_pending(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("chalicelib.usecases.credentials.TEST_SECONDS", 0.1)
        answer = call(api, "POST", f"/{stored(api)}/test", json={"url": "https://cdn.example.com/a"})
        assert answer.json["state"] == "pending"

    def test_not_too_often(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("chalicelib.usecases.credentials.TEST_SECONDS", 0.0)
        key = stored(api)
        body = {"url": "https://cdn.example.com/a"}
        for _ in range(credential_tests.PER_MINUTE):
            assert call(api, "POST", f"/{key}/test", json=body).status_code == 200
        answer = call(api, "POST", f"/{key}/test", json=body)
        assert answer.status_code == 429
        assert 0 < int(answer.headers["Retry-After"]) <= 60

    @pytest.mark.parametrize("url", ["https://evil.example/", "http://cdn.example.com/", "ftp://cdn.example.com/", "nonsense"])
    def test_only_at_its_hosts(self, api: Api, url: str) -> None:
        answer = call(api, "POST", f"/{stored(api)}/test", json={"url": url})
        assert (answer.status_code, answer.json["error"]) == (400, "url must be an https URL at one of cdn.example.com")


def test_a_job_that_names_another_host_is_refused(api: Api) -> None:
    key = stored(api)
    body = {"jobId": api.record(), "operation": "download", "creator_profile_id": key}
    for url in ("https://evil.example/a.mp4", "http://cdn.example.com/a.mp4"):
        answer = api.enqueue({**body, "input_url": url})
        assert answer.status_code == 400
        assert "input_url must be an https URL at one of the hosts of the credential" in answer.json["error"]
    assert api.enqueue({**body, "input_url": "https://cdn.example.com/a.mp4"}).status_code == 200


def test_nothing_logs_a_secret(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    key = stored(api)
    call(api, "PATCH", f"/{key}", json={"secret": {"token": SECRET}})
    call(api, "POST", json={**BEARER, "secret": {"token": SECRET, "more": 1}})
    call(api, "DELETE", f"/{key}")
    logged = [str(vars(record)) for record in caplog.records]
    for message in ("credential created", "credential changed", "credential deleted"):
        assert any(message in line and key in line and api.user_id("enterprise") in line for line in logged)
    assert SECRET not in str(logged)
