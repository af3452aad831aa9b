"""`POST /queue/media`: put a record into the queue."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger
from chalice import Blueprint

from chalicelib.routes.api import BODY_MAX_BYTES, endpoint
from chalicelib.services import services
from chalicelib.validation import parse_object

blueprint = Blueprint(__name__)
logger = Logger(service="mediaq", child=True)


@blueprint.route("/media", methods=["POST"], cors=True)
@endpoint
def media() -> dict[str, Any]:
    """Enqueue the record that the body names."""
    request = blueprint.current_request
    caller = services().authenticator.caller(request.headers.get("authorization"))
    data = parse_object(request.raw_body, BODY_MAX_BYTES)
    enqueued = services().enqueuer.enqueue(data, caller)
    logger.info(
        "enqueued",
        extra={"job_id": enqueued.job_id, "bull_job_id": enqueued.bull_job_id, "user_id": caller.user_id},
    )
    return {"ok": True, "bullJobId": enqueued.bull_job_id, "jobId": enqueued.job_id}
