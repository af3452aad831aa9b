"""`GET /queue/callbacks/secret`: the secret that verifies a user's webhooks."""

from __future__ import annotations

from typing import Any

from chalice import Blueprint

from chalicelib.api.http import endpoint
from chalicelib.domain.webhooks import secret_of
from chalicelib.errors import NotFound
from chalicelib.services import services

blueprint = Blueprint(__name__)


@blueprint.route("/secret", methods=["GET"], cors=True)
@endpoint
def secret() -> dict[str, Any]:
    """Return the caller's webhook secret."""
    caller = services().authenticator.caller(blueprint.current_request.headers.get("authorization"))
    services().ownership.check_active(caller)
    secrets = services().settings.webhook_secrets
    if not secrets:
        raise NotFound("This deployment has no WEBHOOK_SECRET, so it sends no webhooks")
    return {"ok": True, "secret": secret_of(caller.user_id, secrets[0])}
