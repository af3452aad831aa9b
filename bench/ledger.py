"""The ledger: what its scripts cost on a real Redis. Medians of several rounds."""

from __future__ import annotations

import statistics
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from bench import timed
from chalicelib.jobs import MediaJob
from chalicelib.ledger import Ledger, new_token
from chalicelib.scripts import Scripts
from infra.local import parts
from infra.local.process import LOOPBACK, pick_port

if TYPE_CHECKING:
    from bench import Figures

ROUNDS = 5
DEPTHS = (0, 100_000)


def run() -> Figures:
    """Measure the scripts on a Redis of their own."""
    with tempfile.TemporaryDirectory() as folder:
        port = pick_port()
        url = f"redis://{LOOPBACK}:{port}/0"
        server = parts.redis_part(Path(folder) / "redis", port).start()
        try:
            scripts = Scripts(url, "{bench}")
            return {
                "stats_us": stats_latency(scripts, url),
                "ledger_jobs_per_second": throughput(scripts),
                "bytes_per_waiting_job": memory(scripts),
            }
        finally:
            server.stop()


def stats_latency(scripts: Scripts, url: str) -> dict[str, float]:
    """Median time of `stats`, in microseconds, of an empty ledger and of one with many waiting jobs, measured in turns."""
    scripts.redis.flushall()
    ledgers = {depth: Ledger(Scripts(url, f"{{bench-{depth}}}")) for depth in DEPTHS}
    for depth, ledger in ledgers.items():
        _fill(ledger, depth)
    samples: dict[int, list[float]] = {depth: [] for depth in DEPTHS}
    for _ in range(4 * ROUNDS):
        for depth, ledger in ledgers.items():
            samples[depth].append(timed(ledger.stats, 500))
    medians = {str(depth): round(statistics.median(samples[depth]) * 1e6, 1) for depth in DEPTHS}
    return medians | {"ratio": round(medians[str(DEPTHS[-1])] / medians["0"], 3)}


def throughput(scripts: Scripts) -> dict[str, float]:
    """Transitions of one Python process at concurrency 1, in jobs a second."""
    ledger, count, rounds = Ledger(scripts), 5000, []
    for _ in range(ROUNDS):
        scripts.redis.flushall()
        jobs = [_job(0) for _ in range(count)]  # of one user and priority: every ticket finds its own job
        started = time.perf_counter()
        admitted = [ledger.admit(job, "pending", -1).send for job in jobs]
        between = time.perf_counter()
        for job in admitted:
            assert job is not None
            claim = ledger.claim(job.pool, job.id, job.job_id, new_token())
            assert claim.job is not None
            ledger.finish(claim.job, claim.token, "completed", {})
        rounds.append((count / (between - started), count / (time.perf_counter() - between)))
    admit, finish = (round(statistics.median(column)) for column in zip(*rounds, strict=True))
    return {"admit": admit, "claim_and_finish": finish}


def memory(scripts: Scripts) -> int:
    """Redis memory of a waiting job at 20 000 of them, in bytes."""
    ledger, count = Ledger(scripts), 20_000
    scripts.redis.flushall()
    before = scripts.redis.info("memory")["used_memory"]
    _fill(ledger, count)
    return round((int(scripts.redis.info("memory")["used_memory"]) - int(before)) / count)


def _fill(ledger: Ledger, count: int) -> None:
    for number in range(count):
        ledger.admit(_job(number), "pending", -1)


def _job(number: int) -> MediaJob:
    return MediaJob(
        job_id=str(uuid.uuid4()),
        user_id=str(uuid.UUID(int=number % 100)),
        operation="transcoding",
        pool="container",
        priority=1 + number % 100,
        cycle="2026-11",
        input_file_id=str(uuid.uuid4()),
        params={"format": "mp4", "resolution": "1080p", "codec": "h264"},
    )
