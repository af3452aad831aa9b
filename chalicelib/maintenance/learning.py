"""Keeps the estimates up to date: learns from what the workers report, and from the records after a wipe of Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from aws_lambda_powertools import Logger

from chalicelib.domain.estimates.estimator import Learned, learn
from chalicelib.domain.estimates.shape import Facts, shapes_of
from chalicelib.domain.jobs import OPERATIONS
from chalicelib.domain.validation import without_empty

if TYPE_CHECKING:
    from chalicelib.directus.client import Directus
    from chalicelib.directus.records import Record
    from chalicelib.domain.estimates.model import Model
    from chalicelib.ledger.estimates import Estimates

logger = Logger(service="mediaq", child=True)
RECORDS_READ = 200
SECONDS_MAX, BYTES_MAX = 6 * 3600.0, 1 << 40


class Learning:
    """Learns from finished jobs, once a minute."""

    def __init__(self, estimates: Estimates, directus: Directus) -> None:
        self._estimates = estimates
        self._directus = directus

    def run(self) -> int:
        """Learn what is new; return how many jobs that were."""
        news = self._estimates.news()
        jobs = news.jobs
        if news.first and not jobs:
            jobs = [job for record in self._directus.read_completed(RECORDS_READ) if (job := learned_from(record)) is not None]
            logger.info("estimates rebuilt from records", extra={"jobs": len(jobs)})
        if not jobs and not news.first:
            return 0
        models: dict[str, Model] = self._estimates.models([shape for job in jobs for shape in job.shapes]) if jobs else {}
        for job in jobs:
            models |= learn(models, job)
        self._estimates.store(models, news.cursor)
        return len(jobs)


class _Cost(msgspec.Struct):
    """A part of `result.cost`."""

    input: Facts


class _Result(msgspec.Struct):
    """What a record says of its job. Its owner can write there, so that everything is checked."""

    cost: _Cost
    stages: dict[str, float]
    outputs: list[dict[str, Any]] = []


def learned_from(record: Record) -> Learned | None:
    """Return what a completed record teaches; None if it does not say enough."""
    operation = record.operation or ""
    if operation not in OPERATIONS:
        return None
    model = OPERATIONS[operation].params
    try:
        found = msgspec.convert(record.result, _Result)
        params = msgspec.convert(without_empty(record.params or {}, model), model)
        size = sum(int(output["bytes"]) for output in found.outputs)
        shapes = shapes_of(operation, params, found.cost.input)
    except (msgspec.ValidationError, TypeError, ValueError, KeyError, ArithmeticError, AttributeError):
        return None
    seconds = sum(found.stages.values())
    facts = found.cost.input
    sane = min(facts.duration, facts.width, facts.height, facts.fps, facts.bytes) >= 0
    sane &= all(0 <= measure <= SECONDS_MAX for shape in shapes for measure in shape.measures)
    if not sane or not 0 < seconds <= SECONDS_MAX or not 0 <= size <= BYTES_MAX:
        return None
    return Learned(shapes, seconds, size / 1e6)
