"""The command `mediaq` with a running system."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.local.demo import client_environment
from infra.local.directus import accounts
from mediaq.cli import AWAY, FAILED, INTERRUPTED, REFUSED, USAGE
from tests.integration.conftest import QUICK, SLOW, make_clip, until
from workers.media import probe

if TYPE_CHECKING:
    from tests.integration.conftest import System

COMMAND = Path(sys.executable).with_name("mediaq")


@pytest.fixture
def environment(system: System, tmp_path: Path) -> dict[str, str]:
    given = {name: value for name, value in os.environ.items() if not name.startswith("MEDIAQ_")}
    return {**given, **client_environment(system.stack.url("api"), system.stack.url("directus"), system.token)}


def run(environment: dict[str, str], folder: Path, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments], cwd=folder, env=environment | changes, capture_output=True, text=True, timeout=120, check=False
    )


def _hear() -> None:
    """Take interrupts, which a shell's background jobs do not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class TestCommand:
    def test_submit_and_watch(self, environment: dict[str, str], clip: Path, tmp_path: Path) -> None:
        arguments = ["submit", str(clip), "-o", "transcoding", "--preset", "web-480p", "-p", "resolution=144p", "--watch"]
        done = run(environment, tmp_path, *arguments)
        assert done.returncode == 0, done.stderr
        assert "100 %  completed" in done.stderr
        saved = tmp_path / "clip-transcoding.mp4"
        assert done.stdout == "output      clip-transcoding.mp4\n"
        assert probe.probe(saved).track("video").height == 144  # type: ignore[union-attr]
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
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, preexec_fn=_hear) as watching:  # noqa: PLW1509 - no threads here
            assert watching.stdout is not None
            lines = [json.loads(watching.stdout.readline()) for _ in range(2)]
            watching.send_signal(signal.SIGINT)
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
        every = run(environment, tmp_path, "admin", "redrive", **admin)  # not by mistake
        assert (every.returncode, every.stdout) == (USAGE, "")
        redrive = ["admin", "redrive", "--search", mark]
        assert run(environment, tmp_path, *redrive, "--dry-run", **admin).stdout == f"{failed}: would run again\n"
        assert run(environment, tmp_path, *redrive, **admin).stdout == f"{failed}: will run again\n"
        assert system.app.wait(failed, 60)["status"] == "completed"
        assert "no failed job is like that" in run(environment, tmp_path, *redrive, **admin).stderr

    def test_a_credential_is_encrypted_for_the_workers(self, environment: dict[str, str], tmp_path: Path) -> None:
        from workers.network.credentials import Keyring

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

    def test_what_is_found_goes_where_it_is_wanted(self, environment: dict[str, str], clip: Path, tmp_path: Path) -> None:
        done = run(environment, tmp_path, "submit", str(clip), "-o", "analysis", "--watch", "--output", "found.json")
        assert done.stdout == "output      found.json\n"
        assert json.loads((tmp_path / "found.json").read_text())["video"]["width"] > 0

    def test_help_is_whole(self, tmp_path: Path) -> None:
        for arguments in ([], ["admin"]):
            text = run({"PATH": os.environ["PATH"]}, tmp_path, *arguments, "--help").stdout
            assert "..." not in text.replace("[ARGS]...", "")  # no summary is cut
        assert "\n    3    a server is unreachable, try again\n" in run({"PATH": os.environ["PATH"]}, tmp_path, "--help").stdout

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
            ["submit", "https://example.com/x", "-o", "transcoding", "--output", "x.mp4"],
        ):
            assert run(environment, tmp_path, *arguments).returncode == USAGE, arguments

    @pytest.mark.parametrize(
        ("arguments", "code", "hint"),
        [
            (["list", "--token", "nonsense"], REFUSED, "; set MEDIAQ_TOKEN to a Directus token that is still good\n"),
            (["status", "6f1d8ae1-51b2-4c2b-9c6f-0123456789ab"], REFUSED, "; `mediaq list` shows your jobs\n"),
            (["cancel", "nonsense"], FAILED, "nonsense: jobId must be the UUID of a media_jobs record"),
            (["status", "nonsense"], REFUSED, "; `mediaq list` shows your jobs\n"),
            (["admin", "pause", "lambda"], REFUSED, "; MEDIAQ_TOKEN must be an administrator's of Directus\n"),
            (["list", "--since", "yesterday"], REFUSED, "with its zone, such as 2026-11-24T18:00:00Z"),
        ],
    )
    def test_a_refusal_says_what_to_do(
        self, environment: dict[str, str], tmp_path: Path, arguments: list[str], code: int, hint: str
    ) -> None:
        options = [arguments.pop(), arguments.pop()][::-1] if "--token" in arguments else []
        done = run(environment, tmp_path, *options, *arguments)
        assert (done.returncode, hint in done.stderr + done.stdout) == (code, True), done.stderr

    def test_a_wrong_address_says_what_to_do(self, environment: dict[str, str], system: System, tmp_path: Path) -> None:
        done = run(environment, tmp_path, "stats", MEDIAQ_API=system.stack.url("api"))
        assert (done.returncode, done.stderr) == (REFUSED, "mediaq: There is no such endpoint; MEDIAQ_API ends in /api/queue\n")
        assert "; MEDIAQ_API is such as http" in run(environment, tmp_path, "stats", MEDIAQ_API="foo").stderr
        assert "`. .local/env` does" in run(environment, tmp_path, "list", MEDIAQ_TOKEN="").stderr

    def test_a_broken_off_submit_can_be_gone_on_with_or_closed(
        self, environment: dict[str, str], system: System, clip: Path, tmp_path: Path
    ) -> None:
        wrong = ["submit", str(clip), "-o", "transcoding", "--preset", "web-9000p"]
        refused = run(environment, tmp_path, *wrong)  # before the upload, so that nothing is left
        assert (refused.returncode, "mediaq cancel" in refused.stderr) == (REFUSED, False)
        assert "params.preset must be one of" in refused.stderr
        done = run(environment, tmp_path, *wrong, "--record", system.app.create_record("transcoding", None))
        assert done.returncode == REFUSED
        [job_id] = re.findall(r"`mediaq cancel (\S+)` closes it", done.stderr)
        assert run(environment, tmp_path, "cancel", job_id).stdout == f"{job_id}: cancelled\n"

    def test_a_quote(self, environment: dict[str, str], clip: Path, tmp_path: Path) -> None:
        asked = ["quote", str(clip), "-o", "transcoding", "-p", "preset=fast"]
        done = run(environment, tmp_path, *asked, "--duration", "2", "--resolution", "320x240")
        assert done.returncode == 0, done.stderr
        lines = dict(line.split(None, 1) for line in done.stdout.splitlines())
        assert lines["pool"] == "container, number 1 in the queue"
        assert re.fullmatch(r"\$0\.0\d+ \(\$0\.0\d+ to \$0\.0\d+\)", lines["cost"])
        assert "learned from" in done.stdout
        found = json.loads(run(environment, tmp_path, *asked, "--json").stdout)
        assert (found["accepted"], found["based_on"]) == (True, "size")
        refused = run(environment, tmp_path, "quote", "-o", "transcoding", "-p", "codec=h999")
        assert (refused.returncode, "params.codec must be one of" in refused.stderr) == (REFUSED, True)

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
        assert done.stderr == (
            "mediaq: http://127.0.0.1:1 is unreachable: no connection; try again later;"
            " MEDIAQ_API and MEDIAQ_DIRECTUS say where they are\n"
        )

    def test_some_of_several(self, environment: dict[str, str], clip: Path, tmp_path: Path) -> None:
        job_id = run(environment, tmp_path, "submit", str(clip), "-o", "transcoding", "--delay", "600000").stdout.strip()
        done = run(environment, tmp_path, "cancel", "6f1d8ae1-51b2-4c2b-9c6f-0123456789ab", job_id)
        assert done.returncode == FAILED
        assert done.stdout.endswith(f"{job_id}: cancelled\n")


def test_the_bar_moves_in_place_on_a_terminal(environment: dict[str, str], tmp_path: Path) -> None:
    film = make_clip(tmp_path / "film.mp4", 10, "480x270")
    leader, follower = pty.openpty()
    arguments = ["submit", str(film), "-o", "transcoding", "--params", json.dumps(SLOW), "--watch"]
    running = subprocess.Popen([COMMAND, *arguments], cwd=tmp_path, env=environment, stdout=follower, stderr=follower)
    os.close(follower)
    seen = b""

    def finished() -> bool:
        nonlocal seen
        try:
            seen += os.read(leader, 4096)
        except OSError:  # it has ended
            return True
        return False

    until(finished, 120, "the job is over")
    assert running.wait(10) == 0
    assert seen.count(b"\r\x1b[K  [") >= 3
    assert b"100 %  completed" in seen
