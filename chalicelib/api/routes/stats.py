"""`GET /queue/stats`: the counts of the queue. Public."""

from __future__ import annotations

from chalice import Blueprint, Response

from chalicelib.api.http import endpoint, reusable
from chalicelib.errors import LedgerUnavailable
from chalicelib.services import services

blueprint = Blueprint(__name__)
GOOD_FOR_SECONDS = 1


@blueprint.route("/stats", methods=["GET"], cors=True)
@endpoint
def stats() -> Response:
    """Return the five counts and the figures of the taxonomy cache."""
    try:
        found = services().ledger.stats()
    except LedgerUnavailable as error:
        raise LedgerUnavailable("Failed to connect to Redis") from error
    names = ("waiting", "active", "completed", "failed", "delayed")
    body = {
        "ok": True,
        "stats": {name: getattr(found, name) for name in names},
        "taxonomy_cache": {"size": found.size, "hits": found.hits, "misses": found.misses},
    }
    return reusable(body, GOOD_FOR_SECONDS)
