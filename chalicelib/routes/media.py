"""`POST /queue/media` and `POST /queue/media/bulk`: put records into the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from chalice import Blueprint

from chalicelib.errors import ApiError, Unavailable
from chalicelib.media_request import JOB_MAX_BYTES, parse_bulk
from chalicelib.routes.api import BULK_MAX_BYTES, endpoint
from chalicelib.services import services
from chalicelib.validation import parse_object

if TYPE_CHECKING:
    from chalicelib.auth import Caller
    from chalicelib.enqueue import Enqueued

blueprint = Blueprint(__name__)
logger = Logger(service="mediaq", child=True)


@blueprint.route("/media", methods=["POST"], cors=True)
@endpoint
def media() -> dict[str, Any]:
    """Enqueue the record that the body names."""
    request = blueprint.current_request
    caller = services().authenticator.caller(request.headers.get("authorization"))
    data = parse_object(request.raw_body, JOB_MAX_BYTES)
    return accepted(services().enqueuer.enqueue(data, caller), caller)


@blueprint.route("/media/bulk", methods=["POST"], cors=True)
@endpoint
def bulk() -> dict[str, Any]:
    """Enqueue the records that the body lists. Each has its own answer, in their order; `ok` says whether all were accepted."""
    request = blueprint.current_request
    caller = services().authenticator.caller(request.headers.get("authorization"))
    jobs = parse_bulk(parse_object(request.raw_body, BULK_MAX_BYTES))
    answers = services().enqueuer.enqueue_all(jobs, caller)
    results = [_refused(one) if isinstance(one, ApiError) else accepted(one, caller) for one in answers]
    return {"ok": all(one["ok"] for one in results), "results": results}


def accepted(enqueued: Enqueued, caller: Caller) -> dict[str, Any]:
    """Log that a job was accepted, and return what its caller is told."""
    logger.info(
        "enqueued",
        extra={"job_id": enqueued.job_id, "bull_job_id": enqueued.bull_job_id, "user_id": caller.user_id},
    )
    return {"ok": True, "bullJobId": enqueued.bull_job_id, "jobId": enqueued.job_id}


def _refused(error: ApiError) -> dict[str, Any]:
    if isinstance(error, Unavailable):
        logger.warning("answered 503", extra={"error": str(error), "cause": repr(error.__cause__)})
    return {**error.body(), "ok": False, "status": error.status}
