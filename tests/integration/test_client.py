"""The client with a running system."""

from __future__ import annotations

import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import mediaq
from tests.integration.conftest import QUICK, until
from workers.media import probe

if TYPE_CHECKING:
    from tests.integration.conftest import System


@pytest.fixture
def client(system: System) -> mediaq.Client:
    return mediaq.Client(f"{system.stack.url('api')}/api/queue", system.stack.url("directus"), system.token)


class TestClient:
    def test_a_clip_there_and_back(self, client: mediaq.Client, clip: Path, tmp_path: Path) -> None:
        readings: list[mediaq.Job] = []
        job_id = client.submit(clip, "transcoding", QUICK)
        job = client.wait(job_id, 60, every=0.1, watch=readings.append)
        assert job.state == "completed"
        assert [one.outcome for one in job.attempts] == ["completed"]
        assert set(job.stages) == {"fetch", "process", "upload"}
        assert any("process took" in line.text for line in job.log)
        saved = client.download(job.output_file_id, tmp_path / "out.mp4")
        assert probe.probe(saved).track("video").height == 144  # type: ignore[union-attr]
        assert [file.name for file in tmp_path.iterdir()] == ["out.mp4"]  # nothing half done

    def test_a_failure_is_an_exception_that_names_its_job(self, client: mediaq.Client, tmp_path: Path) -> None:
        (tmp_path / "words.mp4").write_text("no film")
        job_id = client.submit(tmp_path / "words.mp4", "thumbnail")
        with pytest.raises(mediaq.JobFailed) as failed:
            client.wait(job_id, 60, every=0.1)
        assert failed.value.job_id == job_id
        assert client.job(job_id).attempts[0].outcome == "failed"

    def test_it_waits_no_longer_than_told(self, client: mediaq.Client, clip: Path) -> None:
        job_id = client.submit(clip, "transcoding", QUICK, delay=3_600_000)
        with pytest.raises(TimeoutError, match="is still delayed after"):
            client.wait(job_id, 0.3, every=0.1)
        client.cancel(job_id)
        assert client.job(job_id).state == "cancelled"

    def test_going_through_all_jobs(self, client: mediaq.Client, clip: Path) -> None:
        file = client.upload(clip)
        made = {client.create_record("transcoding", file) for _ in range(3)}
        assert made <= {job.job_id for job in client.jobs(limit=2)}

    def test_a_repeated_enqueue_is_one_job(self, client: mediaq.Client, clip: Path) -> None:
        record = client.create_record("transcoding", client.upload(clip))
        assert client.enqueue(record, "transcoding", delay=600_000) == client.enqueue(record, "transcoding", delay=600_000)
        client.cancel(record)

    def test_a_record_whose_answer_was_lost_is_made_once(self, client: mediaq.Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("mediaq.client.uuid.uuid4", lambda: "6f1d8ae1-51b2-4c2b-9c6f-000000000001")
        assert client.create_record("transcoding") == client.create_record("transcoding")

    def test_what_was_made_before_it_broke_off_is_not_lost(
        self, client: mediaq.Client, system: System, clip: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answered = client.quote("transcoding", clip, QUICK)
        monkeypatch.setattr(client, "quote", lambda *_, **__: answered)  # the API is unreachable after the quote
        monkeypatch.setattr(client, "_api", "http://127.0.0.1:1")
        with pytest.raises(mediaq.Unreachable) as broken:
            client.submit(clip, "transcoding", QUICK)
        monkeypatch.undo()
        made = broken.value
        assert system.app.record(str(made.job_id))["input_file_id"] == made.file_id
        assert client.submit(made.file_id, "transcoding", QUICK, record=made.job_id) == made.job_id
        assert client.wait(str(made.job_id), 60, every=0.1).state == "completed"

    def test_what_would_be_refused_is_not_uploaded(
        self, client: mediaq.Client, clip: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(client, "upload", lambda *_: pytest.fail("uploaded"))
        with pytest.raises(mediaq.ApiError, match=r"params\.preset must be one of") as refused:
            client.submit(clip, "transcoding", {"preset": "web-9000p"})
        assert (refused.value.status, refused.value.file_id, refused.value.job_id) == (400, None, None)
        with pytest.raises(mediaq.Unreachable):
            mediaq.Client("http://127.0.0.1:1/api/queue", "http://127.0.0.1:1", "t").submit(clip, "transcoding")

    def test_a_quote_of_a_file_of_its_description_and_of_nothing(self, client: mediaq.Client, clip: Path) -> None:
        about = {"duration": 2, "resolution": "320x240"}
        quotes = [
            client.quote("transcoding", clip, QUICK),
            client.quote("transcoding", clip, QUICK, about=about),
            client.quote("analysis", about={"fps": 25}),
        ]
        assert [one["accepted"] for one in quotes] == [True] * 3
        assert [one["based_on"] for one in quotes] == ["size", "input", "operation"]

    def test_what_is_no_input_is_said(self, client: mediaq.Client) -> None:
        with pytest.raises(mediaq.MediaqError, match=r"nowhere\.mov is no file, no http or https address"):
            client.submit("nowhere.mov", "transcoding")

    def test_a_missing_token_is_said_where_one_is_needed(self, system: System, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("MEDIAQ_TOKEN", raising=False)
        anybody = mediaq.Client(f"{system.stack.url('api')}/api/queue", system.stack.url("directus"))
        assert anybody.stats()["ok"] is True
        assert anybody.health()["ok"] is True
        assert len(anybody.pools()) == 2
        for call in (anybody.usage, partial(anybody.job, "x"), partial(anybody.upload, __file__)):
            with pytest.raises(mediaq.MediaqError, match="set MEDIAQ_TOKEN"):
                call()


class TestCallback:
    def test_a_receiver_verifies_it(self, client: mediaq.Client, system: System, clip: Path) -> None:
        """The whole way: a worker delivers what the client's helper accepts."""
        secret, came = client.callback_secret(), []

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                came.append(mediaq.verify(body, self.headers["Mediaq-Signature"], secret))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        worker = system.worker("caller", FETCH_ALLOW=f"127.0.0.1:{server.server_port}")
        system.stack.processes["worker"].stop()  # the other one may not call this machine
        try:
            job_id = client.submit(clip, "transcoding", QUICK, callback_url=f"http://127.0.0.1:{server.server_port}/done")
            until(lambda: came, 60, "the callback")
            assert (came[0]["type"], came[0]["job"]["jobId"]) == ("job.completed", job_id)
            assert came[0]["job"]["output_file_id"] == client.job(job_id).output_file_id

            def told() -> bool:
                callback = client.job(job_id).callback
                return callback is not None and callback.state == "delivered"

            until(told, 10, "the job says so")
        finally:
            system.stack.processes["worker"].start()
            worker.stop()
            server.shutdown()
            server.server_close()
