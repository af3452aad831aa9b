"""Authentication: tokens as Directus signs them, and everything that only looks like one."""

from __future__ import annotations

import base64
import json
import time
import uuid
import warnings
from typing import TYPE_CHECKING, Any

import jwt
import pytest
import requests

from infra.local.directus import accounts
from tests.contract.conftest import serve

if TYPE_CHECKING:
    from tests.contract.conftest import Api, Backends

PUBLIC_KEY = b"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n"


def mint(secret: str = accounts.SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    """Mint a token as Directus does, with some claims changed; None takes one away."""
    now = int(time.time())
    usual = {
        "role": str(uuid.uuid4()),
        "app_access": False,
        "admin_access": False,
        "iat": now,
        "exp": now + 900,
        "iss": "directus",
    }
    body = {name: value for name, value in {**usual, **claims}.items() if value is not None}
    return jwt.encode(body, secret, algorithm)


def by_hand(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    """Put a token together that no library would make."""
    pieces = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(piece).rstrip(b"=").decode() for piece in pieces)


def status(api: Api, token: str, **request: Any) -> int:
    return api.enqueue({"jobId": api.record(), "operation": "transcoding"}, token=token, **request).status_code


@pytest.fixture
def user_id(api: Api) -> str:
    return api.user_id("enterprise")


def test_a_token_that_directus_minted(api: Api) -> None:
    assert status(api, api.backends.tokens["enterprise"]) == 200


def test_a_token_minted_like_it(api: Api, user_id: str) -> None:
    assert status(api, mint(id=user_id)) == 200
    assert status(api, mint(id=user_id, session="abc")) == 200  # of a session login


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer"])
def test_the_scheme_is_not_case_sensitive(api: Api, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {api.backends.tokens['enterprise']}"}
    body = {"jobId": api.record(), "operation": "transcoding"}
    assert api.call("POST", "/media", json=body, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": int(time.time()) - 60}, {"exp": None}, {"exp": "soon"}, {"iss": None}, {"iss": "someone"},
        {"id": None}, {"id": "not a uuid"}, {"id": 5}, {"id": {"$ne": 1}}, {"nbf": int(time.time()) + 86_400}, {"share": str(uuid.uuid4())},
    ],
    ids="-".join,
)  # fmt: skip
def test_claims_that_are_refused(api: Api, user_id: str, claims: dict[str, Any]) -> None:
    assert status(api, mint(**{"id": user_id, **claims})) == 401


def test_a_share_token_has_no_user(api: Api) -> None:
    assert status(api, mint(share=str(uuid.uuid4()), role=None)) == 401


@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE", "NONE", ""])
def test_no_algorithm(api: Api, user_id: str, algorithm: str) -> None:
    claims = {"id": user_id, "iss": "directus", "exp": int(time.time()) + 900}
    assert status(api, by_hand({"alg": algorithm, "typ": "JWT"}, claims)) == 401
    assert status(api, by_hand({"alg": algorithm, "typ": "JWT"}, claims, b"x")) == 401


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_with_the_right_secret(api: Api, user_id: str, algorithm: str) -> None:
    with warnings.catch_warnings(action="ignore", category=jwt.warnings.InsecureKeyLengthWarning):
        token = mint(algorithm=algorithm, id=user_id)
    assert status(api, token) == 401


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "PS256", "EdDSA"])
def test_key_confusion(api: Api, user_id: str, algorithm: str) -> None:
    claims = {"id": user_id, "iss": "directus", "exp": int(time.time()) + 900}
    assert status(api, by_hand({"alg": algorithm, "typ": "JWT"}, claims, b"signature")) == 401
    assert status(api, mint(secret=PUBLIC_KEY.decode().replace("-----BEGIN", "BEGIN"), id=user_id)) == 401


def test_tampered(api: Api, user_id: str) -> None:
    header, body, signature = mint(id=str(uuid.uuid4())).split(".")
    forged = by_hand({}, {"id": user_id, "iss": "directus", "exp": int(time.time()) + 900}).split(".")[1]
    assert status(api, f"{header}.{forged}.{signature}") == 401
    assert status(api, f"{header}.{body}.{signature[:-2]}") == 401
    assert status(api, f"{header}.{body}.") == 401
    assert status(api, mint(secret="another secret of decent length, but wrong", id=user_id)) == 401


@pytest.mark.parametrize(
    "token",
    ["", " ", "x" * 8192, "." * 8192, "a.b.c", "..", "a..c", "\x00", "é", "a b", "eyJhbGciOiJIUzI1NiJ9.e30.x", "{}.{}.{}", "-"],
    ids=range(13),
)
def test_rubbish(api: Api, token: str) -> None:
    assert api.call("POST", "/media", token, json={"jobId": "x", "operation": "y"}).status_code == 401


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic dXNlcjpwYXNz", "Token abc", "Bearer: abc"])
def test_no_bearer(api: Api, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = api.call("POST", "/media", json={}, headers=headers)
    assert (answer.status_code, answer.json) == (401, {"error": "Invalid or expired Directus token"})
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_two_headers_are_none(api: Api, user_id: str) -> None:
    """As a local server joins them, and as API Gateway lists them."""
    good = f"Bearer {mint(id=user_id)}"
    body = {"jobId": api.record(), "operation": "transcoding"}
    assert api.call("POST", "/media", json=body, headers={"Authorization": f"{good}, {good}"}).status_code == 401
    from app import app

    event = {
        "requestContext": {"httpMethod": "POST", "resourcePath": "/queue/media", "identity": {"sourceIp": "1.2.3.4"}},
        "headers": {"Authorization": good, "Content-Type": "application/json"},
        "multiValueHeaders": {"Authorization": ["Bearer rubbish", good], "Content-Type": ["application/json"]},
        "multiValueQueryStringParameters": None,
        "pathParameters": {},
        "stageVariables": {},
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }
    assert app(event, None)["statusCode"] == 401
    event["multiValueHeaders"] = {"Authorization": [good], "Content-Type": ["application/json"]}
    assert app(event, None)["statusCode"] == 200


class TestStaticTokens:
    def test_directus_is_asked_and_both_answers_are_kept_for_a_while(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        _, token = api.new_user()
        asked: list[str] = []
        whoami = api.services.directus.whoami
        monkeypatch.setattr(api.services.directus, "whoami", lambda one: asked.append(one) or whoami(one))
        clock = [0.0]
        monkeypatch.setattr(api.services.authenticator, "_clock", lambda: clock[0])
        authenticator = api.services.authenticator
        for _ in range(3):
            authenticator.caller(f"Bearer {token}")
            assert status(api, "unknown-opaque-token") == 401
        assert sorted(asked) == sorted([token, "unknown-opaque-token"])
        clock[0] = 31
        authenticator.caller(f"Bearer {token}")
        assert asked.count(token) == 2

    def test_a_suspended_users(self, api: Api) -> None:
        _, token = api.new_user(status="suspended")
        assert status(api, token) == 401

    def test_directus_away(self, backends: Backends) -> None:
        for api in serve(backends, DIRECTUS_URL="http://127.0.0.1:1"):
            answer = api.call("POST", "/media", "opaque-token", json={"jobId": "x", "operation": "y"})
            assert answer.status_code == 503


class TestInternal:
    def test_loopback_only_where_the_deployment_says_so(self, backends: Backends, api: Api) -> None:
        for peer in ("127.0.0.1", "127.9.9.9", "::1"):
            assert api.call("POST", "/taxonomy/invalidate", peer=peer).status_code == 200
        for strict in serve(backends, TRUST_LOOPBACK="0"):
            assert strict.call("POST", "/taxonomy/invalidate", peer="127.0.0.1").status_code == 403

    @pytest.mark.parametrize("peer", ["203.0.113.9", "10.0.0.1", "", "localhost", "::ffff:10.0.0.1"])
    def test_nobody_else(self, api: Api, peer: str) -> None:
        answer = api.call("POST", "/taxonomy/invalidate", peer=peer, headers={"X-Forwarded-For": "127.0.0.1"})
        assert answer.status_code == 403
        assert set(answer.json) == {"error"}

    def test_the_internal_token_from_anywhere(self, api: Api) -> None:
        right = {"X-Internal-Token": accounts.INTERNAL_TOKEN}
        assert api.call("POST", "/taxonomy/invalidate", headers=right).status_code == 200
        assert api.call("POST", "/taxonomy/invalidate", headers=right, json={"event": "x"}).status_code == 200
        for wrong in ("", "x", accounts.INTERNAL_TOKEN[:-1], accounts.INTERNAL_TOKEN + "x", "é"):
            assert api.call("POST", "/taxonomy/invalidate", headers={"X-Internal-Token": wrong}).status_code == 403

    def test_no_token_set_means_that_none_is_right(self, backends: Backends) -> None:
        for api in serve(backends, INTERNAL_TOKEN=""):
            assert api.call("POST", "/taxonomy/invalidate", headers={"X-Internal-Token": ""}).status_code == 403

    def test_a_directus_token_is_not_internal(self, api: Api) -> None:
        assert api.call("POST", "/taxonomy/invalidate", accounts.ADMIN_TOKEN).status_code == 403


def test_what_the_real_one_would_say_about_the_same_tokens(backends: Backends, api: Api, user_id: str) -> None:
    """The stand-in accepts what we mint: the tests above would mean little otherwise."""
    answer = requests.get(f"{backends.directus}/users/me", headers={"Authorization": f"Bearer {mint(id=user_id)}"}, timeout=10)
    assert answer.json()["data"]["id"] == user_id
