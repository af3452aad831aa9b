"""`/captions`: make, read, correct and delete captions."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger
from chalice import Blueprint, Response

from chalicelib.api.http import as_bytes, endpoint, published
from chalicelib.api.routes.media import accepted
from chalicelib.domain.requests import JOB_MAX_BYTES, parse_job_id
from chalicelib.domain.validation import parse_object
from chalicelib.errors import BadRequest
from chalicelib.services import services

blueprint = Blueprint(__name__)
logger = Logger(service="mediaq", child=True)
VERSION_DIGITS = 9
FILES = ["application/json", "text/vtt", "application/x-subrip", "text/plain"]


@blueprint.route("/", methods=["POST"], cors=True)
@endpoint
def create() -> dict[str, Any]:
    """Create a record and enqueue it."""
    from chalicelib.domain.captions.schemas import parse_request  # noqa: PLC0415 - only this resource pays for the import

    request = blueprint.current_request
    caller = services().authenticator.caller(request.headers.get("authorization"))
    asked = parse_request(parse_object(request.raw_body, JOB_MAX_BYTES))
    return accepted(services().captions.create(asked, caller), caller.user_id)


@blueprint.route("/{job_id}", methods=["GET"], cors=True)
@endpoint
def read(job_id: str) -> Any:
    """Return the captions as JSON, or as a file if the path ends in its suffix."""
    caller = services().authenticator.caller(blueprint.current_request.headers.get("authorization"))
    job_id, dot, kind = job_id.partition(".")
    if not dot:
        return published(services().captions.read(parse_job_id(job_id), caller))
    text, mime = services().captions.render(parse_job_id(job_id), kind, caller)
    return Response(body=text, headers={"Content-Type": f"{mime}; charset=utf-8"})


@blueprint.route("/{job_id}", methods=["PUT"], cors=True, content_types=FILES)
@endpoint
def replace(job_id: str) -> Any:
    """Store corrected captions as a new version."""
    request = blueprint.current_request
    caller = services().authenticator.caller(request.headers.get("authorization"))
    base = _version(request.headers.get("if-match"))
    answer = services().captions.replace(parse_job_id(job_id), as_bytes(request.raw_body), caller, base)
    logger.info("captions replaced", extra={"job_id": answer.jobId, "version": answer.version, "user_id": caller.user_id})
    return published(answer)


def _version(text: str | None) -> int | None:
    """Return the version that a correction was made from."""
    if text is None:
        return None
    number = text.strip().strip('"')
    if not number.isdigit() or len(number) > VERSION_DIGITS:
        raise BadRequest("If-Match must be the version that was corrected, a number")
    return int(number)


@blueprint.route("/{job_id}", methods=["DELETE"], cors=True)
@endpoint
def delete(job_id: str) -> dict[str, Any]:
    """Delete the captions of a job, in all versions."""
    caller = services().authenticator.caller(blueprint.current_request.headers.get("authorization"))
    job_id = parse_job_id(job_id)
    services().captions.delete(job_id, caller)
    logger.info("captions deleted", extra={"job_id": job_id, "user_id": caller.user_id})
    return {"ok": True, "jobId": job_id, "status": "deleted"}
