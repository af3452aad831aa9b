"""The only table of alarms: CloudWatch's alarms, the runbook's list and the local check are made from it.

One metric and one threshold each. A gauge is published by the keeper, which judges it too, so `GET /health` knows those alarms
wherever mediaq runs. The metrics of AWS are judged by CloudWatch alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.ledger.types import Verdict

FAILURE_WINDOW_MINUTES = 15
FAILURES_OF_AT_LEAST = 10
"""A single failure at night is no rate."""
SILENT_MINUTES = 5
MINUTE_MS = 60_000


class Metric(NamedTuple):
    """A metric that AWS publishes; `of` names the resources of the template, an alarm each."""

    namespace: str
    dimension: str
    of: tuple[str, ...]


class Alarm(NamedTuple):
    """Turns on when `metric` has been over `over` for `minutes`; a sum, when it is over `over` within them."""

    name: str
    metric: str
    over: float
    minutes: int
    says: str
    source: Metric | None = None
    """None: a gauge of the keeper."""
    wanted: bool = False
    """True: turns on when the metric has *not* been over `over`, or has not been seen at all."""
    statistic: Literal["Maximum", "Sum", "Average"] = "Maximum"


QUEUES = ("LambdaQueue", "ContainerQueue")
KEEPER_SILENT = "keeper-silent"
ALARMS = (
    Alarm("waiting", "waiting", 100, 5, "More jobs wait than the workers keep up with"),
    Alarm(
        "failure-ratio",
        "failure_ratio",
        0.1,
        1,
        f"Of at least {FAILURES_OF_AT_LEAST} jobs that ended within {FAILURE_WINDOW_MINUTES} minutes, too many failed",
    ),
    Alarm("stalled", "stalled_minutes", 30, 1, "Jobs are running, and none makes progress or ends"),
    Alarm("oldest-waiting", "oldest_waiting_minutes", 60, 5, "A job has waited too long"),
    Alarm("dead-letters", "dead_letters", 0, 2, "Tickets that nobody can read lie in a dead-letter queue"),
    Alarm("redis-memory", "redis_memory_ratio", 0.8, 5, "Redis is nearly full, and refuses writes when it is"),
    Alarm(KEEPER_SILENT, "keeper_rounds", 0, SILENT_MINUTES, "The keeper does not do its rounds", wanted=True),
    Alarm(
        "api-errors",
        "5XXError",
        5,
        5,
        "The API answers 5xx",
        Metric("AWS/ApiGateway", "ApiName", ("RestAPI",)),
        statistic="Sum",
    ),
    Alarm(
        "throttles",
        "Throttles",
        0,
        5,
        "Lambda refuses to start a function",
        Metric("AWS/Lambda", "FunctionName", ("APIHandler", "Keeper", "LambdaWorker")),
        statistic="Sum",
    ),
    Alarm(
        "in-flight",
        "ApproximateNumberOfMessagesNotVisible",
        100_000,
        5,
        "A queue comes near the 120 000 tickets in flight that SQS allows",
        Metric("AWS/SQS", "QueueName", QUEUES),
    ),
)
NAMES = tuple(alarm.name for alarm in ALARMS)
JUDGED = tuple(alarm for alarm in ALARMS if alarm.source is None and not alarm.wanted)
"""Those that the keeper judges. Its own silence is for others to notice."""
KNOWN = (*(alarm.name for alarm in JUDGED), KEEPER_SILENT)
"""Those that are known wherever mediaq runs."""


def alarms_on(verdict: Verdict) -> dict[str, int]:
    """Return the alarms that are on, and since when (ms since 1970): what the keeper judged, and its own silence."""
    on = dict(verdict.on)
    silent_from = verdict.observed_ms + SILENT_MINUTES * MINUTE_MS
    if verdict.observed_ms and verdict.now_ms >= silent_from:
        on[KEEPER_SILENT] = silent_from
    return on


def limits(changed: Mapping[str, float]) -> dict[str, float]:
    """Return the threshold of every alarm, some of them changed by the operator."""
    return {alarm.name: changed.get(alarm.name, alarm.over) for alarm in ALARMS}
