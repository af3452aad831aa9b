"""`make demo`: a clip passes through Directus, the API, the ledger, SQS, a worker and ffmpeg."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from infra.local.directus import accounts
from infra.local.stack import Stack, login
from mediaq import Client
from workers.context import programs
from workers.media import probe

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaq import Job

PARAMS = {"format": "mp4", "codec": "h264", "resolution": "720p", "preset": "slow"}
PRESET = "web-720p"


class DemoFailed(RuntimeError):
    """The demo failed; the message says at which step."""


def run(home: Path, file: Path | None, output: Path, directus: str, say: Callable[[str], None]) -> None:
    """Run the whole path once on a new system, and keep only the output.

    Raises:
        DemoFailed: a step failed.
        StartFailed: the system did not start.
    """
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="demo-", dir=home) as folder:
        started = time.monotonic()
        clip = file or synthesise(Path(folder) / "clip.mp4")
        stack = Stack(Path(folder) / "system", directus=directus, say=say).start()
        say(f"the system is up after {time.monotonic() - started:.1f} s")
        try:
            _one_job(stack, clip, output, say)
        finally:
            stack.stop()


def synthesise(target: Path) -> Path:
    """Create a ten-second clip: 1920x1080 test picture, 440 Hz tone."""
    command = [
        programs.find().ffmpeg, "-nostdin", "-v", "error", "-y",
        "-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=25:duration=10",
        "-f", "lavfi", "-i", "sine=frequency=440:duration=10",
        "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-shortest", str(target),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise DemoFailed(f"ffmpeg could not make a clip: {done.stderr.strip()[-300:]}")
    return target


def _one_job(stack: Stack, clip: Path, output: Path, say: Callable[[str], None]) -> None:
    """Submit the clip with the command `mediaq`."""
    token = login(stack.url("directus"), accounts.BEST.email, accounts.BEST.password)
    environment = client_environment(stack.url("api"), stack.url("directus"), token)
    output.parent.mkdir(parents=True, exist_ok=True)
    typed = ["submit", str(clip), "--operation", "transcoding", "--preset", PRESET, "--watch", "--output", str(output)]
    say(f"mediaq {shlex.join(typed)}")
    command = [sys.executable, "-m", "mediaq", *typed]
    done = subprocess.run(command, env={**os.environ, **environment}, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise DemoFailed(f"`mediaq submit` ended with exit code {done.returncode}")
    client = Client(environment["MEDIAQ_API"], environment["MEDIAQ_DIRECTUS"], token)
    job = next(client.jobs())
    for line in _report(output, client.job(job.job_id)):
        say(line)


def client_environment(api: str, directus: str, token: str) -> dict[str, str]:
    """Return the environment of the command `mediaq`."""
    return {"MEDIAQ_API": f"{api}/api/queue", "MEDIAQ_DIRECTUS": directus, "MEDIAQ_TOKEN": token}


def _report(output: Path, job: Job) -> list[str]:
    """Print the result of probing the downloaded file, not what the worker claims."""
    media, result = probe.probe(output), job.result or {}
    picture, sound = media.track("video"), media.track("audio")
    what = [f"{picture.codec} {picture.width}x{picture.height}"] if picture else []
    what += [f"{sound.codec} {sound.sample_rate} Hz"] if sound else []
    stages = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in job.stages.items())
    return [
        f"media       {', '.join(what)}, {media.duration:.2f} s",
        f"size        {media.bytes / 1e6:.2f} MB (from {result['input_bytes'] / 1e6:.2f} MB)",
        f"stages      {stages}",
        f"speed       {result['speed']:g} times real time",
    ]
