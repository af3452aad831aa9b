"""The responses about jobs: `GET /jobs`, `GET /jobs/{jobId}` and its preview image."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from chalicelib.domain.attempts import AttemptLog, Line
from chalicelib.domain.queries import State
from chalicelib.domain.schemas import Answer, Count, JobId, Pool, Time
from chalicelib.domain.warning_codes import InputWarning


class Job(msgspec.Struct, kw_only=True):
    """A job in a list."""

    jobId: JobId  # noqa: N815
    bullJobId: Annotated[str | None, msgspec.Meta(description="the admission; null a day after it ended")] = None  # noqa: N815
    user: str | None
    operation: str | None
    state: Annotated[
        State | Literal["other"],
        msgspec.Meta(description="pending: not enqueued yet; other: its record has an unknown status"),
    ]
    priority: int | None
    progress: Annotated[int, msgspec.Meta(description="0 to 100")]
    failed_attempts: Count
    created_at: Time | None
    started_at: Time | None
    finished_at: Time | None
    input_file_id: str | None
    output_file_id: str | None
    error: str | None


class Delivery(msgspec.Struct):
    """One attempt to deliver the webhook."""

    at: Time
    status: Annotated[int | None, msgspec.Meta(description="of the answer; null: there was none")]
    error: Annotated[str, msgspec.Meta(description="empty when it went well")]


class CallbackState(msgspec.Struct, kw_only=True):
    """The delivery of the completion webhook; known for one day after the end of the job."""

    url: str | None
    state: Annotated[
        Literal["waiting", "trying", "delivered", "given up"], msgspec.Meta(description="waiting: the job has not ended")
    ]
    deliveries: list[Delivery]


class JobPart(msgspec.Struct, kw_only=True):
    """A part of a film that several workers encode."""

    part: Annotated[int, msgspec.Meta(description="its number, in film order from 0")]
    state: Annotated[Literal["open", "active", "finished", "failed"], msgspec.Meta(description="open: no worker has it")]
    worker: Annotated[int | None, msgspec.Meta(description="the number of the worker that has or had it, from 1")]
    started_at: Time | None
    seconds: Annotated[float | None, msgspec.Meta(description="how long it took; null: it has not finished")]
    runs: Annotated[Count, msgspec.Meta(description="how often a worker started it")]
    error: Annotated[str, msgspec.Meta(description="of its last failed run; empty: none failed")]


class JobParts(msgspec.Struct, kw_only=True):
    """The parts of a running job."""

    count: Count
    finished: Count
    parts: Annotated[list[JobPart], msgspec.Meta(description="those whose packets are ready, in film order")]


class JobDetail(Job, kw_only=True):
    """A job with all its details."""

    pool: Pool | None
    position: Annotated[int | None, msgspec.Meta(description="of a waiting job: its position in the queue, 1 is next")]
    estimated_start: Annotated[
        Time | None, msgspec.Meta(description="of a waiting job: by the pace at which jobs have started; null: not known")
    ]
    paused: Annotated[bool, msgspec.Meta(description="whether the pool of a waiting job is paused")]
    run_at: Annotated[Time | None, msgspec.Meta(description="of a delayed job: when it is due")]
    input_url: str | None
    params: Any
    attempts: list[AttemptLog]
    log: list[Line]
    stages: Annotated[dict[str, float], msgspec.Meta(description="seconds by stage, of the last attempt")]
    parts: Annotated[
        JobParts | None,
        msgspec.Meta(description="of a running job in parts; afterwards result.parts has them. null: it runs whole"),
    ]
    callback: CallbackState | None
    warnings: Annotated[list[InputWarning], msgspec.Meta(description="what was wrong with the input of a completed job")]
    result: Annotated[dict[str, Any] | None, msgspec.Meta(description="what the operation measured, and its output files")]


class JobsAnswer(Answer):
    """A page of jobs, newest first. A page may be shorter than requested; continue while `next` is not null."""

    jobs: list[Job]
    next: Annotated[str | None, msgspec.Meta(description="the cursor of the next page; null: this is the last")]


class JobAnswer(Answer):
    """One job."""

    job: JobDetail


class PreviewAnswer(Answer):
    """An image that the job made, scaled to at most screen size."""

    type: Literal["image/jpeg", "image/png", "image/webp", "image/gif"]
    data: Annotated[str, msgspec.Meta(description="base64")]
