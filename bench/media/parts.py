"""Parts: one worker against one pass, more workers with slowed encoders, and the simulation of an hour on many workers."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.media import parts_simulation, slow_encoder
from infra.local import processes
from infra.local.client import CreatorApp
from infra.local.directus import accounts
from infra.local.stack import Stack, login
from workers.context import programs

if TYPE_CHECKING:
    from bench import Figures
    from infra.local.process import LocalProcess

ROUNDS = int(os.environ.get("BENCH_PARTS_ROUNDS", "3"))
FILM_SECONDS, SLOW_SECONDS = 60, 240
WORKERS = (1, 2, 4, 8)
PARAMS: dict[str, Any] = {"format": "mp4", "preset": "medium"}
SMALL: dict[str, Any] = {"format": "mp4", "preset": "veryfast", "resolution": "144p"}
TICKS = os.sysconf("SC_CLK_TCK")


def run() -> Figures:
    """Measure all."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        film = _film(folder / "film.mp4", "1280x720", FILM_SECONDS, 3000)
        slow = _film(folder / "slow.mp4", "320x180", SLOW_SECONDS, 500)
        hour = _film(folder / "hour.mp4", "1920x1080", 40, 6000)
        stack = Stack(folder / "stack", concurrency=1).start()
        try:
            stack.processes["worker"].stop()
            directus = stack.url("directus")
            app = CreatorApp(directus, stack.url("api"), login(directus, accounts.BEST.email, accounts.BEST.password))
            figures = _one_worker(stack, app, app.upload(film)) | _many_workers(stack, app, app.upload(slow), folder)
        finally:
            stack.stop()
        return figures | parts_simulation.run(hour, folder)


def _film(target: Path, size: str, seconds: int, kilobits: int) -> Path:
    """A film with detail and motion; a keyframe every two seconds."""
    picture = ["-f", "lavfi", "-i", f"mandelbrot=s={size}:r=25:end_scale=0.001:end_pts={seconds * 25}"]
    tone = ["-f", "lavfi", "-i", f"sine=duration={seconds}"]
    rate = ["-b:v", f"{kilobits}k", "-maxrate", f"{kilobits * 3 // 2}k", "-bufsize", f"{kilobits * 2}k"]
    encoder = ["-t", str(seconds), "-c:v", "libx264", "-preset", "superfast", *rate, "-g", "50"]
    command = [programs.find().ffmpeg, "-nostdin", "-v", "error", "-y", *picture, *tone, *encoder, str(target)]
    subprocess.run(command, check=True)
    return target


def _one_worker(stack: Stack, app: CreatorApp, film: str) -> Figures:
    """(a) The same film by the same worker, whole and in parts, in turns."""
    worker = _worker(stack, "alone", PARTS_FROM_SECONDS="10")
    took: dict[str, list[tuple[float, float]]] = {"whole": [], "parts": []}
    count = 0
    for _ in range(ROUNDS):
        for way, rows in took.items():
            cpu = _cpu_seconds(worker)
            record = _done(app, film, PARAMS | {"parts": way == "parts"})
            rows.append((record["result"]["stages"]["process"], _cpu_seconds(worker) - cpu))
            count = record["result"].get("parts", {}).get("count", count)
    worker.stop()
    walls, cpus = ([statistics.median(row[at] for row in took[way]) for way in ("parts", "whole")] for at in (0, 1))
    return {
        f"parts on one worker, {FILM_SECONDS} s of 720p": {
            "parts": count,
            "seconds whole": round(walls[1], 1),
            "seconds in parts": round(walls[0], 1),
            "wall, ratio to whole": round(walls[0] / walls[1], 3),
            "cpu, ratio to whole": round(cpus[0] / cpus[1], 3),
        }
    }


def _many_workers(stack: Stack, app: CreatorApp, film: str, folder: Path) -> Figures:
    """(b) Workers whose encoders run a sixteenth of the time."""
    slow = slow_encoder.script(folder, programs.find().ffmpeg)
    settings = {"FFMPEG": str(slow), "PARTS_FROM_SECONDS": "0.1", "PARTS_WORKERS": "16"}
    seconds: dict[int, float] = {}
    for count in WORKERS:
        workers = [_worker(stack, f"slow-{count}-{number}", **settings) for number in range(count)]
        record = _done(app, film, SMALL)
        seconds[count] = record["result"]["stages"]["process"]
        parts = record["result"]["parts"]
        for worker in workers:
            worker.stop()
    figures: dict[str, float] = {"parts": parts["count"]}
    for count in WORKERS:
        figures[f"{count} workers, s"] = round(seconds[count], 1)
    for count in WORKERS[1:]:
        figures[f"{count} workers, speed-up a worker"] = round(seconds[1] / seconds[count] / count, 3)
    return {"parts on slowed workers": figures}


def _worker(stack: Stack, name: str, **settings: str) -> LocalProcess:
    return processes.worker_process(stack.environment | settings, stack.logs, name, 1, drain_seconds=0).start()


def _done(app: CreatorApp, film: str, params: dict[str, Any]) -> dict[str, Any]:
    job_id = app.create_record("transcoding", film, params=params)
    app.enqueue(job_id, "transcoding", params=params).raise_for_status()
    record = app.wait(job_id, 900)
    if record["status"] != "completed":
        raise RuntimeError(record["error"])
    time.sleep(1)
    return record


def _cpu_seconds(worker: LocalProcess) -> float:
    """Return the processor time of a worker and of all programs that it ran."""
    assert worker.process is not None
    fields = Path(f"/proc/{worker.process.pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS
