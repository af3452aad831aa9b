"""The client and the command `mediaq` against a running system, as a user has them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

import mediaq
from infra.local import accounts
from infra.local.demo import client_environment
from mediaq.cli import AWAY, FAILED, INTERRUPTED, REFUSED, USAGE
from tests.integration.conftest import QUICK, SLOW, make_clip, until
from workers import probe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.conftest import System

COMMAND = Path(sys.executable).with_name("mediaq")


@pytest.fixture
def client(system: System) -> mediaq.Client:
    return mediaq.Client(f"{system.stack.url('api')}/api/queue", system.stack.url("directus"), system.token)


@pytest.fixture
def environment(system: System, tmp_path: Path) -> dict[str, str]:
    given = {name: value for name, value in os.environ.items() if not name.startswith("MEDIAQ_")}
    return {**given, **client_environment(system.stack.url("api"), system.stack.url("directus"), system.token)}


def run(environment: dict[str, str], folder: Path, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments], cwd=folder, env=environment | changes, capture_output=True, text=True, timeout=120, check=False
    )


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
        assert probe.probe(saved).first("video").height == 144  # type: ignore[union-attr]
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

    def test_what_is_no_input_is_said(self, client: mediaq.Client) -> None:
        with pytest.raises(mediaq.MediaqError, match=r"nowhere\.mov is no file, no http or https address"):
            client.submit("nowhere.mov", "transcoding")

    def test_no_token_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("MEDIAQ_TOKEN", raising=False)
        with pytest.raises(mediaq.MediaqError, match="set MEDIAQ_TOKEN"):
            mediaq.Client()


class Flaky(BaseHTTPRequestHandler):
    """A server that is away for the first answers."""

    bad: ClassVar[int] = 0
    seen: ClassVar[list[str]] = []

    lost: ClassVar[int] = 0

    def do_GET(self) -> None:
        self.seen.append(self.path)
        self.authorizations.append(self.headers["Authorization"])
        if len(self.seen) <= self.lost:
            self.close_connection = True
            return
        away = len(self.seen) <= self.bad
        body = self.says if not away else b'{"ok":false,"error":"Redis connection refused"}'
        self.send_response(503 if away else 200)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(body) + self.cut))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    says: ClassVar[bytes] = b'{"ok":true,"stats":{},"bullJobId":"x"}'
    cut: ClassVar[int] = 0
    authorizations: ClassVar[list[str]] = []

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def flaky() -> Iterator[mediaq.Client]:
    Flaky.seen.clear()
    Flaky.authorizations.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Flaky)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    yield mediaq.Client(url, url, token="t")
    server.shutdown()
    server.server_close()


class TestRepeating:
    def test_a_short_absence_is_not_noticed(self, flaky: mediaq.Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Flaky, "bad", 3)
        assert flaky.stats()["ok"] is True
        assert len(Flaky.seen) == 4

    def test_a_lost_answer_is_asked_for_again_where_that_changes_nothing(
        self, flaky: mediaq.Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Flaky, "lost", 2)
        assert flaky.enqueue("a", "thumbnail") == "x"
        assert len(Flaky.seen) == 3

    def test_and_only_there(self, flaky: mediaq.Client, monkeypatch: pytest.MonkeyPatch) -> None:
        """A retry whose answer was lost may have run, and failed, already."""
        monkeypatch.setattr(Flaky, "lost", 2)
        with pytest.raises(mediaq.Unreachable):
            flaky.retry("a")
        assert len(Flaky.seen) == 1

    def test_an_upload_is_made_once(self, flaky: mediaq.Client, monkeypatch: pytest.MonkeyPatch, clip: Path) -> None:
        monkeypatch.setattr(Flaky, "bad", 1)
        with pytest.raises(mediaq.Unreachable):
            flaky.upload(clip)
        assert len(Flaky.seen) == 1

    def test_health_says_what_is_away(self, flaky: mediaq.Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Flaky, "bad", 99)
        assert flaky.health()["ok"] is False
        assert len(Flaky.seen) == 1

    def test_a_download_is_there_whole_or_not_at_all(
        self, flaky: mediaq.Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(Flaky, "cut", 10)
        with pytest.raises(mediaq.Unreachable, match="broke off"):
            flaky.download("f", tmp_path / "out.mp4")
        assert list(tmp_path.iterdir()) == []

    def test_what_is_no_json_is_said(self, flaky: mediaq.Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Flaky, "says", b"<html>")
        with pytest.raises(mediaq.MediaqError, match="is it the address of the API"):
            flaky.stats()

    def test_a_netrc_is_not_taken_for_the_token(
        self, flaky: mediaq.Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "netrc").write_text("default login somebody password secret")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        flaky.stats()
        assert Flaky.authorizations == ["Bearer t"]

    def test_what_was_made_before_it_broke_off_is_not_lost(
        self, client: mediaq.Client, system: System, clip: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(client, "_api", "http://127.0.0.1:1")
        with pytest.raises(mediaq.Unreachable) as broken:
            client.submit(clip, "transcoding", QUICK)
        monkeypatch.undo()
        made = broken.value
        assert system.app.record(str(made.job_id))["input_file_id"] == made.file_id
        assert client.submit(made.file_id, "transcoding", QUICK, record=made.job_id) == made.job_id
        assert client.wait(str(made.job_id), 60, every=0.1).state == "completed"

    def test_a_long_one_is_said(self, flaky: mediaq.Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Flaky, "bad", 99)
        with pytest.raises(mediaq.Unreachable, match="is away: Redis connection refused; try again later"):
            flaky.stats()


class TestCommand:
    def test_submit_and_watch(self, environment: dict[str, str], clip: Path, tmp_path: Path) -> None:
        arguments = ["submit", str(clip), "-o", "transcoding", "--preset", "web-480p", "-p", "resolution=144p", "--watch"]
        done = run(environment, tmp_path, *arguments)
        assert done.returncode == 0, done.stderr
        assert "100 %  completed" in done.stderr
        saved = tmp_path / "clip-transcoding.mp4"
        assert done.stdout == "output      clip-transcoding.mp4\n"
        assert probe.probe(saved).first("video").height == 144  # type: ignore[union-attr]
        done = run(environment, tmp_path, *arguments, "--json")
        assert json.loads(done.stdout)["saved"] == "clip-transcoding-2.mp4"  # nothing is written over

    def test_one_job_by_every_command(self, environment: dict[str, str], clip: Path, tmp_path: Path) -> None:
        job_id = run(environment, tmp_path, "submit", str(clip), "-o", "transcoding", "--delay", "600000").stdout.strip()
        assert f"job         {job_id}" in run(environment, tmp_path, "status", job_id).stdout
        assert json.loads(run(environment, tmp_path, "status", job_id, "--json").stdout)["state"] == "delayed"
        listed = run(environment, tmp_path, "list", "--state", "delayed", "--json").stdout.splitlines()
        assert job_id in [json.loads(line)["jobId"] for line in listed]
        assert job_id in run(environment, tmp_path, "list", "--search", job_id).stdout
        assert run(environment, tmp_path, "cancel", job_id).stdout == f"{job_id}: cancelled\n"
        assert run(environment, tmp_path, "retry", job_id).stdout == f"{job_id}: will run again\n"
        run(environment, tmp_path, "status", job_id, "--watch")
        done = run(environment, tmp_path, "download", job_id, "--output", "mine.mp4")
        assert (done.returncode, (tmp_path / "mine.mp4").exists()) == (0, True)

    def test_what_is_left_and_what_there_is(self, environment: dict[str, str], tmp_path: Path) -> None:
        assert "plan enterprise" in run(environment, tmp_path, "usage").stdout
        assert json.loads(run(environment, tmp_path, "usage", "--json").stdout)["tier"] == "enterprise"
        assert run(environment, tmp_path, "stats").stdout.startswith("waiting ")
        assert run(environment, tmp_path, "callback-secret").stdout.startswith("whsec_")

    def test_stats_again_and_again(self, environment: dict[str, str], tmp_path: Path) -> None:
        command = [COMMAND, "stats", "--watch", "--json"]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as watching:
            assert watching.stdout is not None
            lines = [json.loads(watching.stdout.readline()) for _ in range(2)]
            watching.send_signal(2)
            assert watching.wait(10) == INTERRUPTED
        assert all(line["ok"] for line in lines)

    def test_the_administrators(self, environment: dict[str, str], system: System, clip: Path, tmp_path: Path) -> None:
        admin = {"MEDIAQ_TOKEN": accounts.ADMIN_TOKEN}
        assert run(environment, tmp_path, "admin", "pause", "lambda").returncode == REFUSED
        assert run(environment, tmp_path, "admin", "pause", "lambda", **admin).stdout == "lambda is paused\n"
        assert "lambda" in run(environment, tmp_path, "admin", "pools", **admin).stdout
        assert run(environment, tmp_path, "admin", "resume", "lambda", **admin).stdout == "lambda goes on\n"
        mark = f"bad luck {time.time()}"
        failed = system.app.create_record("transcoding", system.app.upload(clip), params=QUICK)
        system.admin("PATCH", f"/items/media_jobs/{failed}", json={"status": "failed", "error": mark})
        redrive = ["admin", "redrive", "--search", mark]
        assert run(environment, tmp_path, *redrive, "--dry-run", **admin).stdout == f"{failed}: would run again\n"
        assert run(environment, tmp_path, *redrive, **admin).stdout == f"{failed}: will run again\n"
        assert system.app.wait(failed, 60)["status"] == "completed"

    def test_a_credential_is_encrypted_for_the_workers(self, environment: dict[str, str], tmp_path: Path) -> None:
        from workers.credentials import Keyring

        headers = '{"Authorization": "Bearer x"}'
        given = environment | {"CREDENTIALS_KEYS": accounts.CREDENTIALS_KEY}
        root = Path(__file__).parents[2]
        done = subprocess.run(
            [COMMAND, "admin", "encrypt"], cwd=root, env=given, input=headers, capture_output=True, text=True, check=True
        )  # fmt: skip
        assert Keyring([accounts.CREDENTIALS_KEY]).decrypt(done.stdout.strip()) == json.loads(headers)

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_completion(self, environment: dict[str, str], tmp_path: Path, shell: str) -> None:
        assert "_MEDIAQ_COMPLETE" in run(environment, tmp_path, "completion", shell).stdout

    def test_completion_completes(self, environment: dict[str, str], tmp_path: Path) -> None:
        asked = {"_MEDIAQ_COMPLETE": "bash_complete", "COMP_WORDS": "mediaq list --state ", "COMP_CWORD": "3"}
        assert "plain,completed" in run(environment, tmp_path, **asked).stdout
        asked = {"_MEDIAQ_COMPLETE": "bash_complete", "COMP_WORDS": "mediaq submit ", "COMP_CWORD": "2"}
        assert run(environment, tmp_path, **asked).stdout.startswith("file,")

    def test_help_needs_nothing(self, tmp_path: Path) -> None:
        for arguments in ([], ["submit"], ["admin"], ["admin", "redrive"]):
            done = run({"PATH": os.environ["PATH"]}, tmp_path, *arguments, "--help")
            assert (done.returncode, done.stdout[:13]) == (0, "Usage: mediaq")


class TestExitCodes:
    def test_a_job_that_failed(self, environment: dict[str, str], tmp_path: Path) -> None:
        (tmp_path / "words.mp4").write_text("no film")
        done = run(environment, tmp_path, "submit", "words.mp4", "-o", "thumbnail", "--watch")
        assert done.returncode == FAILED
        assert "shows its log" in done.stderr

    def test_wrong_arguments(self, environment: dict[str, str], tmp_path: Path) -> None:
        for arguments in (
            ["submit", "nowhere.mov", "-o", "transcoding"],
            ["submit", "x", "-o", "theft"],
            ["submit", "https://example.com/x", "-o", "transcoding", "--params", "{"],
            ["submit", "https://example.com/x", "-o", "transcoding", "-p", "crf"],
            ["nonsense"],
        ):
            assert run(environment, tmp_path, *arguments).returncode == USAGE, arguments

    def test_a_refusal_says_what_to_do(self, environment: dict[str, str], tmp_path: Path) -> None:
        done = run(environment, tmp_path, "list", MEDIAQ_TOKEN="nonsense")
        assert done.returncode == REFUSED
        assert "set MEDIAQ_TOKEN to a Directus token that is still good" in done.stderr
        done = run(environment, tmp_path, "status", "6f1d8ae1-51b2-4c2b-9c6f-0123456789ab")
        assert done.returncode == REFUSED
        assert "`mediaq list` shows your jobs" in done.stderr

    def test_no_place_for_the_result_is_said_before_the_work(
        self, environment: dict[str, str], clip: Path, tmp_path: Path
    ) -> None:
        for output in ("nowhere/out.mp4", str(tmp_path)):
            done = run(environment, tmp_path, "submit", str(clip), "-o", "thumbnail", "--watch", "--output", output)
            assert done.returncode == USAGE
            assert "must be a file in a folder that exists" in done.stderr

    def test_what_others_wrote_does_not_steer_the_terminal(
        self, environment: dict[str, str], system: System, tmp_path: Path
    ) -> None:
        job_id = system.app.create_record("transcoding", None)
        system.admin("PATCH", f"/items/media_jobs/{job_id}", json={"status": "failed", "error": "\x1b[2J\nFAKE  LINE"})
        for arguments in (["list", "--search", job_id], ["status", job_id]):
            done = run(environment, tmp_path, *arguments)
            assert done.returncode == 0
            assert "\x1b[2J" not in done.stdout
            assert "\\x1b[2J\\nFAKE" in done.stdout

    def test_a_server_that_is_away(self, environment: dict[str, str], tmp_path: Path) -> None:
        done = run(environment, tmp_path, "stats", MEDIAQ_API="http://127.0.0.1:1")
        assert done.returncode == AWAY
        assert done.stderr == "mediaq: http://127.0.0.1:1 cannot be reached: no connection; try again later\n"

    def test_some_of_several(self, environment: dict[str, str], clip: Path, tmp_path: Path) -> None:
        job_id = run(environment, tmp_path, "submit", str(clip), "-o", "transcoding", "--delay", "600000").stdout.strip()
        done = run(environment, tmp_path, "cancel", "6f1d8ae1-51b2-4c2b-9c6f-0123456789ab", job_id)
        assert done.returncode == FAILED
        assert done.stdout.endswith(f"{job_id}: cancelled\n")


def test_the_bar_moves_in_place_on_a_terminal(environment: dict[str, str], tmp_path: Path) -> None:
    film = make_clip(tmp_path / "film.mp4", 10, "640x360")
    leader, follower = pty.openpty()
    arguments = ["submit", str(film), "-o", "transcoding", "--params", json.dumps(SLOW), "--watch"]
    running = subprocess.Popen([COMMAND, *arguments], cwd=tmp_path, env=environment, stdout=follower, stderr=follower)
    os.close(follower)
    seen = b""

    def over() -> bool:
        nonlocal seen
        try:
            seen += os.read(leader, 4096)
        except OSError:  # it has ended
            return True
        return False

    until(over, 120, "the job is over")
    assert running.wait(10) == 0
    assert seen.count(b"\r\x1b[K  [") >= 3
    assert b"100 %  completed" in seen


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
        threading.Thread(target=server.serve_forever, daemon=True).start()
        worker = system.worker("caller", FETCH_ALLOW=f"127.0.0.1:{server.server_port}")
        system.stack.parts["worker"].stop()  # the other one may not call this machine
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
            system.stack.parts["worker"].start()
            worker.stop()
            server.shutdown()
            server.server_close()
