"""`GET /metrics` in Prometheus text format.

Text format 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from chalicelib.domain.cost import NANO
from chalicelib.maintenance.alarms import KNOWN, alarms_on
from chalicelib.settings import POOLS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chalicelib.ledger.ledger import Ledger
    from chalicelib.ledger.parts import PartsLedger
    from chalicelib.ledger.usage import UsageLedger
    from chalicelib.ledger.workers import WorkersLedger

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Family(NamedTuple):
    """One metric and its samples: formatted labels and a value."""

    name: str
    kind: str
    says: str
    samples: list[tuple[str, float]]


class Ledgers(NamedTuple):
    """What the metrics are read from."""

    jobs: Ledger
    parts: PartsLedger
    workers: WorkersLedger
    usage: UsageLedger


def render(ledgers: Ledgers) -> str:
    """Render the metrics. Six round trips to Redis, at the same cost for any number of jobs."""
    of = (_jobs(ledgers.jobs), _parts(ledgers.parts), _workers(ledgers.workers), _cost(ledgers.usage), _alarms(ledgers.jobs))
    return "".join(line for families in of for line in _lines(families))


def _jobs(ledger: Ledger) -> Iterable[Family]:
    stats, pools = ledger.stats(), ledger.pools()
    waiting = {name: float(pool.waiting) for name, pool in pools.items()}
    yield Family("mediaq_jobs_waiting", "gauge", "Jobs waiting for a worker.", _by_pool(waiting))
    yield _plain("mediaq_jobs_active", "gauge", "Jobs that a worker holds.", stats.active)
    yield _plain("mediaq_jobs_delayed", "gauge", "Jobs waiting for a time: asked for, or after a failure.", stats.delayed)
    ended = [('{state="completed"}', stats.completed), ('{state="failed"}', stats.failed)]
    yield Family("mediaq_jobs_ended_total", "counter", "Jobs that completed or failed for good.", [*ended])
    paused = {name: float(pool.paused) for name, pool in pools.items()}
    yield Family("mediaq_pool_paused", "gauge", "Whether no job of the pool starts.", _by_pool(paused))
    paces = {name: pool.pace_ms / 1000 for name, pool in pools.items() if pool.pace_ms}
    yield Family("mediaq_pool_pace_seconds", "gauge", "Between two starts while jobs waited, smoothed.", _by_pool(paces))
    yield _plain("mediaq_taxonomy_cache_entries", "gauge", "Terms in the taxonomy cache.", stats.size)
    asked = [('{result="hit"}', stats.hits), ('{result="miss"}', stats.misses)]
    yield Family("mediaq_taxonomy_cache_requests_total", "counter", "Looks into the taxonomy cache.", [*asked])


def _parts(ledger: PartsLedger) -> Iterable[Family]:
    counted = ledger.totals()
    yield _plain("mediaq_jobs_in_parts", "gauge", "Running jobs with parts that another worker may take.", counted.jobs)
    by_state = [('{state="open"}', float(counted.open)), ('{state="active"}', float(counted.active))]
    yield Family("mediaq_parts", "gauge", "Parts of these jobs.", by_state)
    yield _plain("mediaq_parts_finished_total", "counter", "Parts of films that were encoded.", counted.finished)
    yield _plain("mediaq_part_runs_repeated_total", "counter", "Runs of parts after the first.", counted.repeated)


def _workers(ledger: WorkersLedger) -> Iterable[Family]:
    seen = ledger.read()
    alive = {pool: float(sum(one.alive and pool in one.pools for one in seen)) for pool in POOLS}
    yield Family("mediaq_workers_alive", "gauge", "Workers that reported within 30 seconds.", _by_pool(alive))
    busy = sum(len(one.jobs) for one in seen if one.alive)
    yield _plain("mediaq_workers_jobs", "gauge", "Jobs that these workers say they run.", busy)
    lost = sum(one.lost for one in seen)
    yield _plain("mediaq_workers_lost", "gauge", "Workers that stopped without saying so within 15 minutes.", lost)


def _cost(ledger: UsageLedger) -> Iterable[Family]:
    spent = [(f'{{operation="{name}"}}', nano / NANO) for name, nano in sorted(ledger.spent().items())]
    yield Family("mediaq_cost_dollars_total", "counter", "What ended jobs cost, by the file of prices.", spent)


def _alarms(ledger: Ledger) -> Iterable[Family]:
    states = ledger.evaluate_alarms()
    on = alarms_on(states)
    alarms = [(f'{{alarm="{name}"}}', float(name in on)) for name in KNOWN]
    yield Family("mediaq_alarm_on", "gauge", "Whether the alarm is on, as GET /health says.", alarms)
    seen = states.observed_ms / 1000
    yield _plain(
        "mediaq_maintenance_last_run_timestamp_seconds", "gauge", "When the maintenance task last ran; 0: never.", seen
    )


def _plain(name: str, kind: str, says: str, value: float) -> Family:
    return Family(name, kind, says, [("", value)])


def _by_pool(values: dict[str, float]) -> list[tuple[str, float]]:
    return [(f'{{pool="{name}"}}', value) for name, value in values.items()]


def _lines(families: Iterable[Family]) -> Iterable[str]:
    for family in families:
        yield f"# HELP {family.name} {family.says}\n# TYPE {family.name} {family.kind}\n"
        for labels, value in family.samples:
            yield f"{family.name}{labels} {value:.17g}\n"
