"""Errors of the framework have the published shape and leak nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib.errors import ApiError, LedgerUnavailable

if TYPE_CHECKING:
    from tests.contract.conftest import Api


@pytest.mark.parametrize("path", ["/nothing", "", "/media/x", "/stats/../secret", "/%2e%2e", "/stats\0"])
@pytest.mark.parametrize("token", [None, "abc", "é"])
def test_not_found(api: Api, path: str, token: str | None) -> None:
    answer = api.call("GET", path, token)
    assert (answer.status_code, answer.json) == (404, {"error": "There is no such endpoint"})


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/media"), ("DELETE", "/media"), ("POST", "/stats"), ("PUT", "/taxonomy/invalidate")]
)
def test_method_not_allowed(api: Api, method: str, path: str) -> None:
    answer = api.call(method, path)
    assert (answer.status_code, answer.json) == (405, {"error": "This endpoint does not take that method"})
    assert answer.headers["Allow"]


def test_unsupported_media_type(api: Api) -> None:
    answer = api.call("POST", "/media", api.backends.tokens["pro"], data="jobId=1", content_type="text/plain")
    assert (answer.status_code, answer.json) == (415, {"error": "Content-Type must be application/json"})


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON"])
def test_json_by_any_spelling(api: Api, content_type: str) -> None:
    answer = api.call("POST", "/media", api.backends.tokens["pro"], data="{}", content_type=content_type)
    assert answer.status_code == 400


def test_a_bug_shows_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug() -> None:
        raise RuntimeError("secret internals at redis://user:password@10.0.0.5")

    monkeypatch.setattr(api.services.ledger, "stats", bug)
    answer = api.call("GET", "/stats")
    assert (answer.status_code, answer.json) == (500, {"error": "An internal error occurred; it has been logged"})


def test_answers_are_not_cached_nor_sniffed(api: Api) -> None:
    for answer in (api.call("GET", "/pools"), api.call("GET", "/nothing"), api.call("POST", "/media")):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(("path", "seconds"), [("/stats", 1), ("/trend", 10), ("/openapi.json", 300)])
def test_public_answers_may_be_used_again_for_some_seconds(path: str, seconds: int, api: Api) -> None:
    assert api.call("GET", path).headers["Cache-Control"] == f"public, max-age={seconds}"


def test_an_error_is_not_cached(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable() -> None:
        raise LedgerUnavailable("unreachable")

    monkeypatch.setattr(api.services.ledger, "stats", unreachable)
    answer = api.call("GET", "/stats")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (503, "no-store")


def test_every_api_error_has_an_error_text() -> None:
    def leaves(kind: type[ApiError]) -> list[type[ApiError]]:
        return [kind] + [leaf for sub in kind.__subclasses__() for leaf in leaves(sub)]

    for kind in leaves(ApiError):
        assert 400 <= kind.status <= 599
