"""What each script costs in Redis, against the number of jobs of a kind, with the fitted growth.

The growth is the exponent of a power law: 0 is flat, 1 is proportional.
"""

from __future__ import annotations

import math
import statistics
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from bench.ledger import job, redis_server
from chalicelib.ledger.ledger import Ledger, new_token
from chalicelib.ledger.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench import Figures
    from chalicelib.domain.jobs import MediaJob
    from chalicelib.ledger.types import Claim

SIZES = (1_000, 10_000, 100_000)
CALLS, SWEEPS = 200, 20
HOUR_MS = 3_600_000
JOBS_A_USER = 500
"""Of the delayed ones: a user may have a thousand."""
NOW_MS = 1_800_000_000_000
"""The clock stands still, so that no lease expires."""


def run() -> Figures:
    """Fill a Redis with each kind of job, and time every script at each size; in microseconds of Redis."""
    figures: Figures = {}
    with redis_server() as url:
        scripts = Scripts(url, "{bench}")
        for kind, fill in KINDS.items():
            scripts.redis.flushall()
            ledger, done = Ledger(scripts, lambda: NOW_MS), 0
            measured: dict[str, list[float]] = {}
            for size in SIZES:
                for number in range(done, size):
                    fill(ledger, number)
                done = size
                for name, micros in _costs(scripts, ledger).items():
                    measured.setdefault(name, []).append(micros)
            for name, series in measured.items():
                at = {str(size): round(cost, 1) for size, cost in zip(SIZES, series, strict=True)}
                figures[f"us of {name}, {kind}"] = {**at, "growth": round(_growth(series), 2)}
    return figures


def _admitted(ledger: Ledger, made: MediaJob, delay_ms: int = 0) -> MediaJob:
    admission = ledger.admit(made, "pending", -1, delay_ms)
    return msgspec.structs.replace(made, id=admission.id)


def _of(user: int, made: MediaJob) -> MediaJob:
    return msgspec.structs.replace(made, user_id=f"user-{user}")


def _running(ledger: Ledger, number: int) -> None:
    _claimed(ledger, _admitted(ledger, job(number)))


KINDS: dict[str, Callable[[Ledger, int], object]] = {
    "waiting": lambda ledger, number: _admitted(ledger, job(number)),
    "waiting, a user each": lambda ledger, number: _admitted(ledger, _of(number, job(number))),
    "delayed": lambda ledger, number: _admitted(ledger, _of(number // JOBS_A_USER, job(number)), HOUR_MS),
    "active": _running,
}
"""Kind of jobs -> what adds one."""


def _claimed(ledger: Ledger, ticket: MediaJob) -> Claim:
    """Claim the best job with a ticket. None is claimed if the ticket's own job runs already."""
    return ledger.claim(ticket.pool, ticket.id, ticket.job_id, new_token())


def _costs(scripts: Scripts, ledger: Ledger) -> dict[str, float]:
    """Return the cost of each script. At most CALLS more jobs wait afterwards."""
    costs: dict[str, float] = {}

    def measure(name: str, calls: list[Callable[[], Any]]) -> list[Any]:
        before = _micros(scripts)
        answers = [call() for call in calls]
        costs[name] = (_micros(scripts) - before) / len(calls)
        return answers

    tickets = measure("admit", [partial(_admitted, ledger, job(number)) for number in range(CALLS)])
    measure("get", [partial(ledger.get, one.job_id) for one in tickets])
    claims = measure("claim", [partial(_claimed, ledger, one) for one in tickets])
    held = [(claim.job, claim.token) for claim in claims if claim.job is not None]
    measure("renew", [partial(ledger.renew, one, token) for one, token in held])
    measure("finish", [partial(ledger.finish, one, token, "completed", {}) for one, token in held])
    others = [_admitted(ledger, job(number)) for number in range(CALLS)]
    measure("cancel", [partial(ledger.cancel, one.job_id, one.id) for one in others])
    measure("stats", [ledger.stats] * CALLS)
    measure("pools", [ledger.pools] * CALLS)
    measure("sweep", [ledger.sweep] * SWEEPS)
    measure("observe", [partial(ledger.observe, HOUR_MS)] * SWEEPS)
    return costs


def _micros(scripts: Scripts) -> float:
    """Return the microseconds that all scripts have taken."""
    stats = scripts.redis.info("commandstats")
    return sum(float(stats[name]["usec"]) for name in ("cmdstat_evalsha", "cmdstat_eval") if name in stats)


def _growth(micros: list[float]) -> float:
    sizes = [math.log(size) for size in SIZES]
    return statistics.linear_regression(sizes, [math.log(cost) for cost in micros]).slope
