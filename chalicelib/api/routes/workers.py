"""`GET /queue/workers`: who works, on what, since when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalice import Blueprint

from chalicelib.api.http import endpoint, published
from chalicelib.errors import Forbidden
from chalicelib.services import services

if TYPE_CHECKING:
    from chalicelib.domain.schemas import WorkerState
    from chalicelib.ledger.workers import SeenWorker

blueprint = Blueprint(__name__)


@blueprint.route("/workers", methods=["GET"], cors=True)
@endpoint
def workers() -> Any:
    """Return the workers that reported within 15 minutes, for administrators."""
    from chalicelib.domain.schemas import WorkersAnswer  # noqa: PLC0415

    caller = services().authenticator.caller(blueprint.current_request.headers.get("authorization"))
    if not services().ownership.is_administrator(caller):
        raise Forbidden("Only administrators see the workers")
    return published(WorkersAnswer(workers=[_state(one) for one in services().workers_ledger.read()]))


def _state(worker: SeenWorker) -> WorkerState:
    from chalicelib.directus.records import iso  # noqa: PLC0415
    from chalicelib.domain.schemas import WorkerState  # noqa: PLC0415

    return WorkerState(
        id=worker.id,
        state="alive" if worker.alive else "lost" if worker.lost else "idle",
        kind=worker.kind,
        pools=worker.pools,  # type: ignore[arg-type]
        host=worker.host,
        version=worker.version,
        ffmpeg=worker.ffmpeg,
        started_at=iso(worker.started_ms),
        seen_at=iso(worker.seen_ms),
        slots=worker.slots,
        jobs=worker.jobs,
        memory_bytes=worker.memory_bytes,
        last_error=worker.last_error or None,
        last_error_at=iso(worker.last_error_ms) if worker.last_error_ms else None,
    )
