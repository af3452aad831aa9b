"""`POST /queue/taxonomy/invalidate`: called by Directus when taxonomy terms change."""

from __future__ import annotations

from typing import Any

from chalice import Blueprint

from chalicelib.access.internal import require_internal
from chalicelib.api.http import endpoint
from chalicelib.services import services

blueprint = Blueprint(__name__)


@blueprint.route("/invalidate", methods=["POST"], content_types=["*/*"])
@endpoint
def invalidate() -> dict[str, Any]:
    """Invalidate the taxonomy cache. The body is ignored."""
    request = blueprint.current_request
    require_internal(request.headers, request.context["identity"]["sourceIp"], services().settings)
    services().taxonomy.invalidate()
    return {"ok": True, "message": "Taxonomy cache invalidated"}
