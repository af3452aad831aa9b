"""The demo, up and down, in a copy of the project's folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis
import requests

from infra.local import processes
from infra.local.process import StartFailed, alive, answers, pick_port
from tests.integration.conftest import run_example, until
from workers.media import probe

if TYPE_CHECKING:
    from collections.abc import Iterator


def make_project(tmp_path: Path) -> Iterator[Path]:
    """A folder from which `python -m infra.local` runs on state of its own."""
    for name in ("app.py", "chalicelib", "workers", "infra"):
        (tmp_path / name).symlink_to(processes.ROOT / name)
    (tmp_path / "infra").unlink()
    (tmp_path / "infra").mkdir()
    for entry in (processes.ROOT / "infra").iterdir():
        if entry.name == "local":
            _copy_python(entry, tmp_path / "infra" / "local")
        elif entry.name != "__pycache__":
            (tmp_path / "infra" / entry.name).symlink_to(entry)
    yield tmp_path
    run(tmp_path, "down")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    yield from make_project(tmp_path)


def _copy_python(source: Path, target: Path) -> None:
    import shutil

    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m infra.local` in the project."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    command = [sys.executable, "-m", "infra.local", *arguments]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_the_demo_brings_a_clip_back_and_leaves_nothing_else(project: Path, clip: Path) -> None:
    done = run(project, "demo", "--file", str(clip), "--output", str(project / "out.mp4"))
    assert done.returncode == 0, done.stderr
    for word in ("enqueued as", "100 %  completed", "output ", "h264 320x240", "stages", "speed"):
        assert word in done.stdout
    assert probe.probe(project / "out.mp4").track("video")
    assert list((project / ".local").iterdir()) == []


def test_the_demo_fails_with_a_sentence(project: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a film")
    done = run(project, "demo", "--file", str(tmp_path / "notes.txt"))
    assert done.returncode == 1
    assert "mediaq: The input is not a media file that can be read" in done.stdout
    assert "`mediaq submit` ended with exit code 1" in done.stderr
    assert "Traceback" not in done.stderr
    missing = run(project, "demo", "--file", "/nowhere.mov")
    assert (missing.returncode, missing.stderr) == (1, "\nmediaq: FILE /nowhere.mov does not exist\n")


@pytest.mark.slow  # the tutorial in tests/docs starts and stops it too
def test_up_prints_a_call_that_works_and_down_stops_it(project: Path, clip: Path) -> None:
    done = run(project, "up")
    assert done.returncode == 0, done.stderr
    file = project / ".local" / "stack.json"
    assert file.stat().st_mode & 0o077 == 0
    stack = json.loads(file.read_text())
    assert set(stack) >= {"api", "directus", "sqs", "redis", "token", "tokens", "admin_token", "internal_token"}
    assert set(stack["tokens"]) == {"free", "pro", "enterprise"}
    assert requests.get(f"{stack['api']}/api/queue/stats", timeout=5).json()["ok"] is True

    call = next(line for line in done.stdout.splitlines() if line.strip().startswith("curl -X POST"))
    typed = f". .local/env && {call}"
    answer = subprocess.run(["bash", "-c", typed], cwd=project, capture_output=True, text=True, timeout=30, check=True).stdout
    assert stack["token"] not in call
    job_id = json.loads(answer)["jobId"]
    url = f"{stack['directus']}/items/media_jobs/{job_id}"
    headers = {"Authorization": f"Bearer {stack['token']}"}
    until(lambda: requests.get(url, headers=headers, timeout=5).json()["data"]["status"] == "completed", 60, "completed")

    run_example(stack["directus"], stack["api"], stack["token"], clip)

    assert "up already" in run(project, "up").stdout
    os.killpg(stack["processes"]["worker"][0], signal.SIGKILL)
    until(lambda: not alive(stack["processes"]["worker"][0]), 10, "the worker is gone")
    again = run(project, "up")
    assert (again.returncode, "worker died: `make down`, then `make up`" in again.stderr) == (1, True)
    assert run(project, "down").stdout == "mediaq is down\n"
    assert not any(alive(pid) for pid, _ in stack["processes"].values())
    assert run(project, "down").stdout == "mediaq was not up\n"

    # A pid that is somebody else's by now is left alone.
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
        file.write_text(json.dumps({**stack, "processes": {"redis": [stranger.pid, "1"]}}))
        assert run(project, "down").stdout == "mediaq was not up\n"
        assert stranger.poll() is None
        stranger.kill()

    again = run(project, "up")  # what was stored is still there
    assert again.returncode == 0, again.stderr
    stack = json.loads(file.read_text())
    counts = requests.get(f"{stack['api']}/api/queue/stats", timeout=5).json()["stats"]
    assert counts["completed"] == 2


def test_help() -> None:
    for module in ("infra.local", "infra.local.gateway", "workers"):
        done = subprocess.run([sys.executable, "-m", module, "--help"], capture_output=True, text=True, check=True)
        assert "usage:" in done.stdout


def test_redis_accepts_nobody_without_the_password_of_the_system(tmp_path: Path) -> None:
    state, port = tmp_path / "redis", pick_port()
    server = processes.redis_process(state, port).start()
    try:
        assert [file.stat().st_mode & 0o077 for file in state.glob("*.conf")] == [0]
        assert redis.Redis.from_url(processes.redis_url(state, port)).ping()
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=port).ping()
        assert (
            processes.redis_url(state, port).split("@")[0].removeprefix("redis://:").encode()
            not in Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
        )
    finally:
        server.kill()


@pytest.mark.parametrize("password", [[], ["--requirepass", "another"]])
def test_a_redis_of_somebody_else_is_not_taken_for_ours(password: list[str], tmp_path: Path) -> None:
    port = pick_port()
    command = [processes.redis_server(), "--port", str(port), "--save", "", "--dir", str(tmp_path), *password]
    other = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        until(lambda: answers(port), 10, "the other Redis listens")
        with pytest.raises(StartFailed, match="redis ended with code 1"):
            processes.redis_process(tmp_path / "redis", port).start()
    finally:
        other.kill()
        other.wait()
