"""The faults: signals, and what proxies do. Each is a function of the field that restores the initial state."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from chalicelib.ledger.scripts import source
from infra.local.processes import PARTS_BUCKET
from infra.local.proxies.watch import Watch
from tests.chaos.http_fault import Fault

if TYPE_CHECKING:
    import random

    from tests.chaos.field import Field, Process

Act = Callable[["Field", "random.Random"], None]
TRIGGERS = {
    "claim": ("redis", source("jobs/claim")[1].encode()),
    "finish": ("redis", source("jobs/finish")[1].encode()),
    "renew": ("redis", source("jobs/renew")[1].encode()),
    "completed": ("directus", b'"status": "completed"'),
    "upload": ("directus", b"POST /files "),
    "delete": ("sqs", b"AmazonSQS.DeleteMessage"),
    "part claim": ("redis", source("parts/claim")[1].encode()),
    "part finish": ("redis", source("parts/finish")[1].encode()),
    "part result": ("sqs", b"/result-"),
}


def kill_worker(field: Field, dice: random.Random) -> None:
    """kill -9, at random."""
    _worker(field, dice).signal(signal.SIGKILL)


def kill_worker_at(trigger: str, *, after: bool) -> Act:
    """kill -9 the moment that something passes, before or after it does."""

    def act(field: Field, dice: random.Random) -> None:
        worker = _worker(field, dice)
        with _signalled_at(worker, trigger, signal.SIGKILL, after=after):
            _wait(lambda: not worker.alive, 15)

    return act


def freeze_worker(field: Field, dice: random.Random) -> None:
    """SIGSTOP: longer than its leases last, or not quite."""
    worker = _worker(field, dice)
    worker.signal(signal.SIGSTOP)
    time.sleep(dice.choice([3, 9, 16]))
    worker.signal(signal.SIGCONT)


def freeze_worker_at(trigger: str) -> Act:
    """SIGSTOP the moment that something has passed, until another worker has the job."""

    def act(field: Field, dice: random.Random) -> None:
        worker = _worker(field, dice)
        with _signalled_at(worker, trigger, signal.SIGSTOP, after=True):
            time.sleep(16)
        worker.signal(signal.SIGCONT)

    return act


def terminate(field: Field, dice: random.Random) -> None:
    """SIGTERM to any process, as a deployment does."""
    field.processes[dice.choice(sorted(field.processes))].signal(signal.SIGTERM)


def kill_api(field: Field, dice: random.Random) -> None:
    """kill -9 the API between admit and send."""
    api = field.processes["api"]
    watch = Watch(b"AmazonSQS.SendMessage", lambda: api.signal(signal.SIGKILL), after=dice.random() < 0.5)
    api.sqs.watches.append(watch)
    _wait(lambda: not api.alive, 10)
    api.sqs.watches.remove(watch)


def kill_maintenance(field: Field, dice: random.Random) -> None:
    """kill -9 the maintenance task."""
    del dice
    field.processes["maintenance"].signal(signal.SIGKILL)


def flush(field: Field, dice: random.Random) -> None:
    """FLUSHALL."""
    del dice
    field.scripts.redis.flushall()


def roll_redis_back(field: Field, dice: random.Random) -> None:
    """Kill Redis; what it wrote in the last second is lost."""
    field.restart_redis(lose_seconds=dice.choice([0.3, 1.0, 1.0]))


def empty_redis(field: Field, dice: random.Random) -> None:
    """Kill Redis and start it with nothing."""
    del dice
    field.restart_redis(lose_seconds=None)


def freeze_redis(field: Field, dice: random.Random) -> None:
    """SIGSTOP Redis."""
    process = field.stores["redis"].process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    field.recorder.note("api without redis", who="freeze")
    time.sleep(dice.choice([2, 8, 20]))
    field.recorder.note("api with redis", who="freeze")
    process.send_signal(signal.SIGCONT)


def redis_connections(mode: str) -> Act:
    """What becomes of the connections to Redis, of all processes or of one worker."""

    def act(field: Field, dice: random.Random) -> None:
        those = list(field.processes.values()) if dice.random() < 0.5 else [_worker(field, dice)]
        for process in those:
            process.redis.set_mode(mode)
        if len(those) > 1:
            field.recorder.note("api without redis", who=mode)
        time.sleep(dice.choice([2, 7, 15]))
        if len(those) > 1:
            field.recorder.note("api with redis", who=mode)
        for process in those:
            process.redis.set_mode("pass")
            process.redis.hang_up()

    return act


def http(where: str, kind: str) -> Act:
    """What SQS or Directus do wrong to a share of the calls, of all processes."""

    def act(field: Field, dice: random.Random) -> None:
        fault = Fault(kind, dice.choice([0.2, 0.5, 1.0]) if kind != "lost answer" else dice.choice([0.1, 0.3]), dice)
        those = list(field.processes.values())
        for process in those:
            getattr(process, where).fault = fault
        time.sleep(dice.choice([2, 6, 12]))
        for process in those:
            getattr(process, where).fault = None

    return act


def store(kind: str) -> Act:
    """What the store of parts does wrong to a share of the calls, of all workers."""

    def act(field: Field, dice: random.Random) -> None:
        fault = Fault(kind, dice.choice([0.2, 0.5, 1.0]), dice, only=f"/{PARTS_BUCKET}")
        those = list(field.processes.values())
        for process in those:
            process.sqs.fault = fault
        time.sleep(dice.choice([4, 12]))
        for process in those:
            process.sqs.fault = None

    return act


def full_disk(field: Field, dice: random.Random) -> None:
    """Another worker, whose work folder is a disk of 200 kB."""
    del dice
    folder = field.home / "small"
    folder.mkdir(exist_ok=True)
    script = f'mount -t tmpfs -o size=200k tmpfs {folder} && exec "$@"'
    name = "worker-small"
    field.add_worker(name, ("unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh"), WORK_DIR=str(folder))
    time.sleep(12)
    field.remove(name)


FAULTS: dict[str, Act] = {
    "kill worker": kill_worker,
    **{f"kill worker before {name}": kill_worker_at(name, after=False) for name in TRIGGERS},
    **{f"kill worker after {name}": kill_worker_at(name, after=True) for name in TRIGGERS},
    "freeze worker": freeze_worker,
    **{
        f"freeze worker at {name}": freeze_worker_at(name)
        for name in ("claim", "completed", "finish", "delete", "part claim", "part finish")
    },
    "terminate": terminate,
    "kill api": kill_api,
    "kill maintenance": kill_maintenance,
    "flushall": flush,
    "roll redis back": roll_redis_back,
    "empty redis": empty_redis,
    "freeze redis": freeze_redis,
    "cut redis": redis_connections("cut"),
    "half-open redis": redis_connections("swallow"),
    "deaf redis": redis_connections("deaf"),
    **{f"sqs {kind}": http("sqs", kind) for kind in ("500", "cut", "slow", "lost answer")},
    **{f"directus {kind}": http("directus", kind) for kind in ("500", "429", "timeout", "lost answer", "cut")},
    **{f"store {kind}": store(kind) for kind in ("507", "cut", "slow", "lie", "lost answer")},
    "full disk": full_disk,
}
WIPES = {"flushall", "roll redis back", "empty redis"}
"""After these the totals start anew."""


@contextmanager
def _signalled_at(worker: Process, trigger: str, number: int, *, after: bool) -> Iterator[None]:
    """Send a worker a signal, once, at the moment that something passes while this lasts."""
    where, text = TRIGGERS[trigger]
    watch = Watch(text, lambda: worker.signal(number), after=after)
    watches = getattr(worker, where).watches
    watches.append(watch)
    try:
        yield
    finally:
        watches.remove(watch)


def _worker(field: Field, dice: random.Random) -> Process:
    return field.processes[dice.choice([name for name in field.processes if name.startswith("worker-")])]


def _wait(true: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not true():
        time.sleep(0.05)
