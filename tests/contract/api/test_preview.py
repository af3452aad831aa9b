"""`GET /queue/jobs/{jobId}/picture`: only files that the job made."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.directus import accounts

if TYPE_CHECKING:
    from tests.contract.conftest import Api

PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")


def stored(api: Api, title: str, data: bytes = PIXEL, mime: str = "image/png", token: str = accounts.SERVICE_TOKEN) -> str:
    return str(api.directus("POST", "/files", token, data={"title": title}, files={"file": ("p.png", data, mime)})["id"])


def job(api: Api, file_id: Any, mime: str = "image/png", job_id: str = "") -> str:
    job_id = job_id or api.record(operation="thumbnail")
    result = {"outputs": [{"file_id": file_id, "type": mime}]}
    api.directus("PATCH", f"/items/media_jobs/{job_id}", json={"status": "completed", "result": result})
    return job_id


def test_its_own(api: Api) -> None:
    job_id = api.record(operation="thumbnail")
    job(api, stored(api, f"{job_id}/picture.png"), job_id=job_id)
    answer = api.call("GET", f"/jobs/{job_id}/picture", api.backends.tokens["enterprise"])
    assert answer.json == {"ok": True, "type": "image/png", "data": base64.b64encode(PIXEL).decode()}
    assert api.call("GET", f"/jobs/{job_id}/picture", accounts.ADMIN_TOKEN).status_code == 200
    assert api.call("GET", f"/jobs/{job_id}/picture", api.backends.tokens["pro"]).status_code == 404
    assert api.call("GET", f"/jobs/{job_id}/picture").status_code == 401


def test_a_file_of_somebody_else_that_an_owner_named(api: Api) -> None:
    theirs = api.record("pro", operation="thumbnail")
    for title in (f"{theirs}/picture.png", "holiday"):
        mine = job(api, stored(api, title))
        assert api.call("GET", f"/jobs/{mine}/picture", api.backends.tokens["enterprise"]).status_code == 404


def test_what_may_hold_a_script_is_no_picture(api: Api) -> None:
    job_id = api.record(operation="thumbnail")
    drawing = stored(api, f"{job_id}/picture.svg", b"<svg/>", "image/svg+xml")
    for mime in ("image/svg+xml", "image/png"):
        job(api, drawing, mime, job_id)
        assert api.call("GET", f"/jobs/{job_id}/picture", api.backends.tokens["enterprise"]).status_code == 404


def test_one_that_is_too_large(api: Api) -> None:
    job_id = api.record(operation="thumbnail")
    job(api, stored(api, f"{job_id}/picture.png", b"x" * (3 << 20)), job_id=job_id)
    answer = api.call("GET", f"/jobs/{job_id}/picture", api.backends.tokens["enterprise"])
    assert (answer.status_code, answer.json["error"]) == (404, "The picture that the job made is too large to be shown")


@pytest.mark.parametrize("named", ["not an id", 7, None, {"x": 1}])
def test_what_is_no_file_at_all(api: Api, named: Any) -> None:
    answer = api.call("GET", f"/jobs/{job(api, named)}/picture", api.backends.tokens["enterprise"])
    assert answer.status_code == 404
