"""The typed answers of the ledger. Times are in ms since 1970 unless a field says otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from chalicelib.domain.jobs import MediaJob  # noqa: TC001 - msgspec reads the annotations

if TYPE_CHECKING:
    from collections.abc import Sequence

Phase = Literal["starting", "started", "closing", "cancelling"]
"""What the lease holder does with the record: see `lua/jobs/renew.lua`."""


@dataclass(frozen=True)
class Admission:
    """The answer of `admit`. `lua/jobs/admit.lua` lists the values of `word`."""

    word: str
    id: str = ""
    send: MediaJob | None = None
    """The job that needs a ticket, if any."""
    delay_ms: int = 0
    """Time until that job is due, in ms."""


class Forecast(NamedTuple):
    """What the ledger would answer to an admission."""

    word: str
    """As that of `Admission`."""
    position: int = 0
    """Its position in the queue; 1 is next."""
    pace_ms: int = 0
    """The time between two starts of the pool while jobs waited; 0: unknown."""
    paused: bool = False


@dataclass(frozen=True)
class Claim:
    """The answer of `claim`: a job to run if `word` is `run`; otherwise what to do with the ticket."""

    word: str
    hold_ms: int = 0
    job: MediaJob | None = None
    token: str = ""
    attempt: int = 0
    stalls: int = 0
    runs: int = 0
    """How often the job was claimed, this claim included."""
    journal: str = ""
    """The journal of earlier runs: see `domain/attempts.py`."""
    cancelled: bool = False
    """True: the job was cancelled. The worker closes it and does not start it."""


class Claims(NamedTuple):
    """The answer of a claim with several tickets."""

    tickets: list[Claim]
    """What to do with each ticket whose job is not among `jobs`."""
    jobs: list[Claim]
    """The claimed jobs."""


class NextClaim(NamedTuple):
    """The claim of the next job by a worker that ends one."""

    token: str
    pools: Sequence[str]
    """Of the worker, in the order in which it looks for a job."""
    after_parts: bool = False
    """Leave the turn of jobs with parts to them: the worker can take parts."""


class Finished(NamedTuple):
    """The answer of `finish`."""

    word: str
    """ok, lost or unknown"""
    next: Claim | None = None
    """The job that was claimed next; None: there is none to claim, or it was not wanted."""


class Renewal(NamedTuple):
    """A lease to renew."""

    job: MediaJob
    token: str
    progress: int | None = None
    """0 to 100."""
    phase: Phase = "started"
    journal: str = ""


class Stats(NamedTuple):
    """The published counts, and the figures of the taxonomy cache."""

    waiting: int
    active: int
    delayed: int
    completed: int
    failed: int
    size: int
    hits: int
    misses: int


class TotalsSnapshot(NamedTuple):
    """What the maintenance task needs to seed the totals after a wipe."""

    seeded: bool
    age_ms: int
    """Time since the first write after the wipe."""
    completed: int
    failed: int
    open: list[str]
    """Jobs whose record may be closed but which are not counted yet."""


class Sweep(NamedTuple):
    """The result of a sweep."""

    missing: list[MediaJob]
    """Jobs that need a new ticket."""
    paused: frozenset[str]
    """Paused pools."""
    due: int
    """Webhook events that are due."""
    undelivered: int
    """Webhook events that no worker has taken although they have been due for some time."""
    tests: int
    """Tests of credentials that wait for a worker."""
    offered: int
    """Jobs with parts that another worker may take."""
    waiting: dict[str, int]
    """Waiting jobs, by pool."""


class Observation(NamedTuple):
    """The input of the gauges."""

    finished: int
    """Jobs that completed or failed within the window."""
    failed: int
    still_ms: int
    """Time since any running job made progress or ended; 0 if none is running."""
    memory_used: int
    """Bytes."""
    memory_allowed: int
    """Bytes; 0: no limit."""
    waiting: dict[str, int]
    """By pool."""
    active: dict[str, int]
    """By pool."""
    oldest_waiting_ms: dict[str, int]
    """The age of the job that has waited longest, by pool; 0: none waits."""
    paused: frozenset[str]
    """Paused pools."""


class AlarmStates(NamedTuple):
    """The active alarms."""

    now_ms: int
    observed_ms: int
    """The last run of the maintenance task; 0: never."""
    on: dict[str, int]
    """Alarm -> when it turned on."""


class JobSnapshot(msgspec.Struct, kw_only=True):
    """The state of one job in the ledger."""

    id: str
    state: Literal["waiting", "delayed", "active", "completed", "failed", "cancelled", "retracted"]
    user: str = ""
    operation: str = ""
    pool: str = ""
    priority: int = 0
    attempts: int = 0
    """Failed attempts."""
    runs: int = 0
    """How often the job was claimed."""
    stalls: int = 0
    progress: int = 0
    at_ms: int | None = None
    """Delayed: when the job is due. Active: when its lease ends."""
    position: int | None = None
    """Waiting: its position in the queue of its pool; 1 is next."""
    starts_ms: int | None = None
    """Waiting: the estimated start, from the recent pace of the pool; None: unknown."""
    paused: bool = False
    """Waiting: whether the pool is paused."""
    body: str = ""
    """Open: the envelope, as JSON."""
    journal: str = ""
    """Open: what the workers recorded: see `domain/attempts.py`."""
    callback_url: str = ""
    """Open: the address of its webhook."""
    webhook: WebhookStatus | None = None
    """The deliveries of its last webhook event."""
    parts: bool = False
    """Active: whether it runs in parts."""


class WebhookAttempt(msgspec.Struct):
    """One attempt to deliver a webhook."""

    at_ms: int
    status: int
    """The HTTP status of the answer; 0: no answer."""
    error: str
    """The reason of a failure; "": delivered."""


class WebhookStatus(msgspec.Struct):
    """The delivery of one webhook event."""

    url: str
    attempts: list[WebhookAttempt] = []
    finished: bool = False
    """True: delivered, or given up."""


class Pool(NamedTuple):
    """The queue of one pool."""

    waiting: int
    paused: bool
    pace_ms: int
    """Smoothed time between two claims while jobs waited; 0: unknown."""


class Sample(NamedTuple):
    """One observation of the trend. The totals only grow, until Redis is wiped."""

    at_ms: int
    completed: int
    failed: int
    waiting: int
    active: int
