"""Enqueueing each operation: parameters, presets, inputs, connections and pools."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.domain.jobs import LAMBDA_INPUT_MAX_BYTES, OPERATIONS
from chalicelib.domain.validation import validate
from chalicelib.errors import JobCancelled, JobStopped, MediaRejected
from infra.local.directus import accounts
from infra.local.processes import ROOT
from tests.contract.api.test_media import drain_tickets
from tests.media import make_tools
from workers.attempt.inputs import Inputs
from workers.network.allowed_addresses import split
from workers.network.authorization import Authorization
from workers.network.credentials import Keyring
from workers.network.fetch import Fetched, Fetcher

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.domain.jobs import MediaJob
    from chalicelib.ledger.scripts import Scripts
    from tests.contract.conftest import Api, Backends

URL = "https://example.com/clip.mp4"


def enqueued(api: Api, operation: str, pool: str, **values: Any) -> MediaJob:
    """Enqueue and return the envelope that went out as a ticket."""
    drain_tickets(api.services.tickets)
    record = api.record(**{"operation": operation, **values.pop("record", {})})
    answer = api.enqueue({"jobId": record, "operation": operation, **values})
    assert answer.status_code == 200, answer.json
    [ticket] = api.services.tickets.receive(pool, wait_seconds=1)
    api.services.tickets.delete(ticket)
    assert ticket.job is not None
    return ticket.job


@pytest.mark.parametrize("operation", ["thumbnail", "upload", "analysis"])
def test_short_work_goes_to_lambdas_unless_it_is_large(api: Api, operation: str) -> None:
    assert enqueued(api, operation, "lambda").operation == operation
    large = api.file()
    api.directus("PATCH", f"/files/{large}", json={"filesize": LAMBDA_INPUT_MAX_BYTES + 1})
    assert enqueued(api, operation, "container", input_file_id=large).input_file_id == large
    assert enqueued(api, operation, "container", input_url=URL).input_url == URL


@pytest.mark.parametrize("operation", ["transcoding", "caption_generation"])
def test_long_work_goes_to_containers(api: Api, operation: str) -> None:
    assert enqueued(api, operation, "container").operation == operation


def test_a_download_fetches_an_address_whatever_file_the_record_has(api: Api) -> None:
    job = enqueued(api, "download", "container", input_url=URL, input_file_id=api.file())
    assert (job.input_url, job.input_file_id) == (URL, None)
    assert enqueued(api, "download", "container", record={"input_url": URL}).input_url == URL


def test_a_download_of_a_file_says_what_it_wants(api: Api) -> None:
    answer = api.enqueue({"jobId": api.record(operation="download"), "operation": "download"})
    assert answer.status_code == 400
    assert answer.json == {"error": "input_url is required: download fetches an address, not a file of Directus"}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_wrong_parameter_is_a_400_and_not_a_failed_job(api: Api, operation: str) -> None:
    answer = api.enqueue({"jobId": api.record(), "operation": operation, "params": {"surprise": 1}})
    assert answer.status_code == 400
    assert answer.json["error"].startswith("params.surprise is not a parameter; it must be one of ")


class TestPresets:
    def test_a_named_preset_is_spelled_out_in_the_ticket(self, api: Api) -> None:
        job = enqueued(api, "transcoding", "container", params={"preset": "web-720p", "fps": 30})
        assert (job.params["resolution"], job.params["codec"], job.params["fps"]) == ("720p", "h264", 30)

    def test_an_unknown_one(self, api: Api) -> None:
        answer = api.enqueue({"jobId": api.record(), "operation": "transcoding", "params": {"preset": "web-9p"}})
        assert answer.status_code == 400
        assert answer.json["error"].startswith("params.preset must be one of ultrafast")

    def test_an_operator_s_own(self, backends: Backends, scripts: Scripts, tmp_path: Path) -> None:
        from tests.contract.conftest import serve

        (tmp_path / "own.json").write_text('{"archive": {"format": "mkv", "codec": "av1"}}')
        for api in serve(backends, PRESETS_FILE=str(tmp_path / "own.json")):
            assert enqueued(api, "transcoding", "container", params={"preset": "archive"}).params["codec"] == "av1"


class TestConnections:
    def connection(self, api: Api, tier: str) -> str:
        row = api.directus("POST", "/items/platform_connections", json={"platform": "x", "credentials": "token"})
        api.directus("PATCH", f"/items/platform_connections/{row['id']}", json={"user_created": api.user_id(tier)})
        return str(row["id"])

    def test_one_s_own(self, api: Api) -> None:
        own = self.connection(api, "enterprise")
        assert enqueued(api, "download", "container", input_url=URL, creator_profile_id=own).creator_profile_id == own

    @pytest.mark.parametrize("operation", ["download", "upload"])
    def test_somebody_else_s_and_none_at_all_look_the_same(self, api: Api, operation: str) -> None:
        for connection in (self.connection(api, "pro"), str(uuid.uuid4())):
            body = {"jobId": api.record(), "operation": operation, "input_url": URL, "creator_profile_id": connection}
            answer = api.enqueue(body)
            assert (answer.status_code, answer.json) == (
                404,
                {"error": "creator_profile_id must be the id of one of your platform_connections"},
            )

    def test_the_worker_looks_again(self, api: Api, tmp_path: Path) -> None:
        """Between the call and the run a connection may have been changed, or given to somebody else."""
        token = Keyring([accounts.CREDENTIALS_KEY]).encrypt({"Authorization": "Bearer secret"})
        own = self.connection(api, "enterprise")
        job = enqueued(api, "download", "container", input_url=URL, creator_profile_id=own)
        tools = make_tools(tmp_path, keyring=Keyring([accounts.CREDENTIALS_KEY]))
        inputs = Inputs(job, None, api.services.directus, tools)  # type: ignore[arg-type] - no lease is needed to read them
        with pytest.raises(MediaRejected, match="an unknown key"):
            inputs.authorization()
        api.directus("PATCH", f"/items/platform_connections/{own}", json={"credentials": token})
        opened = inputs.authorization()
        assert opened is not None
        assert opened.apply(split(URL, "input_url"), "GET")[0] == {"Authorization": "Bearer secret"}
        api.directus("PATCH", f"/items/platform_connections/{own}", json={"user_created": api.user_id("pro")})
        with pytest.raises(MediaRejected, match="names no credential of the user"):
            inputs.authorization()

    @pytest.mark.parametrize(
        ("error", "status"), [(None, "ok"), (JobCancelled("Cancelled"), "stopped"), (MediaRejected("too large"), "too large")]
    )
    def test_what_came_of_its_use_is_stored(self, api: Api, tmp_path: Path, error: Exception | None, status: str) -> None:
        own = self.connection(api, "enterprise")
        job = enqueued(api, "download", "container", input_url=URL, creator_profile_id=own)
        inputs = Inputs(job, None, api.services.directus, make_tools(tmp_path))  # type: ignore[arg-type] - no lease is needed
        used = Authorization.of_headers({"X": "y"})
        with suppress(JobStopped), inputs.noting_use(used):
            used.apply(split(URL, "input_url"), "GET")
            if error is not None:
                raise error
        assert api.directus("GET", f"/items/platform_connections/{own}")["last_status"] == status

    def test_an_operation_that_uses_none_does_not_look(self, api: Api) -> None:
        note = str(uuid.uuid4())
        assert enqueued(api, "transcoding", "container", creator_profile_id=note).creator_profile_id == note


class TestCaptions:
    def test_they_must_be_the_owner_s(self, api: Api) -> None:
        own = enqueued(api, "transcoding", "container", params={"captions_file_id": api.file()})
        assert own.params["captions_file_id"]
        for file in (api.file("pro"), str(uuid.uuid4())):
            body = {"jobId": api.record(), "operation": "transcoding", "params": {"captions_file_id": file}}
            answer = api.enqueue(body)
            assert (answer.status_code, answer.json) == (
                404,
                {"error": "params.captions_file_id must be the id of one of your files"},
            )

    def test_those_of_every_language_must_be(self, api: Api) -> None:
        own = {"format": "hls", "captions_file_ids": {"en": api.file(), "de": api.file()}}
        assert enqueued(api, "transcoding", "container", params=own).params == own
        for file in (api.file("pro"), str(uuid.uuid4())):
            params = {"format": "hls", "captions_file_ids": {"en": own["captions_file_ids"]["en"], "de": file}}
            answer = api.enqueue({"jobId": api.record(), "operation": "transcoding", "params": params})
            assert (answer.status_code, answer.json) == (
                404,
                {"error": "params.captions_file_ids.de must be the id of one of your files"},
            )

    def test_the_worker_reads_them(self, api: Api, tmp_path: Path) -> None:
        files = {"file": ("a.vtt", b"WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n", "text/vtt")}
        good = api.directus("POST", "/files", api.backends.tokens["enterprise"], files=files)["id"]
        job = enqueued(api, "transcoding", "container", params={"captions_file_id": good})
        inputs = Inputs(job, None, api.services.directus, make_tools(tmp_path))  # type: ignore[arg-type] - no lease is needed

        def captions(file_id: str) -> Any:
            return inputs.captions(validate({"captions_file_id": file_id}, OPERATIONS["transcoding"].params))

        assert [cue.lines for cue in captions(good).cues] == [("Hello",)]
        assert inputs.captions(validate({}, OPERATIONS["transcoding"].params)) is None
        with pytest.raises(MediaRejected, match="captions_file_id: The captions are neither"):
            captions(api.file())
        with pytest.raises(MediaRejected, match="names a file that is gone"):
            captions(str(uuid.uuid4()))
        several = validate({"format": "hls", "captions_file_ids": {"en": good}}, OPERATIONS["transcoding"].params)
        assert [cue.lines for cue in inputs.captions_by_language(several)["en"].cues] == [("Hello",)]
        gone = validate({"format": "hls", "captions_file_ids": {"de": str(uuid.uuid4())}}, OPERATIONS["transcoding"].params)
        with pytest.raises(MediaRejected, match=r"captions_file_ids\.de names a file that is gone"):
            inputs.captions_by_language(gone)


@pytest.mark.parametrize(
    ("operation", "params", "bounds"),
    [
        ("download", {}, (8 << 30, 3600)),
        ("download", {"max_bytes": 5, "max_seconds": 7}, (5, 7)),
        ("analysis", {}, (32 << 30, 5000)),
    ],
)
def test_what_a_download_may_take(
    api: Api, tmp_path: Path, operation: str, params: dict[str, Any], bounds: tuple[int, float]
) -> None:
    """The defaults of the parameters hold when the caller says nothing; credentials go with a download alone."""
    job = enqueued(api, operation, "container", input_url=URL, params=params)
    asked: dict[str, Any] = {}

    class Noting(Fetcher):
        def download(self, url: str, target: Path, **options: Any) -> Fetched:
            asked.update(options)
            return Fetched(3, "", "clip.mp4", "example.com")

    lease: Any = SimpleNamespace(check=lambda: None, seconds_left=5000)
    inputs = Inputs(job, lease, api.services.directus, make_tools(tmp_path, fetcher=Noting()))
    record = api.services.directus.read_job(job.job_id)
    assert record is not None
    checked = validate(job.params, OPERATIONS[operation].params)
    inputs.fetch(
        tmp_path / "input",
        record,
        params=checked,
        authorization=Authorization.of_headers({"X": "y"}),
        arrived=lambda got, whole: None,
    )
    assert (asked["max_bytes"], asked["seconds"]) == bounds
    assert (asked["authorization"] is not None) == (operation == "download")


def test_a_wrong_preset_stops_the_api_when_it_starts(backends: Backends, tmp_path: Path) -> None:
    (tmp_path / "own.json").write_text('{"tiny": {"format": "mp4", "crf": 99}}')
    environment = {**os.environ, **backends.environment, "PRESETS_FILE": str(tmp_path / "own.json")}
    command = [sys.executable, "-m", "infra.local.gateway", "--port", "1"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "mediaq API: PRESETS_FILE: tiny.crf must be an integer from 0 to 63" in done.stderr
