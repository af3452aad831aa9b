"""Estimates jobs, and learns from finished ones: one model for each kind of job, with that of its operation as a prior.

The models are in a store of text by name; see `chalicelib/ledger/estimates.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from chalicelib.domain.estimates import model as regression
from chalicelib.domain.estimates.model import Model, Prediction
from chalicelib.domain.estimates.shape import MEASURES, Shape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Quantity = Literal["seconds", "megabytes"]
QUANTITIES: tuple[Quantity, ...] = ("seconds", "megabytes")
PRIORS: Mapping[Quantity, Mapping[str, tuple[float, ...]]] = {
    "seconds": {
        "transcoding": (1.0, 0.7, 0.5, 0.3),
        "transcoding:sound": (1.0, 0.0, 0.02, 20.0),
        "thumbnail": (1.0, 5.0, 2.0, 20.0),
        "caption_generation": (3.0, 0.0, 0.15, 20.0),
        "analysis": (1.0, 0.0, 2.0, 20.0),
        "upload": (0.5, 0.0, 0.1, 20.0),
        "download": (1.0, 0.0, 0.1, 30.0),
        ":size": (3.0, 0.0, 0.0, 200.0),
        ":any": (20.0, 0.0, 0.0, 0.0),
    },
    "megabytes": {
        "transcoding": (0.05, 0.1, 0.01, 0.1),
        "transcoding:sound": (0.02, 0.0, 0.016, 1.0),
        "thumbnail": (0.05, 0.0, 0.02, 0.0),
        "caption_generation": (0.002, 0.0, 0.00005, 0.0),
        "upload": (0.001, 0.0, 0.0, 1000.0),
        "download": (0.001, 0.0, 0.0, 1000.0),
        ":size": (0.1, 0.0, 0.0, 300.0),
        ":any": (10.0, 0.0, 0.0, 0.0),
    },
}
"""Quantity -> the operation, or what is known of its input -> what one unit of each measure costs, before the first job.

Measured on two processors; the first jobs correct it.
"""
NOTHING = (0.0,) * MEASURES


class Learned(NamedTuple):
    """A finished job."""

    shapes: Sequence[Shape]
    seconds: float
    megabytes: float


def names(shapes: Sequence[Shape]) -> list[str]:
    """Return the names of the models that jobs of these shapes need."""
    kinds = dict.fromkeys(kind for shape in shapes for kind in (shape.kind, shape.root))
    return [f"{quantity}|{kind}" for quantity in QUANTITIES for kind in kinds]


def estimate(models: Mapping[str, Model], shape: Shape) -> dict[Quantity, Prediction]:
    """Predict the quantities of a job."""
    found: dict[Quantity, Prediction] = {}
    for quantity in QUANTITIES:
        own = models.get(f"{quantity}|{shape.kind}", Model())
        found[quantity] = regression.predict(own, _prior(models, quantity, shape), shape.measures)
    return found


def learn(models: Mapping[str, Model], job: Learned) -> dict[str, Model]:
    """Return the models that a finished job changes."""
    changed: dict[str, Model] = {}
    for shape in job.shapes:
        for quantity, value in zip(QUANTITIES, (job.seconds, job.megabytes), strict=True):
            if value <= 0:
                continue
            for kind in dict.fromkeys((shape.kind, shape.root)):
                name = f"{quantity}|{kind}"
                prior = _prior(models, quantity, shape) if kind == shape.kind else _shipped(quantity, shape.root)
                changed[name] = regression.learn(models.get(name, Model()), prior, shape.measures, value)
    return changed


def decoded(text: str) -> Model:
    """Decode a stored model; an empty one if another release wrote it."""
    try:
        return msgspec.json.decode(text, type=Model)
    except msgspec.MsgspecError:
        return Model()


def encoded(model: Model) -> str:
    """Encode a model for the store."""
    return msgspec.json.encode(model).decode()


def _shipped(quantity: Quantity, root: str) -> tuple[float, ...]:
    priors = PRIORS[quantity]
    return priors.get(root) or priors.get(f":{root.partition(':')[2]}") or NOTHING


def _prior(models: Mapping[str, Model], quantity: Quantity, shape: Shape) -> Sequence[float]:
    """Return what the model of the operation expects of a kind."""
    shipped = _shipped(quantity, shape.root)
    root = models.get(f"{quantity}|{shape.root}")
    return shipped if root is None or shape.kind == shape.root else regression.coefficients(root, shipped)
