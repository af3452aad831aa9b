"""Packages: one decode for five renditions, against the same ffmpeg command and against five jobs; memory for two hours."""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import timed
from bench.media.thumbnails import make_tools
from chalicelib.domain.params.transcoding import TranscodingParams
from chalicelib.domain.validation import validate
from workers.context import programs
from workers.context.work import Work
from workers.media import ffmpeg
from workers.operations import transcoding

if TYPE_CHECKING:
    from bench import Figures

HEIGHTS = (1080, 720, 480, 360, 240)
SECONDS = int(os.environ.get("BENCH_PACKAGE_SECONDS", "30"))
HOURS = 2
PARAMS = {"format": "hls", "preset": "veryfast", "thumbnails": False, "crf": 23}


def run() -> Figures:
    """Measure all."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        film = _film(folder / "film.mp4", f"testsrc2=size=1920x1080:rate=25:duration={SECONDS}", f"sine=duration={SECONDS}")
        command: list[str] = []
        ours = timed(lambda: _package(film, folder, command))
        plain = timed(lambda: _plainly(command, folder))
        five = timed(lambda: [_transcode(film, folder, {"resolution": f"{height}p"}) for height in HEIGHTS])
        seconds = HOURS * 3600
        long = _film(folder / "long.mp4", f"testsrc2=size=192x108:rate=12:duration={seconds}", f"sine=duration={seconds}")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        result = _package(long, folder, [], thumbnails=True)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return {
        "package_of_five_renditions": {
            "seconds": round(ours, 2),
            "ratio to the same ffmpeg command": round(ours / plain, 3),
            "ratio to five jobs": round(ours / five, 3),
        },
        "package_of_two_hours": {"memory of the worker, MB": after, "before, MB": before, "segments": result["segments"]},
    }


def _film(target: Path, picture: str, sound: str) -> Path:
    made = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"]
    subprocess.run([programs.find().ffmpeg, "-nostdin", "-v", "error", "-y", *made, str(target)], check=True)
    return target


def _package(film: Path, folder: Path, command: list[str], **params: Any) -> dict[str, Any]:
    """Make a package; note the arguments of its encoder in `command`."""
    run_it = ffmpeg.run

    def noting(work: Work, arguments: list[str], **options: Any) -> ffmpeg.CommandResult:
        command[:] = arguments
        return run_it(work, arguments, **options)

    ffmpeg.run = noting
    try:
        return _transcode(film, folder, {**PARAMS, **params})
    finally:
        ffmpeg.run = run_it


def _plainly(command: list[str], folder: Path) -> None:
    subprocess.run([programs.find().ffmpeg, "-nostdin", "-v", "error", "-y", *command], check=True, cwd=folder)


def _transcode(film: Path, folder: Path, params: dict[str, Any]) -> dict[str, Any]:
    checked = validate({"preset": "veryfast", "crf": 23, **params}, TranscodingParams, "params")
    out = Path(tempfile.mkdtemp(dir=folder))
    return transcoding.run(Work(checked, film, out, time.monotonic() + 3600, make_tools(folder))).result
