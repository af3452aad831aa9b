"""`GET /queue/health`: which dependencies are reachable, and which alarms are on."""

from __future__ import annotations

from chalice import Blueprint, Response

from chalicelib.api.http import endpoint
from chalicelib.services import services

blueprint = Blueprint(__name__)


@blueprint.route("/health", methods=["GET"], cors=True)
@endpoint
def health() -> Response:
    """Return 200 if every dependency is reachable, else 503. Both list the active alarms."""
    found = services().health_checker.examine()
    body = {"ok": found.ok, "dependencies": found.dependencies, "alarms": found.alarms, "programs": found.programs}
    return Response(body=body, status_code=200 if found.ok else 503)
