"""`GET /queue/usage`: the limits of a user's plan, and what is left of them."""

from __future__ import annotations

from typing import Any

from chalice import Blueprint

from chalicelib.api.http import endpoint, published
from chalicelib.services import services
from chalicelib.usecases.usage import parse_user

blueprint = Blueprint(__name__)


@blueprint.route("/usage", methods=["GET"], cors=True)
@endpoint
def usage() -> Any:
    """Return the usage of the caller, or of the user that an administrator names."""
    request = blueprint.current_request
    caller = services().authenticator.caller(request.headers.get("authorization"))
    user = parse_user(request.query_params or {}) or caller.user_id
    return published(services().usage.read(user, caller))
