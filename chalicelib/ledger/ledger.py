"""The ledger: which job runs next, which worker holds it, and the exact counts.

The typed interface to the scripts in `lua/`, which document every transition. Times are in ms. The clock is the one of Redis;
tests inject another through `now`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from chalicelib.domain import jobs
from chalicelib.domain.cost import nano
from chalicelib.domain.plans import UNLIMITED
from chalicelib.domain.webhooks import WebhookEvent
from chalicelib.errors import LedgerUnavailable
from chalicelib.ledger import codec
from chalicelib.ledger.types import (
    Admission,
    AlarmStates,
    Claim,
    Claims,
    Finished,
    Forecast,
    JobSnapshot,
    NextClaim,
    Observation,
    Phase,
    Pool,
    Renewal,
    Sample,
    Stats,
    Sweep,
    TotalsSnapshot,
)
from chalicelib.settings import POOLS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from chalicelib.domain.jobs import MediaJob
    from chalicelib.ledger.codec import LostJob, RecordState
    from chalicelib.ledger.scripts import Scripts

LEASE_MS = 10_000
SUSPECT_MS = 3_000
STARVED_MS = 60_000
SWEEP_AT_MOST = 30
"""Jobs of each kind that one sweep looks at. Each takes Redis about 50 us."""
UNREADABLE_MS = 30_000
HISTORY = {"completed": 100, "failed": 1000, "cancelled": 0, "retry": 0}

Outcome = Literal["completed", "failed", "cancelled", "retry"]
Clock = Callable[[], int]


def new_token() -> str:
    """Return a new fencing token for one claim, or for one holder of a record lock."""
    return secrets.token_hex(16)


class Ledger:
    """The transitions. Every method raises `LedgerUnavailable` if Redis is unreachable."""

    def __init__(self, scripts: Scripts, now: Clock | None = None) -> None:
        self._scripts = scripts
        self._now = now

    def _call(self, name: str, *args: str | float) -> list[Any]:
        return self._scripts.call(name, "" if self._now is None else self._now(), *args)

    def admit(
        self, job: MediaJob, record: RecordState, limit: int, delay_ms: int = 0, *, token: str = "", budget: int = UNLIMITED
    ) -> Admission:
        """Add a job to the ledger. `record`: the state of its record; `limit`: the quota of the plan (-1: none).

        `token` takes the record lock, if the record has to be reopened. `budget`: what the user's jobs may cost in the cycle,
        in billionths of a dollar (-1: no limit).
        """
        word, *rest = self._call("jobs/admit", *codec.admission(job, record, limit, delay_ms), token, budget, 0)
        if word == "admitted":
            return Admission(word, rest[0], msgspec.structs.replace(job, id=rest[0]), delay_ms)
        if word == "open":
            id_, send, body, due_ms = rest
            return Admission(word, id_, jobs.decode(body, id_) if send else None, due_ms)
        return Admission(word)

    def would_admit(self, job: MediaJob, record: RecordState, limit: int, delay_ms: int = 0, *, budget: int) -> Forecast:
        """Return what `admit` would answer, and change nothing. The answer is `admitted` where `admit` says to reopen."""
        word, *rest = self._call("jobs/admit", *codec.admission(job, record, limit, delay_ms), "", budget, 1)
        return Forecast("admitted", rest[0], rest[1], bool(rest[2])) if word == "admissible" else Forecast(word)

    def retract(self, job_id: str, id_: str, token: str = "") -> str:
        """Undo an admission whose ticket could not be sent: retracted, shared or kept.

        After `kept` the job runs, and the API may answer that it was accepted. `token` takes the record lock, if the record has
        to be set back to failed.
        """
        return str(self._call("jobs/retract", job_id, id_, token)[0])

    def lock(self, job_id: str, token: str) -> str:
        """Take the lock of a record whose job is not open: ok, open or locked."""
        return str(self._scripts.call("jobs/lock", job_id, token, 1)[0])

    def unlock(self, job_id: str, token: str) -> None:
        """Release the record lock, if `token` still holds it."""
        self._scripts.call("jobs/lock", job_id, token, 0)

    def claim(self, pool: str, id_: str, job_id: str, token: str) -> Claim:
        """Claim the best waiting job of `pool`, with the ticket of (`id_`, `job_id`)."""
        found = self.claim_with(pool, [(id_, job_id)], [token])
        if found.jobs:
            return found.jobs[0]
        [ticket] = found.tickets
        return Claim("hold", hold_ms=1000) if ticket.word == "wait" else ticket  # the best job is of a later release

    def claim_with(self, pool: str, tickets: Sequence[tuple[str, str]], tokens: Sequence[str]) -> Claims:
        """Claim one job for each ticket (id, job id) of a waiting job, at most one for each token.

        The answer says what to do with each ticket whose job was not claimed; `wait`: make it visible again.
        """
        flat = [part for ticket in tickets for part in ticket]
        answer = self._call("jobs/claim", pool, LEASE_MS, len(tokens), *tokens, *flat)
        verdicts, taken = answer[: len(tickets)], answer[len(tickets) :]
        claims = [self._claimed(one, token) for one, token in zip(taken, tokens, strict=False)]
        return Claims(
            [Claim(word, hold_ms=int(hold[0]) if hold else 0) for word, *hold in verdicts], [one for one in claims if one]
        )

    def claim_next(self, pool: str, token: str) -> Claim | None:
        """Claim the best waiting job of `pool` without a ticket. None: there is none to claim."""
        answer = self._call("jobs/claim", pool, LEASE_MS, 1, token)
        return self._claimed(answer[0], token) if answer else None

    def _claimed(self, answer: list[Any], token: str) -> Claim | None:
        try:
            return codec.claimed(answer, token)
        except jobs.UnknownEnvelope:  # of a later release: released unchanged, for a worker that can read it
            with suppress(LedgerUnavailable):  # else its lease ends
                self._call("jobs/release", answer[1], answer[0], token, UNREADABLE_MS, "")
            return None

    def renew(
        self, job: MediaJob, token: str, progress: int | None = None, *, phase: Phase = "started", journal: str = ""
    ) -> str:
        """Renew a lease: ok, cancelled, locked, lost or unknown."""
        return self.renew_all([Renewal(job, token, progress, phase, journal)])[0]

    def renew_all(self, renewals: Iterable[Renewal]) -> list[str]:
        """Renew several leases in one call; for each: ok, cancelled, locked, lost or unknown."""
        flat = [
            part
            for job, token, progress, phase, journal in renewals
            for part in (job.job_id, job.id, token, "" if progress is None else progress, phase, journal)
        ]
        return self._call("jobs/renew", LEASE_MS, *flat)

    def finish(
        self, job: MediaJob, token: str, outcome: Outcome, summary: dict[str, object], delay_ms: int = 0, journal: str = "",
        usd: float = 0,
    ) -> str:  # fmt: skip
        """End the attempt: ok, lost or unknown. `summary` goes to the history, `journal` to the next attempt.

        `usd`: the cost of the whole job, counted when it ends.
        """
        return self.finish_and_claim(job, token, outcome, summary, delay_ms, journal, usd, NextClaim("", ())).word

    def finish_and_claim(
        self, job: MediaJob, token: str, outcome: Outcome, summary: dict[str, object], delay_ms: int, journal: str,
        usd: float, wanted: NextClaim,
    ) -> Finished:  # fmt: skip
        """End the attempt as `finish` does, and, if the job ends, claim the next one in the same call."""
        line = msgspec.json.encode(
            {"id": job.id, "jobId": job.job_id, "operation": job.operation, "user": job.user_id, **summary}
        ).decode()
        args = (job.job_id, job.id, token, outcome, delay_ms, line, HISTORY[outcome], journal, nano(usd))
        word, *taken = self._call("jobs/finish", *args, wanted.token, LEASE_MS, int(wanted.after_parts), *wanted.pools)
        return Finished(word, self._claimed(taken, wanted.token) if taken else None)

    def release(self, job: MediaJob, token: str, delay_ms: int = 0, journal: str = "") -> str:
        """Return the job to its queue without spending an attempt: ok, lost or unknown."""
        return self.release_and_ask(job, token, delay_ms, journal)[0]

    def release_and_ask(self, job: MediaJob, token: str, delay_ms: int, journal: str) -> tuple[str, bool]:
        """Release the job, and return whether its last ticket is so old that it may have none."""
        word, *unsure = self._call("jobs/release", job.job_id, job.id, token, delay_ms, journal)
        return str(word), bool(unsure and unsure[0])

    def move(self, job: MediaJob, token: str, journal: str = "") -> str:
        """Move the job to the pool that `job` names: ok, lost or unknown. Send the new ticket first."""
        return str(self._call("jobs/move", job.job_id, job.id, token, job.pool, jobs.encode(job), journal)[0])

    def begin_cancel(self, job_id: str, id_: str, token: str) -> str:
        """Flag a job as cancelled, so that a worker can only close it as cancelled: flagged, unknown, busy or closing.

        After `flagged` and `unknown` the caller holds the record lock. `id_` is "" if the ledger did not know the job.
        """
        return str(self._call("jobs/cancel", job_id, id_, 1, token)[0])

    def cancel(self, job_id: str, id_: str, token: str = "") -> tuple[str, bool]:
        """Cancel an open job whose record is already failed: removed, flagged or unknown; and whether it was scheduled.

        Releases the record lock.
        """
        word, *scheduled = self._call("jobs/cancel", job_id, id_, 2, token)
        return str(word), bool(scheduled and scheduled[0])

    def pause(self, pool: str, paused: bool) -> bool:
        """Pause or resume a pool; False if nothing changed."""
        return bool(self._scripts.call("pools/pause", pool, int(paused))[0] == "changed")

    def sweep(self) -> Sweep:
        """Requeue jobs whose lease expired, promote delayed jobs that are due, find jobs without a ticket."""
        paused, due, undelivered, tests, offered, *flat = self._call(
            "pools/sweep", SWEEP_AT_MOST, SUSPECT_MS, STARVED_MS, *POOLS
        )
        waiting, missing = dict(zip(POOLS, flat, strict=False)), list(codec.readable(flat[len(POOLS) :]))
        return Sweep(missing, frozenset(filter(None, paused.split(","))), due, undelivered, tests, offered, waiting)

    def adopt(self, forgotten: list[LostJob]) -> list[str]:
        """Restore jobs that the ledger lost; for each: adopted, known, lost or old."""
        return self._call("jobs/adopt", LEASE_MS, codec.lost_jobs(forgotten))

    def stats(self) -> Stats:
        """Read all counts in one round trip, at the same cost for any number of jobs."""
        return Stats(*self._scripts.call("pools/stats", *POOLS))

    def get(self, job_id: str) -> JobSnapshot | None:
        """Return a job that is open or ended within the last day."""
        return codec.snapshot(self._call("jobs/get", 1, job_id)[0])

    def get_many(self, job_ids: list[str]) -> list[JobSnapshot | None]:
        """Return several jobs in one round trip, without envelopes and journals."""
        return [codec.snapshot(one) for one in self._call("jobs/get", 0, *job_ids)] if job_ids else []

    def pools(self) -> dict[str, Pool]:
        """Return the queue of each pool."""
        flat = self._scripts.call("pools/pools", *POOLS)
        return {
            pool: Pool(waiting, bool(paused), pace_ms)
            for pool, waiting, paused, pace_ms in zip(POOLS, flat[::3], flat[1::3], flat[2::3], strict=True)
        }

    def trend(self, minutes: int = 15) -> list[Sample]:
        """Return the samples of the last `minutes`, oldest first: up to 15 every one, of more one a minute."""
        lines = [line.split() for line in self._scripts.call("pools/trend", minutes)]
        return [
            Sample(*map(int, line)) for line in lines if len(line) == len(Sample._fields)
        ]  # an older release wrote fewer fields

    def take_webhook(self, lease_ms: int) -> WebhookEvent | None:
        """Take a webhook event that is due; no other worker gets it for `lease_ms`."""
        found = self._call("webhooks/take", lease_ms)
        return WebhookEvent(*found) if found else None

    def record_webhook_attempt(
        self, event: WebhookEvent, status: int | None, error: str, again_ms: int | None, user_ms: int = 0
    ) -> str:
        """Record a delivery attempt: ok or unknown. `status` None: postponed, and not counted as an attempt.

        `again_ms`: time until the next attempt (None: give up); `user_ms`: how long the user's other webhooks wait.
        """
        result = ["" if one is None else one for one in (status, error, again_ms)]
        return str(self._call("webhooks/record_attempt", event.job_id, event.id, event.attempts, *result, user_ms)[0])

    def overdue_webhooks(self, at_most: int) -> list[MediaJob]:
        """Return the jobs whose webhook event is due but not taken by any worker."""
        return list(codec.readable(self._call("webhooks/overdue", at_most)))

    def read_totals(self) -> TotalsSnapshot:
        """Return what seeding the totals needs."""
        seeded, age_ms, completed, failed, *open_ = self._call("pools/read_totals")
        return TotalsSnapshot(bool(seeded), age_ms, completed, failed, sorted(open_))

    def observe(self, window_ms: int) -> Observation:
        """Return the input of the gauges: the running jobs, and those that ended within `window_ms`."""
        finished, failed, still, used, allowed, *pools = self._call("pools/observe", window_ms, *POOLS)
        waiting, active, oldest, is_paused = (dict(zip(POOLS, pools[at::4], strict=True)) for at in range(4))
        paused = frozenset(pool for pool, yes in is_paused.items() if yes)
        return Observation(finished, failed, still, used, allowed, waiting, active, oldest, paused)

    def evaluate_alarms(self, conditions: Iterable[tuple[str, bool, int]] = ()) -> AlarmStates:
        """Store the conditions (alarm, true or false, required duration in ms) and return the active alarms.

        Without conditions, only return the active alarms.
        """
        flat = [part for name, true, hold_ms in conditions for part in (name, int(true), hold_ms)]
        now_ms, observed_ms, *on = self._call("pools/evaluate_alarms", *flat)
        return AlarmStates(now_ms, observed_ms, dict(zip(on[::2], on[1::2], strict=True)))

    def seed_totals(self, counted: tuple[int, int], before: TotalsSnapshot) -> None:
        """Set the totals to (completed, failed) as counted by Directus after `before` was read."""
        self._scripts.call("pools/seed_totals", *counted, before.completed, before.failed)
