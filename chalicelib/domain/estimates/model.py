"""A small regression that learns from one job at a time.

Non-negative least squares of the relative error, with a prior that counts as a few jobs, and with older jobs fading. The
interval is that of the last errors, each of a prediction made before its job was learned.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from chalicelib.domain.estimates.shape import MEASURES

if TYPE_CHECKING:
    from collections.abc import Sequence

FADE = 0.98
"""How much of a job's weight is left after the next one."""
ERRORS_KEPT = 40
PRIOR_JOBS, SCALE_JOBS = 2.0, 0.5
"""How many jobs the prior counts as: its costs relative to each other, and their size."""
PRIOR_ERRORS = (-0.6, -0.2, 0.0, 0.2, 0.6)
"""Log errors that an interval begins with."""
FEW_JOBS = 10
LOW, HIGH = 0.1, 0.9
ERROR_MAX = math.log(20)
LEAST = 1e-6
PRECISE = 1000.0
"""How much faster than the prior a job may be."""


class Model(msgspec.Struct, frozen=True):
    """What was learned of one kind of job and one quantity."""

    jobs: int = 0
    products: tuple[float, ...] = (0.0,) * (MEASURES * MEASURES)
    """The weighted sums of products of two measures, row by row."""
    sums: tuple[float, ...] = (0.0,) * MEASURES
    """The weighted sums of products of a measure and the quantity."""
    weight: float = 0.0
    """The sum of the weights of jobs."""
    scales: float = 0.0
    """The weighted sum of the logarithms of (what was) / (what the prior expects)."""
    errors: tuple[float, ...] = ()
    """The logarithms of (what was) / (what was predicted), the newest last."""


class Prediction(NamedTuple):
    """A quantity of a job, and the interval that holds it four times of five."""

    value: float
    low: float
    high: float
    jobs: int
    """How many jobs it was learned from."""


def coefficients(model: Model, prior: Sequence[float]) -> list[float]:
    """Return what one unit of each measure costs. `prior`: what is expected before the first job; 0: it costs nothing.

    A machine may be many times slower than that of the prior: first all costs are scaled, then each is fitted.
    """
    scale = math.exp(model.scales / (model.weight + SCALE_JOBS))
    prior = [scale * value for value in prior]
    free = [at for at in range(MEASURES) if prior[at]]
    # in units of the prior, where measures that always come together share what they cost
    rows = {at: {to: prior[at] * prior[to] * model.products[at * MEASURES + to] for to in free} for at in free}
    for at in free:
        rows[at][at] += PRIOR_JOBS
    sums = {at: prior[at] * model.sums[at] + PRIOR_JOBS for at in free}
    best, least = dict.fromkeys(free, 0.0), 0.0
    for count in range(1, len(free) + 1):
        for kept in combinations(free, count):
            found = _solved([[rows[at][to] for to in kept] for at in kept], [sums[at] for at in kept])
            loss = -sum(value * sums[at] for at, value in zip(kept, found, strict=True))
            if min(found) >= 0 and loss < least:
                best, least = dict.fromkeys(free, 0.0) | dict(zip(kept, found, strict=True)), loss
    return [best.get(at, 0.0) * prior[at] for at in range(MEASURES)]


def _solved(rows: list[list[float]], sums: list[float]) -> list[float]:
    """Solve linear equations with a positive definite matrix, by elimination."""
    size = len(sums)
    rows, sums = [[*row] for row in rows], [*sums]
    for at in range(size):
        for below in range(at + 1, size):
            factor = rows[below][at] / rows[at][at]
            sums[below] -= factor * sums[at]
            for column in range(at, size):
                rows[below][column] -= factor * rows[at][column]
    found = [0.0] * size
    for at in reversed(range(size)):
        rest = sum(rows[at][other] * found[other] for other in range(at + 1, size))
        found[at] = (sums[at] - rest) / rows[at][at]
    return found


def predict(model: Model, prior: Sequence[float], measures: Sequence[float]) -> Prediction:
    """Predict a quantity."""
    plain = plain_value(model, prior, measures)
    errors = sorted([*(PRIOR_ERRORS if model.jobs < FEW_JOBS else ()), *model.errors])
    middle, low, high = (plain * math.exp(quantile(errors, share)) for share in (0.5, LOW, HIGH))
    return Prediction(middle, low, high, model.jobs)


def plain_value(model: Model, prior: Sequence[float], measures: Sequence[float]) -> float:
    """Return the value of the regression alone."""
    return max(LEAST, sum(cost * measure for cost, measure in zip(coefficients(model, prior), measures, strict=True)))


def learn(model: Model, prior: Sequence[float], measures: Sequence[float], value: float) -> Model:
    """Return the model after a job whose quantity was `value`."""
    error = max(-ERROR_MAX, min(ERROR_MAX, math.log(max(value, LEAST) / (plain := plain_value(model, prior, measures)))))
    expected = max(LEAST, sum(cost * measure for cost, measure in zip(prior, measures, strict=True)))
    value = max(plain * math.exp(error), expected / PRECISE)  # one wild job must not outweigh all others
    scale = math.log(value / expected)
    products = [one * other / value**2 for one in measures for other in measures]
    return Model(
        jobs=model.jobs + 1,
        products=tuple(FADE * old + new for old, new in zip(model.products, products, strict=True)),
        sums=tuple(FADE * old + measure / value for old, measure in zip(model.sums, measures, strict=True)),
        weight=FADE * model.weight + 1,
        scales=FADE * model.scales + scale,
        errors=(*model.errors, error)[-ERRORS_KEPT:],
    )


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return a quantile of sorted values, between the nearest two."""
    at = share * (len(ordered) - 1)
    below = int(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (at - below) * (ordered[above] - ordered[below])
