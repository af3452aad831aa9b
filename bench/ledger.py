"""The ledger against BullMQ: the same payload on the same Redis, alternately. Medians of several rounds."""

from __future__ import annotations

import statistics
import tempfile
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from bench import peers, timed
from chalicelib.domain import jobs
from chalicelib.domain.jobs import MediaJob
from chalicelib.ledger.ledger import Ledger, new_token
from chalicelib.ledger.scripts import Scripts
from chalicelib.ledger.types import NextClaim
from infra.local import processes
from infra.local.process import pick_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench import Figures

ROUNDS = 3
JOBS = 5000
CONCURRENCIES = (1, 8, 32)
DELAYED = 20_000
HOUR_MS = 3_600_000
DEPTHS = (0, 10_000, 100_000)
Measured = tuple[float, float]
"""Seconds, and seconds of Redis CPU."""


def run() -> Figures:
    """Measure both on one Redis."""
    with redis_server() as url:
        scripts = Scripts(url, "{bench}")
        figures = throughput(scripts, url)
        return figures | delayed(scripts) | waiting(scripts, url)


@contextmanager
def redis_server() -> Iterator[str]:
    """Run a Redis like the local system's; yield its URL."""
    with tempfile.TemporaryDirectory() as folder:
        port = pick_port()
        server = processes.redis_process(Path(folder) / "redis", port).start()
        try:
            yield processes.redis_url(Path(folder) / "redis", port)
        finally:
            server.stop()


def throughput(scripts: Scripts, url: str) -> Figures:
    """Jobs a second through admit, and through claim and finish; Redis time per job."""
    figures: Figures = {}
    for concurrency in CONCURRENCIES:
        rounds: dict[str, list[Measured]] = {}
        for _ in range(ROUNDS):
            made = [job(0) for _ in range(JOBS)]
            for side in (_ours(scripts, made, concurrency), _bullmq(scripts, url, made, concurrency)):
                for name, measured in side.items():
                    rounds.setdefault(name, []).append(measured)
        seconds = {name: statistics.median(one[0] for one in several) for name, several in rounds.items()}
        cpu = {name: statistics.median(one[1] for one in several) for name, several in rounds.items()}
        rates = {name: round(JOBS / value) for name, value in seconds.items()}
        micros = {
            f"{side} Redis us a job": round((cpu[f"{side} admit"] + cpu[f"{side} drain"]) / JOBS * 1e6, 1) for side in SIDES
        }
        figures[f"jobs a second at {concurrency}"] = {
            **rates,
            "admit ratio": round(rates["mediaq admit"] / rates["bullmq admit"], 3),
            "drain ratio": round(rates["mediaq drain"] / rates["bullmq drain"], 3),
            **micros,
            "Redis ratio": round(micros["mediaq Redis us a job"] / micros["bullmq Redis us a job"], 3),
        }
    made = [job(0) for _ in range(JOBS)]
    scripts.redis.flushall()
    environment = {"REDIS_URL": url}
    port = {"admit": peers.python("bullmq_python.py", "admit", {"jobs": payload(made)}, environment)["seconds"]}
    port["drain"] = peers.python("bullmq_python.py", "drain", {"count": JOBS, "concurrency": 1}, environment)["seconds"]
    figures["BullMQ for Python at 1"] = {name: round(JOBS / seconds) for name, seconds in port.items()}
    return figures


SIDES = ("mediaq", "bullmq")


def _ours(scripts: Scripts, made: list[MediaJob], concurrency: int) -> dict[str, Measured]:
    scripts.redis.flushall()
    ledger = Ledger(scripts)
    admit = _measured(scripts, lambda: _each(made, concurrency, lambda one: ledger.admit(one, "pending", -1)))
    finish = _measured(scripts, lambda: _drain(ledger, concurrency))
    assert ledger.stats().completed == len(made)
    return {"mediaq admit": admit, "mediaq drain": finish}


def _bullmq(scripts: Scripts, url: str, made: list[MediaJob], concurrency: int) -> dict[str, Measured]:
    scripts.redis.flushall()
    admit = peers.bullmq("admit", {"jobs": payload(made), "concurrency": concurrency}, url)
    drain = peers.bullmq("drain", {"count": len(made), "concurrency": concurrency}, url)
    return {
        "bullmq admit": (admit["seconds"], admit["redis_seconds"]),
        "bullmq drain": (drain["seconds"], drain["redis_seconds"]),
    }


def delayed(scripts: Scripts) -> Figures:
    """Jobs a second through claim and finish, alone and next to many delayed jobs, alternately."""
    seconds: dict[int, list[float]] = {}
    for _ in range(ROUNDS):
        for count in (0, DELAYED):
            scripts.redis.flushall()
            ledger = Ledger(scripts)
            _each(
                [job(number) for number in range(count)], 8, partial(ledger.admit, record="pending", limit=-1, delay_ms=HOUR_MS)
            )
            for _ in range(1000):
                ledger.admit(job(0), "pending", -1)
            seconds.setdefault(count, []).append(timed(partial(_drain, ledger, 1)))
    rates = {f"beside {count}": round(1000 / statistics.median(values)) for count, values in seconds.items()}
    return {"jobs a second beside delayed ones": rates}


def _drain(ledger: Ledger, concurrency: int) -> None:
    """Claim and finish until nothing waits, as the slots of a busy worker do: the end of a job claims the next one."""
    _each(list(range(concurrency)), concurrency, lambda _: _work(ledger))
    assert not ledger.stats().waiting


def _work(ledger: Ledger) -> None:
    claim = ledger.claim_next("container", new_token())
    while claim is not None and claim.job is not None:
        wanted = NextClaim(new_token(), ("container",))
        claim = ledger.finish_and_claim(claim.job, claim.token, "completed", {}, 0, "", 0, wanted).next


def waiting(scripts: Scripts, url: str) -> Figures:
    """The cost of many waiting jobs: memory, and the time of the published counts."""
    made = [job(number) for number in range(DEPTHS[-1])]
    used: dict[str, list[int]] = {}
    stats: dict[str, dict[int, float]] = {}
    for side in SIDES:
        scripts.redis.flushall()
        done, ledger = 0, Ledger(scripts)
        used[side] = [_memory(scripts)]
        for depth in DEPTHS:
            more, done = made[done:depth], depth
            if side == "mediaq":
                _each(more, 8, partial(ledger.admit, record="pending", limit=-1))
            else:
                peers.bullmq("admit", {"jobs": payload(more), "concurrency": 32}, url)
            samples = [_stats(side, ledger, url) for _ in range(ROUNDS)]
            stats.setdefault(side, {})[depth] = round(statistics.median(samples), 1)
        used[side].append(_memory(scripts))
    each = {side: round((after - before) / DEPTHS[-1]) for side, (before, after) in used.items()}
    return {
        "bytes a waiting job at 100 000": {**each, "ratio": round(each["mediaq"] / each["bullmq"], 3)},
        **{f"{side} stats us": {**{str(depth): value for depth, value in at.items()}} for side, at in stats.items()},
        "stats at 100 000 to at 0": {side: round(at[DEPTHS[-1]] / at[0], 3) for side, at in stats.items()},
    }


def _stats(side: str, ledger: Ledger, url: str) -> float:
    if side == "bullmq":
        return float(peers.bullmq("stats", {"times": 1000}, url))
    return timed(ledger.stats, 1000) * 1e6


def _each(several: list[Any], concurrency: int, call: Callable[[Any], Any]) -> list[Any]:
    if concurrency == 1:
        return [call(one) for one in several]
    with ThreadPoolExecutor(concurrency) as threads:
        return list(threads.map(call, several))


def _measured(scripts: Scripts, call: Callable[[], object]) -> Measured:
    before = _cpu(scripts)
    seconds = timed(call)
    return seconds, _cpu(scripts) - before


def _cpu(scripts: Scripts) -> float:
    info = scripts.redis.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


def _memory(scripts: Scripts) -> int:
    return int(scripts.redis.info("memory")["used_memory"])


def job(number: int) -> MediaJob:
    """Return a job of one of a hundred users and priorities."""
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


def payload(made: list[MediaJob]) -> list[dict[str, Any]]:
    """Return jobs in BullMQ's form: the same envelopes."""
    return [{"id": str(uuid.uuid4()), "priority": one.priority, "data": msgspec.json.decode(jobs.encode(one))} for one in made]
