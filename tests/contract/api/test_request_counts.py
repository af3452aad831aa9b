"""The number of Directus requests of jobs and of job status."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.api.test_media import drain_tickets
from tests.integration.conftest import make_clip
from tests.media import make_tools
from workers.runtime.runner import Runner

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.conftest import Api

READ, ASSET, FILE, CLOSE = "GET /items/media_jobs", "GET /assets", "POST /files", "PATCH /items/media_jobs"


@pytest.fixture
def asked(api: Api, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What mediaq has asked of Directus."""
    requests: list[str] = []
    call = api.services.directus._call

    def noted(method: str, path: str, **request: object) -> object:
        requests.append(f"{method} {'/'.join(path.split('/')[: 3 if path.startswith('/items') else 2])}")
        return call(method, path, **request)  # type: ignore[arg-type]

    monkeypatch.setattr(api.services.directus, "_call", noted)
    return requests


@pytest.mark.parametrize(("operation", "requests"), [("transcoding", 5), ("analysis", 4)])
def test_five_requests_a_job(api: Api, asked: list[str], tmp_path: Path, operation: str, requests: int) -> None:
    """One to enqueue it, one to start, one for the input, one for the output, one to close; progress apart, and the taxonomy."""
    clip = make_clip(tmp_path / "clip.mp4", 1, "160x120")
    token = api.backends.tokens["enterprise"]
    file_id = api.directus("POST", "/files", token, files={"file": ("clip.mp4", clip.read_bytes(), "video/mp4")})["id"]
    record = api.record(input_file_id=file_id)
    drain_tickets(api.services.tickets)
    assert api.services.taxonomy.terms()
    asked.clear()
    assert api.enqueue({"jobId": record, "operation": operation}).status_code == 200
    pool = "lambda" if operation == "analysis" else "container"
    [ticket] = api.services.tickets.receive(pool, wait_seconds=1)
    assert Runner(api.services.ledger, api.services.tickets, api.services.directus, make_tools(tmp_path)).handle(ticket)
    row = api.directus("GET", f"/items/media_jobs/{record}")
    assert row["status"] == "completed", row["error"]
    assert asked == [READ, CLOSE, ASSET, *([FILE] if row["output_file_id"] else []), CLOSE]
    assert len(asked) == requests
    if row["output_file_id"]:
        assert api.directus("GET", f"/files/{row['output_file_id']}")["uploaded_by"] == row["user_created"]


def test_usage_is_counted_at_once(api: Api, asked: list[str]) -> None:
    """All operations in one request, beside those for the caller and for the user's plan.

    What earlier jobs cost is read once, if the ledger does not go back to the beginning of the month.
    """
    _, token = api.new_user()
    for reads in (2, 1):
        asked.clear()
        assert api.call("GET", "/usage", token).status_code == 200
        assert sorted(asked) == [READ] * reads + ["GET /users"] * reads


def test_many_outputs_are_given_in_one_request(api: Api, asked: list[str], tmp_path: Path) -> None:
    """And the captions of all languages are looked up in one, before the job is enqueued."""
    clip = make_clip(tmp_path / "clip.mp4", 1, "160x120")
    token = api.backends.tokens["enterprise"]
    file_id = api.directus("POST", "/files", token, files={"file": ("clip.mp4", clip.read_bytes(), "video/mp4")})["id"]
    words = {"file": ("a.vtt", b"WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n", "text/vtt")}
    captions = {language: api.directus("POST", "/files", token, files=words)["id"] for language in ("en", "de")}
    record = api.record(input_file_id=file_id)
    drain_tickets(api.services.tickets)
    asked.clear()
    params = {"format": "hls", "preset": "ultrafast", "captions_file_ids": captions}
    assert api.enqueue({"jobId": record, "operation": "transcoding", "params": params}).status_code == 200
    assert asked == [READ, "GET /files"]
    [ticket] = api.services.tickets.receive("container", wait_seconds=1)
    assert Runner(api.services.ledger, api.services.tickets, api.services.directus, make_tools(tmp_path)).handle(ticket)
    row = api.directus("GET", f"/items/media_jobs/{record}")
    assert row["status"] == "completed", row["error"]
    outputs = row["result"]["outputs"]
    assert asked[2:] == [CLOSE, ASSET, ASSET, ASSET, *[FILE] * len(outputs), "PATCH /files", CLOSE]
    owners = {api.directus("GET", f"/files/{one['file_id']}")["uploaded_by"] for one in outputs}
    assert owners == {row["user_created"]}
