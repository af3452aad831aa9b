"""`/queue/jobs`: list, show, cancel and retry jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from chalice import Blueprint

from chalicelib.api.http import endpoint, published
from chalicelib.api.routes.media import accepted
from chalicelib.domain.requests import JOB_MAX_BYTES, parse_job_id
from chalicelib.domain.validation import parse_object
from chalicelib.services import services

if TYPE_CHECKING:
    from chalicelib.usecases.bulk import Action

blueprint = Blueprint(__name__)
logger = Logger(service="mediaq", child=True)


@blueprint.route("/", methods=["GET"], cors=True)
@endpoint
def jobs() -> Any:
    """List jobs, newest first."""
    from chalicelib.domain import queries  # noqa: PLC0415 - only this route pays for the import

    request = blueprint.current_request
    caller = services().authenticator.caller(request.headers.get("authorization"))
    asked = request.query_params
    query = queries.parse({name: asked.getlist(name) for name in asked} if asked else {})
    return published(services().job_status.page(query, caller))


@blueprint.route("/retry", methods=["POST"], cors=True)
@endpoint
def retry_many() -> Any:
    """Retry the jobs that the body selects, oldest first."""
    return _bulk("retry")


@blueprint.route("/cancel", methods=["POST"], cors=True)
@endpoint
def cancel_many() -> Any:
    """Cancel the jobs that the body selects, oldest first."""
    return _bulk("cancel")


def _bulk(action: Action) -> Any:
    from chalicelib.domain.bulk import parse_selection  # noqa: PLC0415

    request = blueprint.current_request
    caller = services().authenticator.caller(request.headers.get("authorization"))
    selection = parse_selection(parse_object(request.raw_body, JOB_MAX_BYTES))
    answer = services().bulk_actions.run(action, selection, caller)
    done = sum(one.ok for one in answer.results)
    about = {"action": action, "done": done, "of": len(answer.results), "dry_run": answer.dry_run, "user_id": caller.user_id}
    logger.info("bulk action", extra=about)
    return published(answer)


@blueprint.route("/{job_id}", methods=["GET"], cors=True)
@endpoint
def job(job_id: str) -> Any:
    """Return one job."""
    from chalicelib.domain.job_schemas import JobAnswer  # noqa: PLC0415

    caller = services().authenticator.caller(blueprint.current_request.headers.get("authorization"))
    return published(JobAnswer(job=services().job_status.show(parse_job_id(job_id), caller)))


@blueprint.route("/{job_id}/picture", methods=["GET"], cors=True)
@endpoint
def picture(job_id: str) -> Any:
    """Return a preview image of a job's output."""
    caller = services().authenticator.caller(blueprint.current_request.headers.get("authorization"))
    return published(services().pictures.of(parse_job_id(job_id), caller))


@blueprint.route("/{job_id}", methods=["DELETE"], cors=True)
@endpoint
def cancel(job_id: str) -> dict[str, Any]:
    """Cancel a job that is waiting, delayed or running."""
    caller = services().authenticator.caller(blueprint.current_request.headers.get("authorization"))
    job_id = parse_job_id(job_id)
    services().canceller.cancel_for(caller, job_id)
    logger.info("cancelled", extra={"job_id": job_id, "user_id": caller.user_id})
    return {"ok": True, "jobId": job_id, "status": "cancelled"}


@blueprint.route("/{job_id}/retry", methods=["POST"], cors=True, content_types=["*/*"])
@endpoint
def retry(job_id: str) -> dict[str, Any]:
    """Retry a failed job with its original parameters."""
    caller = services().authenticator.caller(blueprint.current_request.headers.get("authorization"))
    return accepted(services().retrier.retry(parse_job_id(job_id), caller), caller.user_id)
