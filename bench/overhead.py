"""The overhead of the queue: transcodes through the whole system against the same ffmpeg commands in a loop."""

from __future__ import annotations

import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from chalicelib.domain.params.transcoding import TranscodingParams
from infra.local.client import CreatorApp
from infra.local.directus import accounts
from infra.local.stack import Stack, login
from workers.context import programs
from workers.encoding import file as output_file
from workers.media import probe
from workers.operations import transcoding

if TYPE_CHECKING:
    from bench import Figures

JOBS = 10
CLIP_SECONDS = 90
"""Half a minute of work for two cores; the overhead per job is the same for any length."""
PARAMS = {"format": "mp4", "codec": "h264", "preset": "medium"}


def run() -> Figures:
    """Run JOBS transcodes each way, one at a time, alternately in halves; in s."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = _clip(folder / "clip.mp4")
        stack = Stack(folder / "system", concurrency=1).start()
        try:
            app = CreatorApp(
                stack.url("directus"),
                stack.url("api"),
                login(stack.url("directus"), accounts.BEST.email, accounts.BEST.password),
            )
            file_id = app.upload(clip)
            _through_the_system(app, file_id, 1)  # both sides start warm
            _in_a_loop(clip, folder, 1)
            half = JOBS // 2
            system = _through_the_system(app, file_id, half)
            loop = _in_a_loop(clip, folder, JOBS)
            system += _through_the_system(app, file_id, JOBS - half)
        finally:
            stack.stop()
    return {
        "overhead": {
            "jobs": JOBS,
            "system s": round(system, 2),
            "loop s": round(loop, 2),
            "per job ms": round((system - loop) / JOBS * 1000),
            "ratio": round(system / loop, 4),
        }
    }


def _clip(target: Path) -> Path:
    picture = ["-f", "lavfi", "-i", f"testsrc2=size=1280x720:rate=25:duration={CLIP_SECONDS}"]
    sound = ["-f", "lavfi", "-i", f"sine=duration={CLIP_SECONDS}"]
    encoding = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", str(target)]
    subprocess.run([programs.find().ffmpeg, "-nostdin", "-v", "error", *picture, *sound, *encoding], check=True)
    return target


def _through_the_system(app: CreatorApp, file_id: str, count: int) -> float:
    """Enqueue `count` jobs; return the time from the first call to the last `finished_at`.

    It polls every two seconds, like the published example: faster polling would measure itself.
    """
    ids = [app.create_record("transcoding", file_id, params=PARAMS) for _ in range(count)]
    started = datetime.now(UTC)
    for job_id in ids:
        app.enqueue(job_id, "transcoding", params=PARAMS).raise_for_status()
    records = [app.wait(job_id, 600, every=2) for job_id in ids]
    assert {record["status"] for record in records} == {"completed"}
    return (max(datetime.fromisoformat(record["finished_at"]) for record in records) - started).total_seconds()


def _in_a_loop(clip: Path, folder: Path, count: int) -> float:
    source, target = probe.probe(clip), folder / "output.mp4"
    params = msgspec.convert(PARAMS, TranscodingParams)
    shown = transcoding.picture_arguments(params, transcoding.look_of(params, source, clip))
    command = output_file.arguments(params, source, clip, target, shown)
    started = time.perf_counter()
    for _ in range(count):
        subprocess.run([programs.find().ffmpeg, "-nostdin", "-v", "error", "-y", *command], check=True)
    return time.perf_counter() - started
