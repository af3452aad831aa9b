"""The health check behind `GET /health`: reachable dependencies, active alarms, lacking programs."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from aws_lambda_powertools import Logger

from chalicelib.errors import Unavailable
from chalicelib.maintenance.alarms import ALARMS, alarms_on

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.directus.client import Directus
    from chalicelib.ledger.ledger import Ledger
    from chalicelib.ledger.types import AlarmStates
    from chalicelib.ledger.workers import SeenWorker, WorkersLedger
    from chalicelib.queues.tickets import Tickets

logger = Logger(service="mediaq", child=True)
REMEMBERED_SECONDS = 5.0
"""The result is cached: the route is public, and each check calls three dependencies."""
SAYS = {alarm.name: alarm.description for alarm in ALARMS}


class Health(NamedTuple):
    """`dependencies`: name -> ok or away. `alarms`: the active ones. `programs`: ffmpeg builds that lack a feature."""

    dependencies: dict[str, str]
    alarms: list[dict[str, Any]]
    programs: list[dict[str, Any]]

    @property
    def ok(self) -> bool:
        """Whether every dependency is reachable. An alarm needs an operator but does not take the API out of service."""
        return set(self.dependencies.values()) == {"ok"}


class HealthChecker:
    """Checks all dependencies in parallel."""

    def __init__(
        self,
        ledger: Ledger,
        workers: WorkersLedger,
        tickets: Tickets,
        directus: Directus,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._workers = workers
        self._checks: dict[str, Callable[[], object]] = {"sqs": tickets.ping, "directus": directus.ping}
        self._clock = clock
        self._known: tuple[float, Health] | None = None

    def examine(self) -> Health:
        """Return the current health; cached for five seconds."""
        if self._known is None or self._clock() >= self._known[0]:
            health = self._ask()
            self._known = (self._clock() + REMEMBERED_SECONDS, health)
        return self._known[1]

    def _ask(self) -> Health:
        with ThreadPoolExecutor(len(self._checks)) as threads:
            others = {name: threads.submit(_reached, check) for name, check in self._checks.items()}
            try:
                redis, alarms = "ok", _alarms(self._ledger.evaluate_alarms())
                programs = _lacking(self._workers.read())
            except Unavailable as error:
                logger.warning("dependency unreachable", extra={"dependency": "redis", "cause": repr(error.__cause__)})
                redis, alarms, programs = "away", [], []
            for name, answer in others.items():
                if not answer.result():
                    logger.warning("dependency unreachable", extra={"dependency": name})
            reached = {name: "ok" if one.result() else "away" for name, one in others.items()}
            return Health({"redis": redis} | reached, alarms, programs)


def _reached(check: Callable[[], object]) -> bool:
    try:
        check()
    except Unavailable:
        return False
    return True


def _alarms(states: AlarmStates) -> list[dict[str, Any]]:
    """Return the active alarms, since when (s since 1970), and their descriptions."""
    on = sorted(alarms_on(states).items())
    return [{"name": name, "since": since // 1000, "says": SAYS.get(name, name)} for name, since in on]


def _lacking(workers: list[SeenWorker]) -> list[dict[str, Any]]:
    """Return the ffmpeg builds that lack a required feature, without duplicates and without machine names."""
    found: list[dict[str, Any]] = []
    for worker in workers:
        one = {"ffmpeg": worker.ffmpeg, "missing": worker.missing}
        if worker.missing and one not in found:
            found.append(one)
    return found
