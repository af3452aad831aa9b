"""Simulates an hour of 1080p on many workers, from part times, cut and join rates that are measured here.

Simulated, not run: the figures of the network, of S3 and of Lambda are assumptions, named in ASSUMED.
"""

from __future__ import annotations

import heapq
import json
import random
import resource
import statistics
import subprocess
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.media.thumbnails import make_tools
from chalicelib.domain.params.transcoding import TranscodingParams
from chalicelib.domain.validation import validate
from workers.context import programs
from workers.context.work import Work
from workers.encoding import video
from workers.media import tracks
from workers.parts import cut, encode, film, index, join

if TYPE_CHECKING:
    from bench import Figures

PRICES = json.loads((Path(__file__).parents[1] / "prices.json").read_text())
HOUR, SOUND_SECONDS, TEN_MINUTES = 3600, 300, 600
WORKERS = (10, 100, 1000)
SEED, ROUNDS = 7, 5
ASSUMED = {
    "MB/s from and to Directus": 200.0,
    "MB/s of the coordinator to the store": 300.0,
    "MB/s of a Lambda to the store": 60.0,
    "s to the first byte of the store": 0.06,
    "s until a Lambda runs": 4.0,
    "vCPU of a Lambda with 3008 MB": 1.7,
    "Lambdas that SQS starts at once": 5.0,
    "Lambdas that SQS adds a second": 5.0,
}
"""Lambda's event source mapping adds 300 concurrent invocations a minute; in provisioned mode, all start at once."""
LEASE_SECONDS, LATE_SECONDS, LATE_FACTOR, LATE_AGAIN = 13.0, 10.0, 2.0, 3.0


class Measured(NamedTuple):
    """What was measured, in s and bytes."""

    part_cpu: list[float]
    """Of each part."""
    seconds: float
    """The film of a part."""
    source_bytes: float
    """A second of the film."""
    result_bytes: float
    cut_rate: float
    """Bytes a second: reading the index, and copying."""
    join_rate: float
    sound: float
    """Seconds for a second of sound."""


class Outcome(NamedTuple):
    """One simulated job."""

    makespan: float
    dollars: float
    repeated: int


def run(source: Path, folder: Path) -> Figures:
    """Measure parts of a film of 1080p, and simulate."""
    measured = measure(source, folder)
    figures: Figures = {
        "an hour of 1080p in parts, measured": {
            "cpu seconds of a part": round(statistics.mean(measured.part_cpu), 1),
            "seconds of film in a part": round(measured.seconds, 1),
            "index and cut, MB/s": round(measured.cut_rate / 1e6),
            "join, MB/s": round(measured.join_rate / 1e6),
            "sound of an hour, s": round(measured.sound * HOUR, 1),
        }
    }
    for count in WORKERS:
        for name, ramp, trouble in (
            ("all start at once", False, 0.0), ("as SQS starts them", True, 0.0), ("2 % killed, 2 % slow", False, 0.02),
        ):  # fmt: skip
            outcomes = [simulate(measured, count, ramp=ramp, trouble=trouble, seed=SEED + number) for number in range(ROUNDS)]
            figures[f"simulated hour, {count} workers, {name}"] = {
                "s": round(statistics.median(one.makespan for one in outcomes), 1),
                "dollars": round(statistics.median(one.dollars for one in outcomes), 2),
                "parts run again": statistics.median(one.repeated for one in outcomes),
            }
    return figures


def measure(source: Path, folder: Path) -> Measured:
    """Encode a film in parts of about 1/1000 of an hour, one after the other."""
    params = validate({"format": "mp4", "preset": "medium"}, TranscodingParams, "params")
    out = folder / "measured"
    out.mkdir()
    work = Work(params, source, out, time.monotonic() + 3600, make_tools(folder))
    media, file = tracks.open_picture(work, "video", "audio")
    made = film.prepare(
        work, media, file, fields="progressive", fps=None, renditions=[encode.Rendition("h264", video.Quality(23))], cues=None,
        seconds=1e6, wanted=round(media.duration / (HOUR / 1000)), shortest=0.1,
    )  # fmt: skip
    cut.run(work, file, made.stream, made.cut_plan(out))
    cpu = []
    for one in made.parts:
        before = _children()
        name = film.source_name(one.number, made.recipe.picture.codec)
        encode.run(work, made.recipe, out / name, out / join.encoded_name(one.number), one.number)
        cpu.append(_children() - before)
    size = sum((out / join.encoded_name(one.number)).stat().st_size for one in made.parts)
    cut_rate, join_rate = _rates(work, source, made.stream)
    began = time.monotonic()
    tone = ["-f", "lavfi", "-i", f"anoisesrc=d={SOUND_SECONDS}:r=48000", "-ac", "2", "-c:a", "aac"]
    subprocess.run([programs.find().ffmpeg, "-nostdin", "-v", "error", "-y", *tone, str(out / "sound.m4a")], check=True)
    sound = (time.monotonic() - began) / SOUND_SECONDS
    length = media.duration
    return Measured(cpu, length / len(made.parts), media.bytes / length, size / length, cut_rate, join_rate, sound)


def _rates(work: Work, source: Path, stream: int) -> tuple[float, float]:
    """Return the bytes a second of index and cut, and of the join, with a film of ten minutes."""
    long = work.folder / "long.mp4"
    loops = str(TEN_MINUTES // 40 - 1)
    repeat = ["-stream_loop", loops, "-i", str(source), "-map", "0:v", "-c", "copy", str(long)]
    subprocess.run([programs.find().ffmpeg, "-nostdin", "-v", "error", "-y", *repeat], check=True)
    began = time.monotonic()
    found = index.read(work, long, stream)
    assert found is not None
    bounds = [*found.keys[::2], len(found.pts)]
    targets = [str(work.folder / join.encoded_name(number)) for number in range(len(bounds) - 1)]
    windows = [cut.Window(first, last, target) for (first, last), target in zip(pairwise(bounds), targets, strict=True)]
    cut.run(work, long, stream, cut.CutPlan(0, windows))
    cut_seconds = time.monotonic() - began
    began = time.monotonic()
    join.run(work, len(windows))
    return long.stat().st_size / cut_seconds, long.stat().st_size / (time.monotonic() - began)


def simulate(measured: Measured, workers: int, *, ramp: bool, trouble: float, seed: int) -> Outcome:
    """Run one job on a clock of events. `trouble`: the share of runs that are killed, and of those that are slow."""
    dice = random.Random(seed)  # noqa: S311 - a simulation
    count = max(1, min(1000, 3 * workers))
    part_seconds = HOUR / count
    scale = part_seconds / measured.seconds
    source, result = measured.source_bytes * part_seconds, measured.result_bytes * part_seconds
    store, lambda_rate = ASSUMED["MB/s of the coordinator to the store"] * 1e6, ASSUMED["MB/s of a Lambda to the store"] * 1e6
    fetched = measured.source_bytes * HOUR / (ASSUMED["MB/s from and to Directus"] * 1e6)
    a_part = source / min(store, measured.cut_rate)
    ready = [fetched + a_part * (number + 1) for number in range(count)]
    moved = (source + result) / lambda_rate + 3 * ASSUMED["s to the first byte of the store"]
    expected = statistics.mean(measured.part_cpu) * scale / ASSUMED["vCPU of a Lambda with 3008 MB"] + moved
    free = [ready[0] + ASSUMED["s until a Lambda runs"] + _ramp(number, ramp) for number in range(workers)]
    heapq.heapify(free)
    waiting = [(at, number) for number, at in enumerate(ready)]
    heapq.heapify(waiting)
    done: dict[int, float] = {}
    busy = repeated = 0.0
    while waiting:
        at, number = heapq.heappop(waiting)
        begin = max(at, heapq.heappop(free))
        if number in done and done[number] <= begin:
            heapq.heappush(free, begin)
            continue
        took = dice.choice(measured.part_cpu) * scale / ASSUMED["vCPU of a Lambda with 3008 MB"] + moved
        repeated += number in done or at > ready[number]
        if dice.random() < trouble:  # killed: its lease ends, and another worker takes the part
            took *= dice.random()
            heapq.heappush(waiting, (begin + took + LEASE_SECONDS, number))
            heapq.heappush(free, begin + took + ASSUMED["s until a Lambda runs"])
        else:
            slow = dice.random() < trouble
            took *= LATE_AGAIN if slow else 1
            done[number] = min(done.get(number, float("inf")), begin + took)
            late = begin + max(LATE_SECONDS, LATE_FACTOR * expected)
            if slow and done[number] > late:
                heapq.heappush(waiting, (late, number))
            heapq.heappush(free, begin + took)
        busy += took
    last = max(*done.values(), fetched + measured.sound * HOUR)
    size = measured.result_bytes * HOUR
    end = last + result / store + size / measured.join_rate + size / (ASSUMED["MB/s from and to Directus"] * 1e6)
    return Outcome(end, _dollars(busy, workers, count, end), int(repeated))


def _ramp(number: int, ramp: bool) -> float:
    """Return how much later a Lambda starts than the first."""
    if not ramp:
        return 0.0
    return max(0.0, number - ASSUMED["Lambdas that SQS starts at once"]) / ASSUMED["Lambdas that SQS adds a second"]


def _dollars(busy: float, workers: int, count: int, makespan: float) -> float:
    lambdas = busy * 3008 / 1024 * PRICES["lambda arm GB-second"] + workers * PRICES["lambda request"]
    slot = (2 * PRICES["fargate arm vCPU-hour"] + 8 * PRICES["fargate arm GB-hour"]) * makespan / 3600
    return float(lambdas + slot + count * (2 * PRICES["s3 put"] + 3 * PRICES["s3 get"]))


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
