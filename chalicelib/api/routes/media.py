"""`POST /queue/media`, `/queue/media/bulk` and `/queue/media/created`: enqueue jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from chalice import Blueprint

from chalicelib import tracing
from chalicelib.access.internal import require_internal
from chalicelib.api.http import BULK_MAX_BYTES, endpoint, published
from chalicelib.domain.requests import JOB_MAX_BYTES, parse_bulk, parse_job_id
from chalicelib.domain.validation import parse_object
from chalicelib.errors import ApiError, BadRequest, Unavailable
from chalicelib.services import services

if TYPE_CHECKING:
    from chalicelib.usecases.enqueue import Enqueued

blueprint = Blueprint(__name__)
logger = Logger(service="mediaq", child=True)


@blueprint.route("/media", methods=["POST"], cors=True)
@endpoint
def media() -> dict[str, Any]:
    """Enqueue the record that the body names."""
    request = blueprint.current_request
    caller = services().authenticator.caller(request.headers.get("authorization"))
    data = parse_object(request.raw_body, JOB_MAX_BYTES)
    return accepted(services().enqueuer.enqueue(data, caller), caller.user_id)


@blueprint.route("/media/quote", methods=["POST"], cors=True)
@endpoint
def quote() -> Any:
    """Return what would become of a request: whether it would be accepted, its time, its cost. Changes nothing."""
    request = blueprint.current_request
    caller = services().authenticator.caller(request.headers.get("authorization"))
    data = parse_object(request.raw_body, JOB_MAX_BYTES)
    return published(services().quoter.quote(data, caller))


@blueprint.route("/media/bulk", methods=["POST"], cors=True)
@endpoint
def bulk() -> dict[str, Any]:
    """Enqueue the listed records. Each has its own result, in the order of the request; `ok` is true if all were accepted."""
    request = blueprint.current_request
    caller = services().authenticator.caller(request.headers.get("authorization"))
    jobs = parse_bulk(parse_object(request.raw_body, BULK_MAX_BYTES))
    answers = services().enqueuer.enqueue_all(jobs, caller)
    results = [_refused(one) if isinstance(one, ApiError) else accepted(one, caller.user_id) for one in answers]
    return {"ok": all(one["ok"] for one in results), "results": results}


@blueprint.route("/media/created", methods=["POST"])
@endpoint
def created() -> dict[str, Any]:
    """Enqueue a record that a Directus Flow reports as created. The body is the trigger of the Flow."""
    request = blueprint.current_request
    require_internal(request.headers, request.context["identity"]["sourceIp"], services().settings)
    key = parse_object(request.raw_body, BULK_MAX_BYTES).get("key")
    if not isinstance(key, str):
        raise BadRequest("key must be the id of a media_jobs record: send the Flow's {{ $trigger }}")
    return accepted(services().created.enqueue(parse_job_id(key)), "its owner")


def accepted(enqueued: Enqueued, user_id: str) -> dict[str, Any]:
    """Log that a job was accepted, and return the response."""
    logger.info(
        "enqueued",
        extra={
            "job_id": enqueued.job_id,
            "bull_job_id": enqueued.bull_job_id,
            "user_id": user_id,
            **tracing.trace_id(tracing.traceparent()),
        },
    )
    return {"ok": True, "bullJobId": enqueued.bull_job_id, "jobId": enqueued.job_id}


def _refused(error: ApiError) -> dict[str, Any]:
    if isinstance(error, Unavailable):
        logger.warning("answered 503", extra={"error": str(error), "cause": repr(error.__cause__)})
    return {**error.body(), "ok": False, "status": error.status}
