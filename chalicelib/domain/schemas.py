"""The responses of the API. `openapi.py` describes them from these types.

Record columns have their Directus names; `jobId` and `bullJobId` keep the names of the API that mediaq replaces.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from chalicelib.domain.plans import UNLIMITED

Pool = Literal["lambda", "container"]
Count = Annotated[int, msgspec.Meta(ge=0)]
Time = Annotated[str, msgspec.Meta(description="ISO 8601, in UTC")]
JobId = Annotated[str, msgspec.Meta(description="the UUID of a media_jobs record")]


class Answer(msgspec.Struct, kw_only=True):
    """The call succeeded."""

    ok: Literal[True] = True


class Counts(msgspec.Struct):
    """Jobs by state. `completed` and `failed` count since the beginning; cancelled jobs are in neither."""

    waiting: Count
    active: Count
    completed: Count
    failed: Count
    delayed: Count


class TaxonomyCache(msgspec.Struct):
    """Entries, hits and misses."""

    size: Count
    hits: Count
    misses: Count


class StatsAnswer(Answer):
    """The counts of the queue."""

    stats: Counts
    taxonomy_cache: TaxonomyCache


class Accepted(Answer):
    """The job is in the queue."""

    bullJobId: Annotated[str, msgspec.Meta(description="the id of this admission, a UUIDv7")]  # noqa: N815
    jobId: JobId  # noqa: N815


class BulkResult(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The result of one job: accepted, or rejected with the same fields as the single-job error."""

    ok: bool
    bullJobId: str = ""  # noqa: N815
    jobId: str = ""  # noqa: N815
    error: str = ""
    status: Annotated[int, msgspec.Meta(description="the status that a refused one would have alone")] = 200
    reason: str = ""
    message: str = ""


class BulkAnswer(msgspec.Struct, kw_only=True):
    """One result for each job, in the order of the request."""

    ok: Annotated[bool, msgspec.Meta(description="whether all were accepted")]
    results: list[BulkResult]


class CancelAnswer(Answer):
    """The job is cancelled."""

    jobId: JobId  # noqa: N815
    status: Literal["cancelled"] = "cancelled"


class InvalidateAnswer(Answer):
    """The taxonomy cache is invalidated."""

    message: str


class Dependencies(msgspec.Struct):
    """The state of each dependency."""

    redis: Literal["ok", "away"]
    sqs: Literal["ok", "away"]
    directus: Literal["ok", "away"]


class AlarmOn(msgspec.Struct):
    """An active alarm."""

    name: str
    since: Annotated[int, msgspec.Meta(description="seconds since 1970")]
    says: str


class LackingProgram(msgspec.Struct):
    """An ffmpeg build, on some worker, that lacks a feature an operation needs."""

    ffmpeg: Annotated[str, msgspec.Meta(description="its version")]
    missing: Annotated[dict[str, list[str]], msgspec.Meta(description="what each operation lacks, such as encoder libsvtav1")]


class HealthAnswer(msgspec.Struct):
    """Whether every dependency is reachable. Alarms and lacking programs do not cause a 503."""

    ok: bool
    dependencies: Dependencies
    alarms: list[AlarmOn]
    programs: list[LackingProgram]


class Allowance(msgspec.Struct):
    """The limit of one operation, and what is left of it."""

    operation: str
    limit: Annotated[int | None, msgspec.Meta(description="jobs a cycle; null: unlimited; 0: not on the plan")]
    used: Count
    remaining: Annotated[int | None, msgspec.Meta(description="null: unlimited")]

    @classmethod
    def of(cls, operation: str, limit: int, used: int) -> Allowance:
        """Return the remaining jobs."""
        if limit == UNLIMITED:
            return cls(operation, None, used, None)
        return cls(operation, limit, used, max(0, limit - used))


class Cycle(msgspec.Struct):
    """The calendar month, in UTC."""

    name: str
    starts_at: Time
    ends_at: Time


class Spent(msgspec.Struct):
    """What the jobs of a user cost in the cycle: those that ended, also those that failed."""

    usd: float
    max_usd: Annotated[float | None, msgspec.Meta(description="of the plan; null: no limit")]
    remaining_usd: Annotated[float | None, msgspec.Meta(description="null: no limit")]

    @classmethod
    def of(cls, usd: float, most: float | None) -> Spent:
        """Return what is left."""
        return cls(round(usd, 6), most, None if most is None else round(max(0.0, most - usd), 6))


class UsageAnswer(Answer):
    """The plan of a user."""

    user: str
    tier: str
    cycle: Cycle
    operations: list[Allowance]
    cost: Spent


class PoolState(msgspec.Struct):
    """The state of one pool."""

    pool: Pool
    waiting: Count
    paused: bool
    pace_seconds: Annotated[float | None, msgspec.Meta(description="between two starts while jobs waited; null: not known")]


class PoolsAnswer(Answer):
    """The pools."""

    pools: list[PoolState]


class PoolAnswer(Answer):
    """The pool is paused or resumed."""

    pool: Pool
    paused: bool


class WorkerState(msgspec.Struct, kw_only=True):
    """A worker that reported within the last 15 minutes."""

    id: str
    state: Annotated[
        Literal["alive", "idle", "lost"],
        msgspec.Meta(description="idle: a Lambda that is frozen until its next job; lost: it stopped without saying so"),
    ]
    kind: Pool
    pools: list[Pool]
    host: str
    version: Annotated[str, msgspec.Meta(description="of mediaq")]
    ffmpeg: Annotated[str, msgspec.Meta(description="its version")]
    started_at: Time
    seen_at: Annotated[Time, msgspec.Meta(description="its last report; one is due every ten seconds")]
    slots: Annotated[Count, msgspec.Meta(description="how many jobs it runs at a time")]
    jobs: Annotated[list[str], msgspec.Meta(description="the ids of the media_jobs records that it works on")]
    memory_bytes: Annotated[Count, msgspec.Meta(description="resident memory, without its media processes")]
    last_error: Annotated[str | None, msgspec.Meta(description="of its last job that failed or was released")]
    last_error_at: Time | None


class WorkersAnswer(Answer):
    """The workers, the oldest first."""

    workers: list[WorkerState]


class TrendSample(msgspec.Struct):
    """One sample of the trend. `completed` and `failed` only grow, until Redis is wiped."""

    at: Time
    completed: Count
    failed: Count
    waiting: Count
    active: Count


class TrendAnswer(Answer):
    """The samples of a range of time, oldest first: at most one a minute, and one in five minutes of 24 hours."""

    samples: list[TrendSample]


class SecretAnswer(Answer):
    """The secret that signs the user's webhooks."""

    secret: str


class Error(msgspec.Struct):
    """The error, in one sentence."""

    error: str


class TierError(msgspec.Struct):
    """The plan does not allow the job."""

    error: Literal["tier_limit_reached"]
    reason: Literal["limit_reached", "budget_reached", "feature_unavailable"]
    message: str


class Away(msgspec.Struct):
    """A dependency is unreachable. Nothing was accepted; try again after `Retry-After`."""

    ok: Literal[False]
    error: str
