"""The body of `POST /queue/media`, validated before any dependency is called."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from chalicelib.domain.jobs import DEFAULT_PRIORITY, OPERATIONS
from chalicelib.domain.presets import Presets, expand
from chalicelib.domain.validation import FieldError, is_web_address, validate, without_empty
from chalicelib.errors import BadRequest

URL_MAX = 2048
JOB_MAX_BYTES = 64 * 1024
BULK_AT_MOST = 100


def _wants(description: str, **limits: Any) -> msgspec.Meta:
    return msgspec.Meta(description=description, **limits)


class MediaRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `POST /queue/media`. Unknown keys are ignored."""

    jobId: Annotated[UUID, _wants("the UUID of a media_jobs record")]  # noqa: N815 - the published name
    operation: Annotated[str, _wants("the name of an operation, such as transcoding", min_length=1, max_length=64)]
    input_file_id: Annotated[UUID, _wants("the UUID of a directus_files record")] | None = None
    input_url: Annotated[str, _wants(f"an http or https URL of at most {URL_MAX} characters", max_length=URL_MAX)] | None = None
    params: Annotated[dict[str, Any], _wants("an object of parameters of the operation")] = {}
    creator_profile_id: Annotated[UUID, _wants("the UUID of a platform_connections record")] | None = None
    priority: Annotated[int, _wants("an integer from 1 to 100, lower first", ge=1, le=100)] = DEFAULT_PRIORITY
    callback_url: Annotated[str, _wants(f"an http or https URL of at most {URL_MAX} characters", max_length=URL_MAX)] | None = (
        None
    )
    delay: Annotated[int, _wants("an integer of milliseconds to wait", ge=0)] = 0
    run_at: Annotated[datetime, _wants("an ISO 8601 time with its zone, such as 2026-12-24T18:00:00Z", tz=True)] | None = None

    def __post_init__(self) -> None:
        """Check what a pattern cannot."""
        for name in ("input_url", "callback_url"):
            url = getattr(self, name)
            if url is not None and not is_web_address(url):
                raise FieldError(name, f"an http or https URL of at most {URL_MAX} characters, without a password in it")
        if self.run_at is not None and self.delay:
            raise FieldError("run_at", "left out when there is a delay")

    def delay_ms(self, longest_ms: int) -> int:
        """Return the delay of the job in ms; 0 for a time in the past.

        Raises:
            BadRequest: longer than `longest_ms`.
        """
        until = (self.run_at - datetime.now(UTC)).total_seconds() * 1000 if self.run_at else self.delay
        if until > longest_ms:
            name = "run_at" if self.run_at else "delay"
            raise BadRequest(f"{name} must be at most {longest_ms} ms ahead ({longest_ms / 3_600_000:g} hours)")
        return max(0, round(until))


def parse(data: Any, presets: Presets) -> MediaRequest:
    """Parse a request body and expand a named preset.

    Raises:
        BadRequest: the message names the field and what it must be.
    """
    if not isinstance(data, dict):
        raise BadRequest("each of jobs must be an object")
    data = without_empty(data, MediaRequest)
    if "jobId" not in data or "operation" not in data:
        raise BadRequest("jobId and operation are required")
    request = validate(data, MediaRequest)
    if request.operation in OPERATIONS:
        model = OPERATIONS[request.operation].params
        params = without_empty(request.params, model)
        if request.operation == "transcoding":
            params = expand(params, presets)
        validate(params, model, "params")
        request = msgspec.structs.replace(request, params=params)
    return request


def parse_bulk(data: dict[str, Any]) -> list[Any]:
    """Return the jobs in the body of `POST /queue/media/bulk`, not parsed yet."""
    jobs = data.get("jobs")
    if not isinstance(jobs, list) or not 1 <= len(jobs) <= BULK_AT_MOST:
        raise BadRequest(f"jobs must be a list of 1 to {BULK_AT_MOST} objects, each as POST /queue/media takes it")
    for at, job in enumerate(jobs):
        if len(msgspec.json.encode(job)) > JOB_MAX_BYTES:
            raise BadRequest(f"jobs[{at}] must be at most {JOB_MAX_BYTES} bytes")
    return jobs


def parse_job_id(text: str) -> str:
    """Parse a record id in a path."""
    try:
        return str(UUID(text))
    except ValueError as error:
        raise BadRequest("jobId must be the UUID of a media_jobs record") from error
