"""The table of alarms. The CloudWatch alarms, the list in the runbook and `GET /health` are generated from it.

An alarm has one metric and one threshold. The maintenance task publishes our own gauges and evaluates their alarms, so
`GET /health` reports them on every installation. Only CloudWatch evaluates the metrics that AWS publishes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from chalicelib.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.ledger.types import AlarmStates

FAILURE_WINDOW_MINUTES = 15
FAILURES_OF_AT_LEAST = 10
"""Below this number of finished jobs, the failure ratio is 0: one failure is not a rate."""
SILENT_MINUTES = 5
MINUTE_MS = 60_000


class Metric(NamedTuple):
    """A metric that AWS publishes. `of`: the logical ids of resources in the template; each gets an alarm."""

    namespace: str
    dimension: str
    of: tuple[str, ...]


class Alarm(NamedTuple):
    """Turns on when `metric` is above `threshold` for `minutes` (0: at once); a sum, when that over `minutes` is above it."""

    name: str
    metric: str
    threshold: float
    minutes: int
    description: str
    source: Metric | None = None
    """None: a gauge that the maintenance task publishes."""
    below: bool = False
    """True: the alarm turns on when the metric is *not* above `threshold`, or is missing."""
    statistic: Literal["Maximum", "Sum", "Average"] = "Maximum"


QUEUES = ("LambdaQueue", "ContainerQueue")
MAINTENANCE_SILENT = "maintenance-silent"
ALARMS = (
    Alarm("waiting", "waiting", 100, 5, "More jobs are waiting than the workers can process"),
    Alarm(
        "failure-ratio",
        "failure_ratio",
        0.1,
        1,
        f"Too many jobs failed in the last {FAILURE_WINDOW_MINUTES} minutes (of at least {FAILURES_OF_AT_LEAST} that finished)",
    ),
    Alarm("stalled", "stalled_minutes", 30, 1, "Jobs are running, but none makes progress or finishes"),
    Alarm("oldest-waiting", "oldest_waiting_minutes", 60, 5, "A job has been waiting too long"),
    Alarm("no-workers", "no_workers_minutes", 0.75, 0, "Jobs of a pool are waiting, and no worker of the pool is alive"),
    Alarm("worker-lost", "workers_lost", 0, 0, "A worker stopped without saying so within the last 15 minutes"),
    Alarm("dead-letters", "dead_letters", 0, 2, "A dead-letter queue has tickets that mediaq cannot read"),
    Alarm("redis-memory", "redis_memory_ratio", 0.8, 5, "Redis memory is nearly full; a full Redis rejects writes"),
    Alarm(MAINTENANCE_SILENT, "maintenance_runs", 0, SILENT_MINUTES, "The maintenance task is not running", below=True),
    Alarm(
        "api-errors",
        "5XXError",
        5,
        5,
        "The API returns 5xx errors",
        Metric("AWS/ApiGateway", "ApiName", ("RestAPI",)),
        statistic="Sum",
    ),
    Alarm(
        "throttles",
        "Throttles",
        0,
        5,
        "Lambda throttles a function",
        Metric("AWS/Lambda", "FunctionName", ("APIHandler", "Maintenance", "LambdaWorker")),
        statistic="Sum",
    ),
    Alarm(
        "in-flight",
        "ApproximateNumberOfMessagesNotVisible",
        100_000,
        5,
        "A queue is near the SQS limit of 120 000 messages in flight",
        Metric("AWS/SQS", "QueueName", QUEUES),
    ),
)
NAMES = tuple(alarm.name for alarm in ALARMS)
EVALUATED = tuple(alarm for alarm in ALARMS if alarm.source is None and not alarm.below)
"""The alarms that the maintenance task evaluates. It cannot evaluate whether it runs itself."""
KNOWN = (*(alarm.name for alarm in EVALUATED), MAINTENANCE_SILENT)
"""The alarms that `GET /health` and `/metrics` report on every installation."""


def alarms_on(states: AlarmStates) -> dict[str, int]:
    """Return the active alarms and when each turned on (ms since 1970), including `maintenance-silent`."""
    on = dict(states.on)
    silent_from = states.observed_ms + SILENT_MINUTES * MINUTE_MS
    if states.observed_ms and states.now_ms >= silent_from:
        on[MAINTENANCE_SILENT] = silent_from
    return on


def thresholds(changed: Mapping[str, float]) -> dict[str, float]:
    """Return the threshold of every alarm. `changed` overrides the defaults.

    Raises:
        SettingsError: `changed` names an unknown alarm.
    """
    if unknown := changed.keys() - set(NAMES):
        raise SettingsError(f"ALARM_OVER has unknown alarms: {', '.join(sorted(unknown))}; alarms are {', '.join(NAMES)}")
    return {alarm.name: changed.get(alarm.name, alarm.threshold) for alarm in ALARMS}
