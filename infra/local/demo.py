"""`make demo`: a clip goes through Directus, the API, the ledger, SQS, a worker and ffmpeg, and comes back."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.local import accounts
from infra.local.client import CreatorApp
from infra.local.stack import Stack, login
from workers import ffmpeg, probe

if TYPE_CHECKING:
    from collections.abc import Callable

PARAMS = {"format": "mp4", "codec": "h264", "resolution": "720p", "preset": "slow"}
WAIT_SECONDS = 6 * 3600
BAR = 32


class DemoFailed(RuntimeError):
    """The clip did not come back; the text says how far it got."""


def run(home: Path, file: Path | None, output: Path, directus: str, say: Callable[[str], None]) -> None:
    """Run the whole path once on a system of its own, and leave only the output behind.

    Raises:
        DemoFailed: something on the way went wrong.
        StartFailed: the system did not come up.
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
    """Make a ten-second clip with sound: 1920x1080 test picture, 440 Hz tone."""
    command = [
        ffmpeg.executable(), "-nostdin", "-v", "error", "-y",
        "-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=25:duration=10",
        "-f", "lavfi", "-i", "sine=frequency=440:duration=10",
        "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-shortest", str(target),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise DemoFailed(f"ffmpeg could not make a clip: {done.stderr.strip()[-300:]}")
    return target


def _one_job(stack: Stack, clip: Path, output: Path, say: Callable[[str], None]) -> None:
    app = CreatorApp(
        stack.url("directus"), stack.url("api"), login(stack.url("directus"), accounts.BEST.email, accounts.BEST.password)
    )
    say(f"uploading {clip.name} ({clip.stat().st_size / 1e6:.1f} MB)")
    file_id = app.upload(clip)
    job_id = app.create_record("transcoding", file_id, params=PARAMS)
    answer = app.enqueue(job_id, "transcoding", input_file_id=file_id, params=PARAMS, priority=5)
    if answer.status_code != 200:  # noqa: PLR2004 - OK
        raise DemoFailed(f"POST /api/queue/media answered {answer.status_code}: {answer.text}")
    say(f"enqueued as {answer.json()['bullJobId']}")
    record = app.wait(job_id, WAIT_SECONDS, watch=_ProgressBar())
    if record["status"] != "completed":
        raise DemoFailed(f"the job failed: {record['error']}")
    output.parent.mkdir(parents=True, exist_ok=True)
    app.download(record["output_file_id"], output)
    for line in _report(output, record):
        say(line)


def _report(output: Path, record: dict[str, Any]) -> list[str]:
    """Say what came out, by a probe of the downloaded file rather than by what the worker claims."""
    media = probe.probe(output)
    picture, sound = media.first("video"), media.first("audio")
    what = [f"{picture.codec} {picture.width}x{picture.height}"] if picture else []
    what += [f"{sound.codec} {sound.sample_rate} Hz"] if sound else []
    stages = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in record["result"]["stages"].items())
    return [
        f"output      {output}",
        f"media       {', '.join(what)}, {media.duration:.2f} s",
        f"size        {media.bytes / 1e6:.2f} MB (from {record['result']['input_bytes'] / 1e6:.2f} MB)",
        f"stages      {stages}",
        f"speed       {record['result']['speed']:g} times real time",
    ]


class _ProgressBar:
    """Draws the record's progress: in place on a terminal, as lines elsewhere."""

    def __init__(self) -> None:
        self._shown = ""

    def __call__(self, record: dict[str, Any]) -> None:
        percent = int(record["progress"] or 0)
        filled = BAR * percent // 100
        text = f"[{'#' * filled}{'.' * (BAR - filled)}] {percent:3d} %  {record['status']}"
        if text == self._shown:
            return
        self._shown = text
        over = record["status"] in ("completed", "failed")
        if sys.stdout.isatty():
            sys.stdout.write(f"\r\033[K  {text}" + ("\n" if over else ""))
        else:
            sys.stdout.write(f"  {text}\n")
        sys.stdout.flush()
