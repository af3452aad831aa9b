"""`GET /queue/stats`: the counts of the queue. Public."""

from __future__ import annotations

from typing import Any

from chalice import Blueprint

from chalicelib.api.http import endpoint
from chalicelib.errors import LedgerUnavailable
from chalicelib.services import services

blueprint = Blueprint(__name__)


@blueprint.route("/stats", methods=["GET"], cors=True)
@endpoint
def stats() -> dict[str, Any]:
    """Return the five counts and the figures of the taxonomy cache."""
    try:
        found = services().ledger.stats()
    except LedgerUnavailable as error:
        raise LedgerUnavailable("Failed to connect to Redis") from error
    names = ("waiting", "active", "completed", "failed", "delayed")
    return {
        "ok": True,
        "stats": {name: getattr(found, name) for name in names},
        "taxonomy_cache": {"size": found.size, "hits": found.hits, "misses": found.misses},
    }
