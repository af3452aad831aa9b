"""Thumbnails: the time does not depend on the length of the film, because they seek."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.domain.cost import load_prices
from chalicelib.domain.params.thumbnail import ThumbnailParams
from chalicelib.settings import PRICES_FILE
from workers.context import programs
from workers.context.terms import TermMatcher
from workers.context.work import Speech, Tools, Work
from workers.network.credentials import Keyring
from workers.network.fetch import Fetcher
from workers.operations import thumbnail

if TYPE_CHECKING:
    from bench import Figures

MINUTES = (1, 10, 120)
ROUNDS = 5


def run() -> Figures:
    """Take the best of ten frames, and one at 90 %, of films of 1, 10 and 120 minutes, alternately; in ms."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        films = {minutes: _film(folder, minutes) for minutes in MINUTES}
        kinds = {"best": ThumbnailParams(), "at_90_percent": ThumbnailParams(at="90%")}
        samples: dict[tuple[str, int], list[float]] = {(kind, minutes): [] for kind in kinds for minutes in MINUTES}
        for _ in range(ROUNDS):
            for (kind, minutes), taken in samples.items():
                taken.append(_take(folder, films[minutes], kinds[kind]))
    ms = {key: round(statistics.median(taken) * 1000) for key, taken in samples.items()}
    return {
        f"thumbnail_{kind}_ms": {f"{minutes} min": ms[kind, minutes] for minutes in MINUTES}
        | {"ratio of longest to shortest": round(ms[kind, MINUTES[-1]] / ms[kind, MINUTES[0]], 3)}
        for kind in kinds
    }


def make_tools(folder: Path) -> Tools:
    """Return the tools of operations without a running system."""
    return Tools(folder, programs.find(), Fetcher(), Keyring([]), Speech(), lambda: TermMatcher([]), load_prices(PRICES_FILE))


def _film(folder: Path, minutes: int) -> Path:
    """Make one minute and repeat it."""
    minute, target = folder / "minute.mp4", folder / f"{minutes}.mp4"
    quiet = [programs.find().ffmpeg, "-nostdin", "-v", "error", "-y"]
    if not minute.exists():
        picture = [
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=640x360:rate=25:duration=60",
            "-c:v",
            "libx264",
            "-crf",
            "35",
            "-g",
            "25",
        ]
        subprocess.run([*quiet, *picture, "-preset", "veryfast", "-pix_fmt", "yuv420p", str(minute)], check=True)
    repeat = ["-stream_loop", str(minutes - 1), "-i", str(minute), "-c", "copy", "-movflags", "+faststart", str(target)]
    subprocess.run([*quiet, *repeat], check=True)
    return target


def _take(folder: Path, film: Path, params: ThumbnailParams) -> float:
    with tempfile.TemporaryDirectory(dir=folder) as out:
        work = Work(params, film, Path(out), time.monotonic() + 600, make_tools(folder))
        started = time.perf_counter()
        thumbnail.run(work)
        return time.perf_counter() - started
