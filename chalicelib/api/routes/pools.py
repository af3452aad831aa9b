"""`/queue/pools`: the state of the pools; pause and resume them."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger
from chalice import Blueprint

from chalicelib.api.http import endpoint, published
from chalicelib.errors import Forbidden, NotFound
from chalicelib.services import services
from chalicelib.settings import POOLS

blueprint = Blueprint(__name__)
logger = Logger(service="mediaq", child=True)


@blueprint.route("/", methods=["GET"], cors=True)
@endpoint
def pools() -> Any:
    """Return the state of each pool."""
    from chalicelib.domain.schemas import PoolsAnswer, PoolState  # noqa: PLC0415

    found = services().ledger.pools()
    states = [
        PoolState(name, one.waiting, one.paused, one.pace_ms / 1000 if one.pace_ms else None)  # type: ignore[arg-type]
        for name, one in found.items()
    ]
    return published(PoolsAnswer(pools=states))


@blueprint.route("/{pool}/pause", methods=["POST"], cors=True, content_types=["*/*"])
@endpoint
def pause(pool: str) -> dict[str, Any]:
    """Stop starting jobs of a pool. Running jobs continue, new jobs wait."""
    return _set(pool, paused=True)


@blueprint.route("/{pool}/resume", methods=["POST"], cors=True, content_types=["*/*"])
@endpoint
def resume(pool: str) -> dict[str, Any]:
    """Start the jobs of a paused pool again."""
    return _set(pool, paused=False)


def _set(pool: str, *, paused: bool) -> dict[str, Any]:
    caller = services().authenticator.caller(blueprint.current_request.headers.get("authorization"))
    if not services().ownership.is_administrator(caller):
        raise Forbidden("Only administrators pause and resume pools")
    if pool not in POOLS:
        raise NotFound(f"There is no such pool; it must be one of {', '.join(POOLS)}")
    changed = services().ledger.pause(pool, paused)
    logger.warning("pool set", extra={"pool": pool, "paused": paused, "changed": changed, "user_id": caller.user_id})
    return {"ok": True, "pool": pool, "paused": paused}
