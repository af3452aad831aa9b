"""The ledger: which job runs next, who holds it, and the exact counts.

A typed face for the scripts in `lua/`, where every transition is described. Times are in ms. The clock is that of Redis;
tests inject another through `now`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from chalicelib.domain import jobs
from chalicelib.domain.jobs import MediaJob
from chalicelib.ledger.types import Admission, Callback, Census, Claim, Observation, Pool, Sample, Sight, Stats, Sweep, Verdict
from chalicelib.settings import POOLS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chalicelib.ledger.scripts import Scripts

LEASE_MS = 10_000
SECOND_LOOK_MS = 3_000
STARVED_MS = 60_000
SWEEP_AT_MOST = 100
SCHEDULED_AT_MOST = 1000
"""How many jobs of one user may wait for a time that the user named."""
UNREADABLE_MS = 30_000
HISTORY = {"completed": 100, "failed": 1000, "cancelled": 0, "retry": 0}

Outcome = Literal["completed", "failed", "cancelled", "retry"]
RecordState = Literal["pending", "processing", "failed", "reopened"]
Phase = Literal["starting", "started", "closing", "cancelling"]
"""What the holder of a lease may be doing with its record: see `lua/renew.lua`."""
Clock = Callable[[], int]


class Forgotten(msgspec.Struct):
    """A job to put back: what `adopt` needs to know of it."""

    job: MediaJob
    record: Literal["pending", "processing"]
    attempts: int = 0
    token: str = ""


def new_token() -> str:
    """Mint the secret by which one claim, or one holder of a record's lock, and only that, may speak for its job."""
    return secrets.token_hex(16)


class Ledger:
    """The transitions. Every method raises `LedgerUnavailable` when Redis is away."""

    def __init__(self, scripts: Scripts, now: Clock | None = None) -> None:
        self._scripts = scripts
        self._now = now

    def _call(self, name: str, *args: str | float) -> list[Any]:
        return self._scripts.call(name, "" if self._now is None else self._now(), *args)

    def admit(self, job: MediaJob, record: RecordState, limit: int, delay_ms: int = 0, *, token: str = "") -> Admission:
        """Admit a job whose record is in state `record`, under a plan's `limit` (-1: none).

        `token` takes the lock on a record that is to be reopened.
        """
        word, *rest = self._call(
            "admit", job.job_id, _random_tail(), record, jobs.encode(job), job.user_id, job.operation, job.pool,
            job.priority, delay_ms, job.wall_ms, job.cycle, limit, SCHEDULED_AT_MOST,
            job.callback_url or "", token,
        )  # fmt: skip
        if word == "admitted":
            return Admission(word, rest[0], msgspec.structs.replace(job, id=rest[0]), delay_ms)
        if word == "open":
            id_, send, body, due_ms = rest
            return Admission(word, id_, jobs.decode(body, id_) if send else None, due_ms)
        return Admission(word)

    def seed_usage(self, user_id: str, cycle: str, operation: str, count: int) -> None:
        """Note how many jobs Directus counted for the user in the cycle."""
        self._scripts.call("seed_usage", user_id, cycle, operation, count)

    def retract(self, job_id: str, id_: str, token: str = "") -> str:
        """Undo an admission without a ticket: retracted, shared or kept. Only a kept one may be answered as accepted.

        `token` takes the lock on a record that is to be set back to failed.
        """
        return str(self._call("retract", job_id, id_, token)[0])

    def lock(self, job_id: str, token: str) -> str:
        """Take the lock on a record whose job is not open: ok, open or locked."""
        return str(self._scripts.call("lock", job_id, token, 1)[0])

    def unlock(self, job_id: str, token: str) -> None:
        """Give the lock on a record back, if it is still held by `token`."""
        self._scripts.call("lock", job_id, token, 0)

    def claim(self, pool: str, id_: str, job_id: str, token: str) -> Claim:
        """Claim the best job of `pool` with the ticket of (`id_`, `job_id`)."""
        word, *rest = self._call("claim", pool, id_, job_id, token, LEASE_MS)
        if word == "run":
            id_, best, attempt, stalls, runs, body, notes, cancel = rest
            try:
                job = jobs.decode(body, id_)
            except jobs.UnknownEnvelope:  # of a later release: unharmed, for a worker that knows it
                self._call("release", best, id_, token, UNREADABLE_MS)
                return Claim("hold", hold_ms=1000)
            return Claim(
                word, job=job, token=token, attempt=attempt, stalls=stalls, runs=runs, notes=notes, cancelled=bool(cancel)
            )
        return Claim(word, hold_ms=int(rest[0]) if rest else 0)

    def renew(
        self, job: MediaJob, token: str, progress: int | None = None, *, phase: Phase = "started", notes: str = ""
    ) -> str:
        """Renew the lease: ok, cancelled, locked, lost or unknown."""
        told = "" if progress is None else progress
        return str(self._call("renew", job.job_id, job.id, token, LEASE_MS, told, phase, notes)[0])

    def finish(
        self, job: MediaJob, token: str, outcome: Outcome, summary: dict[str, object], delay_ms: int = 0, notes: str = ""
    ) -> str:
        """End the attempt: ok, lost or unknown. `summary` is what the history keeps, `notes` what a next attempt is given."""
        line = msgspec.json.encode(
            {"id": job.id, "jobId": job.job_id, "operation": job.operation, "user": job.user_id, **summary}
        ).decode()
        args = (job.job_id, job.id, token, outcome, delay_ms, line, HISTORY[outcome], notes)
        return str(self._call("finish", *args)[0])

    def release(self, job: MediaJob, token: str, delay_ms: int = 0, notes: str = "") -> str:
        """Give the job back unharmed: ok, lost or unknown."""
        return str(self._call("release", job.job_id, job.id, token, delay_ms, notes)[0])

    def move(self, job: MediaJob, token: str, notes: str = "") -> str:
        """Hop to the pool that `job` names now: ok, lost or unknown. Its new ticket goes out first."""
        return str(self._call("move", job.job_id, job.id, token, job.pool, jobs.encode(job), notes)[0])

    def forbid(self, job_id: str, id_: str, token: str) -> str:
        """Let no worker close a job from now on but as cancelled: flagged, unknown, busy or closing.

        After flagged and unknown the caller has the lock on the record. `id_` is "" when the ledger knew of no such job.
        """
        return str(self._call("cancel", job_id, id_, 1, token)[0])

    def cancel(self, job_id: str, id_: str, token: str = "") -> tuple[str, bool]:
        """Cancel an open job whose record is failed already: removed, flagged or unknown; and whether it was to run later.

        The lock on the record is given back.
        """
        word, *scheduled = self._call("cancel", job_id, id_, 2, token)
        return str(word), bool(scheduled and scheduled[0])

    def pause(self, pool: str, paused: bool) -> bool:
        """Pause a pool, or let it go on; False when it is so already."""
        return bool(self._scripts.call("pause", pool, int(paused))[0] == "changed")

    def sweep(self) -> Sweep:
        """Requeue what nobody holds, promote what is due, and say what is missing."""
        paused, due, untold, *flat = self._call("sweep", SWEEP_AT_MOST, SECOND_LOOK_MS, STARVED_MS, *POOLS)
        found = [_readable(body, id_) for body, id_ in zip(flat[::2], flat[1::2], strict=True)]
        return Sweep([job for job in found if job is not None], frozenset(filter(None, paused.split(","))), due, untold)

    def adopt(self, forgotten: list[Forgotten]) -> list[str]:
        """Put forgotten jobs back: adopted, known, lost or old for each."""
        entries = [
            {
                "job_id": one.job.job_id, "id": one.job.id, "record": one.record, "token": one.token,
                "attempts": one.attempts, "user": one.job.user_id, "operation": one.job.operation,
                "pool": one.job.pool, "priority": one.job.priority, "wall_ms": one.job.wall_ms,
                "cycle": one.job.cycle, "body": jobs.encode(one.job), "callback": one.job.callback_url or "",
            }
            for one in forgotten
        ]  # fmt: skip
        return self._call("adopt", LEASE_MS, msgspec.json.encode(entries).decode())

    def stats(self) -> Stats:
        """Read all counts in one round trip, at the same cost for any number of jobs."""
        return Stats(*self._scripts.call("stats", *POOLS))

    def look(self, job_id: str) -> Sight | None:
        """Look at a job that is open, or ended within a day."""
        return _sight(self._call("look", 1, job_id)[0])

    def look_at(self, job_ids: list[str]) -> list[Sight | None]:
        """Look at several in one round trip, their envelopes and notes left out."""
        return [_sight(one) for one in self._call("look", 0, *job_ids)] if job_ids else []

    def pools(self) -> dict[str, Pool]:
        """Look at the line of each pool."""
        flat = self._scripts.call("pools", *POOLS)
        return {
            pool: Pool(waiting, bool(paused), pace_ms)
            for pool, waiting, paused, pace_ms in zip(POOLS, flat[::3], flat[1::3], flat[2::3], strict=True)
        }

    def trend(self) -> list[Sample]:
        """Read what the keeper saw of late, the oldest first."""
        lines = [line.split() for line in self._scripts.call("trend")]
        return [Sample(*map(int, line)) for line in lines if len(line) == len(Sample._fields)]  # an older release wrote less

    def usage(self, user_id: str, cycle: str, operations: list[str]) -> dict[str, tuple[int, int | None]]:
        """Return of each operation how many jobs are charged, and how many Directus counted before (None: not asked yet)."""
        flat = self._scripts.call("usage", user_id, cycle, *operations)
        pairs = zip(flat[::2], flat[1::2], strict=True)
        return {
            name: (int(charged), int(seed) if seed != "" else None)
            for name, (charged, seed) in zip(operations, pairs, strict=True)
        }

    def take_callback(self, lease_ms: int) -> Callback | None:
        """Take an outcome that is due to be told; nobody else is given it for `lease_ms`."""
        found = self._call("callback_take", lease_ms)
        return Callback(*found) if found else None

    def note_callback(self, told: Callback, status: int | None, error: str, again_ms: int | None, user_ms: int = 0) -> str:
        """Note a try (`status` None: it was put off, and is none): ok or unknown.

        `again_ms`: when to try again (None: not any more); `user_ms`: how long the other callbacks of its user wait.
        """
        tried = ["" if one is None else one for one in (status, error, again_ms)]
        return str(self._call("callback_note", told.job_id, told.id, told.tries, *tried, user_ms)[0])

    def overdue_callbacks(self, at_most: int) -> list[MediaJob]:
        """Find the jobs whose end nobody tells although it is due."""
        flat = self._call("callback_overdue", at_most)
        found = [_readable(body, id_) for body, id_ in zip(flat[::2], flat[1::2], strict=True)]
        return [job for job in found if job is not None]

    def census(self) -> Census:
        """Read what seeding the totals needs."""
        seeded, age_ms, completed, failed, *open_ = self._call("census")
        return Census(bool(seeded), age_ms, completed, failed, sorted(open_))

    def observe(self, window_ms: int) -> Observation:
        """Look at everything that runs, and at what ended within `window_ms`; for the keeper, once a minute."""
        finished, failed, still, oldest, used, allowed, *pools = self._call("observe", window_ms, *POOLS)
        waiting, active = dict(zip(POOLS, pools[::3], strict=True)), dict(zip(POOLS, pools[1::3], strict=True))
        paused = frozenset(pool for pool, is_paused in zip(POOLS, pools[2::3], strict=True) if is_paused)
        return Observation(finished, failed, still, oldest, used, allowed, waiting, active, paused)

    def judge(self, conditions: Iterable[tuple[str, bool, int]] = ()) -> Verdict:
        """Note (alarm, whether its condition is true, for how many ms it must be); without any, only say which are on."""
        flat = [part for name, true, hold_ms in conditions for part in (name, int(true), hold_ms)]
        now_ms, observed_ms, *on = self._call("judge", *flat)
        return Verdict(now_ms, observed_ms, dict(zip(on[::2], on[1::2], strict=True)))

    def report_programs(self, worker: str, programs: dict[str, Any]) -> None:
        """Note what the programs of a worker are; known for a quarter of an hour."""
        self._call("programs", worker, msgspec.json.encode(programs).decode())

    def programs(self) -> list[dict[str, Any]]:
        """Read what the workers said of their programs."""
        return [msgspec.json.decode(text) for text in self._call("programs", "", "")]

    def seed_totals(self, counted: tuple[int, int], before: Census) -> None:
        """Set (completed, failed) as Directus counted them since `before` was read."""
        self._scripts.call("seed_totals", *counted, before.completed, before.failed)


def _readable(body: str, id_: str) -> MediaJob | None:
    """Read an envelope, or None for one of a later release: its own workers and keeper send it a ticket."""
    try:
        return jobs.decode(body, id_)
    except jobs.UnknownEnvelope:
        return None


def _sight(text: str) -> Sight | None:
    return msgspec.json.decode(text, type=Sight, strict=False) if text else None


def _random_tail() -> str:
    """Return the 16 random hex digits of a UUIDv7, its variant bits set."""
    return f"{secrets.randbits(64) & (1 << 62) - 1 | 1 << 63:016x}"
