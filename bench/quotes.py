"""Quotes against what happened: mixed jobs on the whole system, from an empty ledger on, each quoted before it is submitted."""

from __future__ import annotations

import random
import statistics
import subprocess
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import requests

from infra.local.client import CreatorApp
from infra.local.directus import accounts
from infra.local.stack import Stack, login
from workers.context import programs

if TYPE_CHECKING:
    from bench import Figures

JOBS = 200
SEED = 7
SOURCES = (
    ("mandelbrot=size={size}:rate=25", "sine=frequency=300"),
    ("testsrc2=size={size}:rate=25", "anoisesrc=amplitude=0.3"),
    ("life=size={size}:rate=25:mold=10:ratio=0.1:death_color=#C83232", "sine=frequency=900"),
)
SIZES = ("320x180", "640x360", "1280x720")
SECONDS = (2, 5, 9, 14)
CLIPS = 18
JOB_KINDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("transcoding", {"preset": "veryfast"}),
    ("transcoding", {"preset": "medium", "resolution": "360p"}),
    ("transcoding", {"codec": "h265", "preset": "fast"}),
    ("transcoding", {"format": "webm", "codec": "vp9", "preset": "fast", "resolution": "360p"}),
    ("transcoding", {"format": "mp3"}),
    ("thumbnail", {}),
    ("thumbnail", {"at": 1}),
    ("analysis", {}),
    ("upload", {}),
)


class Clip(NamedTuple):
    """An input, and how a caller would describe it."""

    file_id: str
    about: dict[str, Any]


class Seen(NamedTuple):
    """A job: what was quoted, and what happened."""

    operation: str
    low: float
    expected: float
    high: float
    seconds: float
    usd: float
    quoted_usd: float


def run() -> Figures:
    """Run the jobs one at a time."""
    dice = random.Random(SEED)  # noqa: S311
    with tempfile.TemporaryDirectory() as name:
        stack = Stack(Path(name) / "system", concurrency=1).start()
        try:
            token = login(stack.url("directus"), accounts.BEST.email, accounts.BEST.password)
            app = CreatorApp(stack.url("directus"), stack.url("api"), token)
            clips = [_clip(app, Path(name), number, dice) for number in range(CLIPS)]
            time.sleep(8)  # the maintenance task has looked at the records
            seen = [_job(stack, token, app, dice.choice(clips), *dice.choice(JOB_KINDS)) for _ in range(JOBS)]
        finally:
            stack.stop()
    later = seen[JOBS // 4 :]
    return {
        f"quotes of {JOBS} mixed jobs, from an empty ledger on": {
            **_figures(seen),
            **{f"{name}, after a quarter": value for name, value in _figures(later).items()},
            **{f"error of {name} %": _error(of) for name, of in _by_operation(seen).items()},
            "error of dollars %": round(100 * statistics.median(abs(one.quoted_usd / one.usd - 1) for one in seen), 1),
        }
    }


def _figures(seen: list[Seen]) -> dict[str, float]:
    within = sum(one.low <= one.seconds <= one.high for one in seen)
    return {"median error %": _error(seen), "within the interval %": round(100 * within / len(seen), 1)}


def _error(seen: list[Seen]) -> float:
    return round(100 * statistics.median(abs(one.expected / one.seconds - 1) for one in seen), 1)


def _by_operation(seen: list[Seen]) -> dict[str, list[Seen]]:
    return {name: [one for one in seen if one.operation == name] for name in sorted({one.operation for one in seen})}


def _job(stack: Stack, token: str, app: CreatorApp, clip: Clip, operation: str, params: dict[str, Any]) -> Seen:
    body = {"operation": operation, "params": params, "input": clip.about, "input_file_id": clip.file_id}
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.post(f"{stack.url('api')}/api/queue/media/quote", json=body, headers=headers, timeout=30)
    answer.raise_for_status()
    quoted = answer.json()
    job_id = app.create_record(operation, clip.file_id)
    app.enqueue(job_id, operation, params=params).raise_for_status()
    record = app.wait(job_id, 300)
    if record["status"] != "completed":
        raise RuntimeError(f"{operation}: {record['error']}")
    attempt = record["result"]["attempts"][-1]
    began, ended = (datetime.fromisoformat(attempt[name]) for name in ("started_at", "ended_at"))
    seconds, usd = quoted["seconds"], record["result"]["cost"]["usd"]
    between = (seconds["low"], seconds["expected"], seconds["high"])
    return Seen(operation, *between, (ended - began).total_seconds(), usd, quoted["usd"]["expected"])


def _clip(app: CreatorApp, folder: Path, number: int, dice: random.Random) -> Clip:
    picture, sound = dice.choice(SOURCES)
    size, seconds = dice.choice(SIZES), dice.choice(SECONDS)
    target = folder / f"{number}.mp4"
    inputs = ["-f", "lavfi", "-i", picture.format(size=size), "-f", "lavfi", "-i", sound, "-t", str(seconds)]
    command = [programs.find().ffmpeg, "-nostdin", "-v", "error", "-y", *inputs, "-preset", "veryfast", "-pix_fmt", "yuv420p"]
    subprocess.run([*command, str(target)], check=True)
    return Clip(app.upload(target), {"duration": seconds, "resolution": size, "fps": 25, "size": target.stat().st_size})
