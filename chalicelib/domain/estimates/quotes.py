"""The body of `POST /queue/media/quote`, and its response."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from chalicelib.domain.estimates.shape import Facts
from chalicelib.domain.schemas import Allowance, Answer, Pool, Spent, Time
from chalicelib.domain.validation import validate, without_empty
from chalicelib.errors import BadRequest

NO_RECORD = "00000000-0000-0000-0000-000000000000"


def _wants(description: str, **limits: Any) -> msgspec.Meta:
    return msgspec.Meta(description=description, **limits)


class DescribedInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An input that is not uploaded yet. All fields may be left out."""

    size: Annotated[int, _wants("its size in bytes", ge=1, le=1 << 44)] | None = None
    duration: Annotated[float, _wants("its duration in seconds, at most 43200", gt=0, le=43_200)] | None = None
    resolution: (
        Annotated[str, _wants("the size of its picture such as 1920x1080", pattern=r"^[1-9][0-9]{0,4}x[1-9][0-9]{0,4}$(?!\n)")]
        | None
    ) = None
    fps: Annotated[float, _wants("its frames a second, at most 1000", gt=0, le=1000)] | None = None
    codec: Annotated[str, _wants("the codec of its picture such as h264", max_length=32)] | None = None

    @property
    def facts(self) -> Facts:
        """What the estimates use of it."""
        width, height = (int(side) for side in self.resolution.split("x")) if self.resolution else (0, 0)
        return Facts(duration=self.duration or 0.0, width=width, height=height, fps=self.fps or 0.0, bytes=self.size or 0)


class Between(msgspec.Struct):
    """An expected value, and the interval that holds it four times of five."""

    expected: float
    low: float
    high: float


class Refusal(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The response that `POST /queue/media` would have."""

    status: Annotated[int, _wants("its status")]
    error: str
    reason: str = ""
    message: str = ""


class QuoteAnswer(Answer, kw_only=True):
    """What would become of a job. Only if it would be accepted, the other fields are set."""

    accepted: bool
    refusal: Refusal | None
    pool: Pool | None = None
    position: Annotated[int | None, _wants("its position in the queue of the pool; 1 is next")] = None
    paused: Annotated[bool, _wants("whether the pool is paused: then the job does not start")] = False
    starts_at: Annotated[Time | None, _wants("null: nobody knows, because no worker is alive or the pool is paused")] = None
    ends_at: Time | None = None
    ends_between: Annotated[list[Time] | None, _wants("the interval that holds the end four times of five")] = None
    seconds: Annotated[Between | None, _wants("how long a worker will be busy with it")] = None
    usd: Annotated[Between | None, _wants("what it will cost")] = None
    output_bytes: Annotated[Between | None, _wants("the size of its outputs together")] = None
    based_on: Annotated[
        str | None, _wants("input: what is known of the input; size: its size alone; operation: nothing but the operation")
    ] = None
    learned_from: Annotated[int | None, _wants("the number of similar jobs that the estimate was learned from")] = None
    plan: Annotated[Allowance | None, _wants("what would be left of the plan")] = None
    cost: Annotated[Spent | None, _wants("what the jobs of this month cost, without this one")] = None


class QuoteBody(msgspec.Struct, frozen=True):
    """A body: what `POST /queue/media` takes, and the description of the input."""

    request: dict[str, Any]
    input: DescribedInput | None
    has_record: bool


def parse_quote(data: dict[str, Any]) -> QuoteBody:
    """Split a body. `jobId` may be left out: the record does not exist yet.

    Raises:
        BadRequest: `input` is wrong; the rest is checked as that of `POST /queue/media`.
    """
    request = dict(data)
    given = request.pop("input", None)
    if given is not None and not isinstance(given, dict):
        raise BadRequest("input must be an object such as {size, duration, resolution, fps, codec}")
    described = validate(without_empty(given, DescribedInput), DescribedInput, "input") if given is not None else None
    has_record = request.get("jobId") not in (None, "")
    return QuoteBody(request if has_record else {**request, "jobId": NO_RECORD}, described, has_record)
