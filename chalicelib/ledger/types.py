"""What the ledger answers, typed. Times are in ms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import msgspec

from chalicelib.domain.jobs import MediaJob  # noqa: TC001 - msgspec reads the annotations


@dataclass(frozen=True)
class Admission:
    """The answer of `admit`: see `lua/admit.lua` for the words."""

    word: str
    id: str = ""
    send: MediaJob | None = None
    """The envelope that needs a ticket, if any."""
    delay_ms: int = 0
    """How long until that job is due."""


@dataclass(frozen=True)
class Claim:
    """The answer of `claim`: a job to run when `word` is `run`, else what to do with the ticket."""

    word: str
    hold_ms: int = 0
    job: MediaJob | None = None
    token: str = ""
    attempt: int = 0
    stalls: int = 0
    runs: int = 0
    """How often the job was claimed, this time included."""
    notes: str = ""
    """What the workers before this one wrote down: see `notes.py`."""
    cancelled: bool = False
    """Whether somebody has cancelled it: it is to be closed, and not to be started."""


class Stats(NamedTuple):
    """The published counts and the figures of the taxonomy cache."""

    waiting: int
    active: int
    delayed: int
    completed: int
    failed: int
    size: int
    hits: int
    misses: int


class Census(NamedTuple):
    """What the keeper needs to seed the totals after a wipe."""

    seeded: bool
    age_ms: int
    completed: int
    failed: int
    open: list[str]
    """The jobs whose record may be closed although they are not counted yet."""


class Sweep(NamedTuple):
    """What a sweep found."""

    missing: list[MediaJob]
    """The jobs that need a fresh ticket."""
    paused: frozenset[str]
    """The pools that are paused."""
    due: int
    """How many outcomes are due to be told."""
    untold: int
    """How many of them have been for so long that nobody seems to be awake."""


class Observation(NamedTuple):
    """What the gauges are made of."""

    finished: int
    """How many jobs completed or failed within the window."""
    failed: int
    still_ms: int
    """How long no running job has made progress and none has ended; 0 when none is running."""
    oldest_waiting_ms: int
    memory_used: int
    """Bytes."""
    memory_allowed: int
    """Bytes; 0 is no limit."""
    waiting: dict[str, int]
    """By pool."""
    active: dict[str, int]
    """By pool."""
    paused: frozenset[str]
    """The pools that are paused."""


class Verdict(NamedTuple):
    """Which alarms are on."""

    now_ms: int
    observed_ms: int
    """When the keeper last looked; 0 is never."""
    on: dict[str, int]
    """Alarm -> when it turned on (ms)."""


class Sight(msgspec.Struct, kw_only=True):
    """What the ledger knows of one job."""

    id: str
    state: Literal["waiting", "delayed", "active", "completed", "failed", "cancelled", "retracted"]
    user: str = ""
    operation: str = ""
    pool: str = ""
    priority: int = 0
    attempts: int = 0
    """How many failed."""
    runs: int = 0
    """How often it was claimed."""
    stalls: int = 0
    progress: int = 0
    at_ms: int | None = None
    """When a delayed job is due, when the lease of an active one ends."""
    position: int | None = None
    """Of a waiting job: its place in the line of its pool, 1 is next."""
    starts_ms: int | None = None
    """Of a waiting job: when it may start, as fast as the line moves; None when that is not known."""
    paused: bool = False
    """Whether the pool of a waiting job is paused."""
    body: str = ""
    """The envelope of an open job."""
    notes: str = ""
    """What its workers wrote down: see `notes.py`."""
    callback: str = ""
    """The address that the end of an open job is told to."""
    told: Told | None = None
    """How the telling of its end goes."""


class Try(msgspec.Struct):
    """A try to tell a callback address."""

    at_ms: int
    status: int
    """Of the answer; 0: there was none."""
    error: str
    """What went wrong; "" is nothing."""


class Told(msgspec.Struct):
    """The tries to tell an outcome."""

    url: str
    tries: list[Try] = []
    over: bool = False
    """Whether there will be no more."""


class Pool(NamedTuple):
    """One line of jobs."""

    waiting: int
    paused: bool
    pace_ms: int
    """Between two starts while jobs waited; 0: not known."""


class Sample(NamedTuple):
    """What the keeper saw once. Completed and failed only ever grow, until Redis is wiped."""

    at_ms: int
    completed: int
    failed: int
    waiting: int
    active: int


class Callback(NamedTuple):
    """An outcome that is due to be told."""

    job_id: str
    id: str
    outcome: str
    body: str
    """The envelope."""
    tries: int
    """How many there have been."""
