"""The three alarms of the published API turn on and off, as real jobs pass through the real system; a minute is a second here."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from infra.local import parts
from tests.integration.conftest import SLOW, System, make_clip, run_system, until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system whose keeper lives faster."""
    for system in run_system(tmp_path_factory.mktemp("alarms")):
        system.stack.parts["keeper"].stop()
        keeper = parts.keeper_part(system.stack.environment | {"ALARM_OVER": "waiting=5,stalled=6"}, system.stack.logs)
        keeper.command = [sys.executable, "-m", "infra.local.keeper", "--minute", "1", "--every", "0.5"]
        system.extra.append(keeper.start())
        yield system


def alarms(system: System) -> list[str]:
    """Which alarms `GET /health` names, its memory of five seconds included."""
    answer = requests.get(f"{system.stack.url('api')}/api/queue/health", timeout=10)
    assert answer.status_code == 200
    return [alarm["name"] for alarm in answer.json()["alarms"]]


def encoder_of(system: System) -> int | None:
    """The process id of the ffmpeg that works in the system's folder."""
    work = str(system.stack.home / "work").encode()
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = file.read_bytes().split(b"\0")
            if b"ffmpeg" in words[0] and any(work in word for word in words):
                return int(file.parent.name)
    return None


def test_waiting_and_failures(watched: System, clip: Path, tmp_path: Path) -> None:
    worker = watched.stack.parts["worker"]
    worker.stop()
    good = watched.app.upload(clip)
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no film at all")
    wrong = watched.app.upload(bad)
    jobs = [watched.submit(wrong if number < 3 else good, {"width": 64}, "thumbnail") for number in range(12)]
    until(lambda: "waiting" in alarms(watched), 30, "too many wait")
    worker.start()
    for job_id in jobs:
        watched.app.wait(job_id, 60)
    until(lambda: alarms(watched) == ["failure-ratio"], 30, "three of twelve failed, nothing waits")
    until(lambda: alarms(watched) == [], 40, "the window is over")


def test_a_job_that_does_not_move(watched: System, tmp_path: Path) -> None:
    """Its worker renews the lease for ever while the process beside it stands still."""
    film = make_clip(tmp_path / "film.mp4", 5, "960x540")
    job_id = watched.submit(film, SLOW)
    until(lambda: watched.stats()["active"], 30, "running")
    encoder = until(lambda: encoder_of(watched), 20, "its process")
    os.kill(encoder, signal.SIGSTOP)
    until(lambda: alarms(watched) == ["stalled"], 40, "nothing moves")
    os.kill(encoder, signal.SIGCONT)
    until(lambda: alarms(watched) == [], 40, "it moves again")
    assert watched.app.wait(job_id, 120)["status"] == "completed"
