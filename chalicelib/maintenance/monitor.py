"""Publishes gauges as CloudWatch metrics and evaluates the alarms on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from chalicelib.maintenance.alarms import EVALUATED, FAILURE_WINDOW_MINUTES, FAILURES_OF_AT_LEAST, MINUTE_MS, thresholds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.ledger.ledger import Ledger
    from chalicelib.ledger.parts import PartsLedger
    from chalicelib.ledger.types import Observation
    from chalicelib.ledger.workers import SeenWorker, WorkersLedger
    from chalicelib.maintenance.maintenance import Report
    from chalicelib.settings import Settings

logger = Logger(service="mediaq", child=True)


class Monitor:
    """Measures, publishes and evaluates. Tests use a shorter `minute_ms`."""

    def __init__(
        self,
        ledger: Ledger,
        parts: PartsLedger,
        workers: WorkersLedger,
        settings: Settings,
        minute_ms: int = MINUTE_MS,
    ) -> None:
        self._ledger = ledger
        self._parts = parts
        self._workers = workers
        self._parts_workers = settings.parts_workers
        self._stage = settings.stage
        self._worker_concurrency = settings.worker_concurrency
        self._over = thresholds(settings.alarm_thresholds)
        self._minute_ms = minute_ms
        self._on: frozenset[str] = frozenset()

    def run(self, report: Report | None) -> dict[str, float]:
        """Publish the gauges after a maintenance run (None: it failed), evaluate the alarms, return the gauges."""
        gauges = self._gauges()
        if report is not None:
            gauges |= {"maintenance_runs": 1, "dead_letters": report.dead}
        self._publish(gauges)
        self._evaluate(gauges)
        return gauges

    def _gauges(self) -> dict[str, float]:
        stats, seen = self._ledger.stats(), self._ledger.observe(FAILURE_WINDOW_MINUTES * self._minute_ms)
        parts, workers = self._parts.totals(), self._workers.read()
        demand = seen.active["container"] + (0 if "container" in seen.paused else seen.waiting["container"])
        return {
            **stats._asdict(),
            "failure_ratio": seen.failed / seen.finished if seen.finished >= FAILURES_OF_AT_LEAST else 0.0,
            "stalled_minutes": seen.still_ms / self._minute_ms,
            "oldest_waiting_minutes": max(seen.oldest_waiting_ms.values()) / self._minute_ms,
            "no_workers_minutes": max(_alone_ms(pool, seen, workers) for pool in seen.waiting) / self._minute_ms,
            "workers_lost": sum(worker.lost for worker in workers),
            **{f"workers_{pool}": sum(one.alive for one in workers if pool in one.pools) for pool in seen.waiting},
            "redis_memory_ratio": seen.memory_used / seen.memory_allowed if seen.memory_allowed else 0.0,
            **{f"waiting_{pool}": count for pool, count in seen.waiting.items()},
            **{f"active_{pool}": count for pool, count in seen.active.items()},
            "parts_open": parts.open,
            "parts_active": parts.active,
            "container_workers_wanted": -(-(demand + min(parts.open, self._parts_workers)) // self._worker_concurrency),
        }

    def _publish(self, gauges: Mapping[str, float]) -> None:
        """Write one line in the embedded metric format, which CloudWatch Logs turns into metrics."""
        from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit  # noqa: PLC0415 - not for a route to pay for

        metrics = EphemeralMetrics(namespace="mediaq", service="mediaq")
        metrics.add_dimension("stage", self._stage)
        for name, value in gauges.items():
            metrics.add_metric(name=name, unit=MetricUnit.NoUnit if "ratio" in name else MetricUnit.Count, value=value)
        metrics.flush_metrics()

    def _evaluate(self, gauges: Mapping[str, float]) -> None:
        """Evaluate the alarms. A missing gauge, such as `dead_letters` after a failed run, counts as 0."""
        states = self._ledger.evaluate_alarms(
            (alarm.name, gauges.get(alarm.metric, 0) > self._over[alarm.name], alarm.minutes * self._minute_ms)
            for alarm in EVALUATED
        )
        on = frozenset(states.on)
        for alarm in EVALUATED:
            if (alarm.name in on) != (alarm.name in self._on):
                word = "alarm is on" if alarm.name in on else "alarm is off"
                logger.warning(word, extra={"alarm": alarm.name, "value": gauges.get(alarm.metric), "says": alarm.description})
        self._on = on


def _alone_ms(pool: str, seen: Observation, workers: list[SeenWorker]) -> int:
    """Return for how long a pool has had jobs and no worker; 0: a worker is alive, there is no job, or the pool is paused."""
    serving = [worker for worker in workers if pool in worker.pools]
    if pool in seen.paused or any(worker.alive for worker in serving):
        return 0
    waited_ms = seen.oldest_waiting_ms[pool]
    silent_ms = min((worker.now_ms - worker.seen_ms for worker in serving), default=waited_ms)
    return silent_ms if seen.active[pool] else min(silent_ms, waited_ms)
