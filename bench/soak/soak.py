"""Fills a ledger with jobs of many users, lets workers drain it while they are killed, and looks at its costs on the way.

Redis, the scripts, the tickets, the leases and the worker are the real ones. The emulator of SQS is slower the more messages it
has. So only some of the jobs have a ticket; the others are found as jobs are whose ticket was lost.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from bench import noop
from bench.ledger import job
from chalicelib.ledger.ledger import new_token
from chalicelib.ledger.scripts import FOLDER, source
from chalicelib.queues.tickets import Sending
from infra.local.processes import AWS_ENVIRONMENT, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench import Figures
    from chalicelib.ledger.types import Claim

USERS = 100_000
TICKETS = 5000
WORKERS, SLOTS = 2, 8
KILL_SECONDS = 5.0
STALLED_SECONDS = 60.0
"""With no job ended for so long, the soak fails. A killed worker's jobs run again after 13 s."""
SAMPLES = 500
SLOW_US = 5000
HOUR_MS = 3_600_000
REPORT_SECONDS = 10.0
FIRST_DEPTH = 1000


class Stalled(RuntimeError):
    """Jobs were left."""


def soak(jobs: int, seconds: float = 0.0, seed: int = 7) -> Figures:
    """Run `jobs` jobs of `seconds` each, a tenth of them delayed (100 000 at most), and return what was seen.

    Raises:
        Stalled: some did not end.
    """
    with noop.system() as system:
        watch = Watch(system)
        delayed = min(jobs // 10, 100_000)
        began = time.monotonic()
        figures = _fill(system, watch, jobs - delayed)
        _delay(system, delayed, time.monotonic() - began)
        figures["with all waiting and delayed"] = watch.costs()
        drained = time.monotonic()
        kills = _drain(system, jobs + watch.sampled, seconds, random.Random(seed))  # noqa: S311 - a bench
        taken = time.monotonic() - drained
        figures["at the end"] = watch.costs()
        return figures | {
            "drain": {"jobs a second": round(jobs / taken), "workers killed": kills},
            "ended": watch.ended(jobs),
            "memory": watch.memory(),
            "scripts slower than 5 ms": watch.slow(),
        }


class Watch:
    """The costs of a ledger."""

    def __init__(self, system: noop.System) -> None:
        self._system = system
        self._redis = system.scripts.redis
        self._redis.config_set("slowlog-log-slower-than", SLOW_US)
        self._redis.config_set("slowlog-max-len", 10_000)
        self._memory = int(self._redis.info("memory")["used_memory"])
        self.sampled = 0
        """Jobs that were admitted to see what they cost."""

    def costs(self) -> dict[str, float]:
        """Return microseconds of Redis of each script: its mean, and of those that look at all jobs the slowest of 20."""
        ledger = self._system.ledger
        admitted = partial(ledger.admit, record="pending", limit=-1)
        found: dict[str, float] = {"waiting": ledger.stats().waiting}
        made = [job(number) for number in range(SAMPLES)]
        self.sampled += SAMPLES
        found["admit us"] = self._mean([partial(admitted, one) for one in made])
        looks: dict[str, Callable[[], object]] = {
            "sweep": ledger.sweep,
            "stats": ledger.stats,
            "pools": ledger.pools,
            "observe": partial(ledger.observe, HOUR_MS),
        }
        for name, look in looks.items():
            found[f"{name} us, at most"] = max(self._mean([look]) for _ in range(20))
        claims: list[Claim | None] = []
        found["claim us"] = self._mean([lambda: claims.append(ledger.claim_next("container", new_token()))] * SAMPLES)
        held = [(claim.job, claim.token) for claim in claims if claim is not None and claim.job is not None]
        found["renew us"] = self._mean([partial(ledger.renew, *one) for one in held])
        found["finish us"] = self._mean([partial(ledger.finish, *one, "completed", {}) for one in held])
        return {name: round(value, 1) for name, value in found.items()}

    def ended(self, jobs: int) -> dict[str, int]:
        """Return how many jobs ended, by their markers and by the totals.

        Raises:
            Stalled: it is not every job, once.
        """
        expected = jobs + self.sampled
        markers = sum(1 for _ in self._redis.scan_iter("{bench}:done:*", count=10_000))
        stats = self._system.ledger.stats()
        left = stats.waiting + stats.active + stats.delayed
        if not markers == stats.completed == expected or left:
            raise Stalled(f"{expected} jobs: {markers} have ended, {stats.completed} were counted, {left} are left")
        return {"jobs": markers, "counted": stats.completed}

    def memory(self) -> dict[str, int]:
        """Return the memory of an empty Redis before, and after, without the markers of ended jobs, which live for a day."""
        doomed = list(self._redis.scan_iter("{bench}:done:*", count=10_000))
        for first in range(0, len(doomed), 10_000):
            self._redis.delete(*doomed[first : first + 10_000])
        time.sleep(1)
        return {"MB before": self._memory >> 20, "MB after": int(self._redis.info("memory")["used_memory"]) >> 20}

    def slow(self) -> dict[str, float]:
        """Return the slow runs of each script, and the slowest in ms. The clock runs on while another process has the core."""
        names = {source(name)[1]: name for name in _script_names()}
        found: dict[str, float] = {}
        for entry in self._redis.slowlog_get(10_000):
            command, *rest = entry["command"].decode(errors="replace").split()
            if command != "EVALSHA":  # our own looks at the keys
                continue
            name = names.get(rest[0], rest[0])
            found[name] = found.get(name, 0) + 1
            found[f"{name}, slowest ms"] = max(found.get(f"{name}, slowest ms", 0), round(entry["duration"] / 1000, 1))
        return found or {"none": 0}

    def _mean(self, calls: list[Callable[[], Any]]) -> float:
        before = self._micros()
        for call in calls:
            call()
        return (self._micros() - before) / len(calls)

    def _micros(self) -> float:
        """Return the processor time of Redis in microseconds."""
        used = self._redis.info("cpu")
        return 1e6 * (float(used["used_cpu_user"]) + float(used["used_cpu_sys"]))


def _script_names() -> list[str]:
    return [str(file.relative_to(FOLDER).with_suffix("")) for file in FOLDER.rglob("*.lua") if file.name != "lib.lua"]


def _fill(system: noop.System, watch: Watch, jobs: int) -> Figures:
    """Admit jobs of USERS users, with a ticket each as long as there are few; look at the costs at each power of ten."""
    tickets = system.tickets(system.sqs)
    figures: Figures = {}
    depth, said = FIRST_DEPTH, time.monotonic()
    for number in range(jobs):
        made = msgspec.structs.replace(job(number), user_id=f"user-{number % USERS}")
        admitted = system.ledger.admit(made, "pending", -1).send
        assert admitted is not None
        if number < TICKETS:
            tickets.send_all([Sending(admitted)])
        if number + 1 == depth:
            figures[f"with {depth} waiting"] = watch.costs()
            depth *= 10
        if number + 1 == jobs or time.monotonic() - said >= REPORT_SECONDS:
            _say(f"{number + 1} of {jobs} jobs wait")
            said = time.monotonic()
    return figures


def _delay(system: noop.System, jobs: int, seconds: float) -> None:
    """Admit jobs that are due within about the time that the drain takes."""
    for number in range(jobs):
        made = msgspec.structs.replace(job(number), user_id=f"user-{number % USERS}")
        due_ms = round(1000 * (5 + seconds * number / jobs))
        if system.ledger.admit(made, "pending", -1, due_ms).word != "admitted":
            raise Stalled("a delayed job was not admitted")
    _say(f"{jobs} more are delayed")


def _drain(system: noop.System, jobs: int, seconds: float, dice: random.Random) -> int:
    """Let workers run everything, and kill one from time to time; return how many were killed."""
    kills, last, seen, said = 0, time.monotonic(), -1, 0.0
    kill_at = time.monotonic() + KILL_SECONDS
    with _workers(system, seconds) as running:
        while True:
            stats = system.ledger.stats()
            if not stats.waiting + stats.active + stats.delayed:
                return kills
            now = time.monotonic()
            if stats.completed != seen:
                last, seen = now, stats.completed
            if now - last > STALLED_SECONDS:
                raise Stalled(f"no job has ended for {STALLED_SECONDS:.0f} s: {stats}")
            if now >= kill_at:
                kills, kill_at = kills + 1, now + KILL_SECONDS
                at = dice.randrange(len(running))
                _kill(running[at])
                running[at] = _start(system, seconds)
            if now - said >= REPORT_SECONDS:
                _say(f"{stats.completed} of {jobs} have ended, {stats.active} run, {stats.delayed} are delayed")
                said = now
            time.sleep(0.2)


@contextmanager
def _workers(system: noop.System, seconds: float) -> Iterator[list[subprocess.Popen[bytes]]]:
    running = [_start(system, seconds) for _ in range(WORKERS)]
    try:
        yield running
    finally:
        for one in running:
            _kill(one)


def _start(system: noop.System, seconds: float) -> subprocess.Popen[bytes]:
    about = {"SOAK_SECONDS": str(seconds), "SOAK_SLOTS": str(SLOTS), "QUEUE_URL": system.queues["QUEUE_URL_CONTAINER"]}
    environment = {**os.environ, **AWS_ENVIRONMENT, "REDIS_URL": system.redis_url, "AWS_ENDPOINT_URL": system.sqs, **about}
    return subprocess.Popen([sys.executable, "-m", "bench.soak.worker"], cwd=ROOT, env=environment)


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
