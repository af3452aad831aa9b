"""`/credentials`: store, list, change, delete and test credentials. No answer has a secret."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from chalice import Blueprint

from chalicelib.api.http import endpoint, published
from chalicelib.domain.requests import JOB_MAX_BYTES
from chalicelib.domain.validation import parse_object
from chalicelib.errors import BadRequest
from chalicelib.services import services

blueprint = Blueprint(__name__)


@blueprint.route("/", methods=["POST"], cors=True)
@endpoint
def create() -> Any:
    """Store a credential."""
    return _answer(services().credentials.create(_body(), _caller()))


@blueprint.route("/", methods=["GET"], cors=True)
@endpoint
def page() -> Any:
    """List credentials."""
    from chalicelib.domain.credentials import CredentialsAnswer  # noqa: PLC0415 - only this resource pays for the import

    return published(CredentialsAnswer(credentials=services().credentials.page(_caller())))


@blueprint.route("/{credential_id}", methods=["GET"], cors=True)
@endpoint
def show(credential_id: str) -> Any:
    """Return one credential."""
    return _answer(services().credentials.show(_key(credential_id), _caller()))


@blueprint.route("/{credential_id}", methods=["PATCH"], cors=True)
@endpoint
def change(credential_id: str) -> Any:
    """Rename a credential, or replace its secret and hosts."""
    caller = _caller()
    return _answer(services().credentials.change(_key(credential_id), _body(), caller))


@blueprint.route("/{credential_id}", methods=["DELETE"], cors=True)
@endpoint
def delete(credential_id: str) -> dict[str, Any]:
    """Delete a credential."""
    caller, key = _caller(), _key(credential_id)
    asked = blueprint.current_request.query_params
    force = asked.get("force", "false") if asked else "false"
    if force not in ("true", "false"):
        raise BadRequest("force must be true or false")
    services().credentials.delete(key, caller, force=force == "true")
    return {"ok": True, "id": key, "status": "deleted"}


@blueprint.route("/{credential_id}/test", methods=["POST"], cors=True)
@endpoint
def test(credential_id: str) -> Any:
    """Let a worker try the credential."""
    caller = _caller()
    return published(services().credentials.test(_key(credential_id), _body(), caller))


def _caller() -> Any:
    return services().authenticator.caller(blueprint.current_request.headers.get("authorization"))


def _body() -> dict[str, Any]:
    return parse_object(blueprint.current_request.raw_body, JOB_MAX_BYTES)


def _key(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError as error:
        raise BadRequest("id must be the UUID of a credential") from error


def _answer(view: Any) -> Any:
    from chalicelib.domain.credentials import CredentialAnswer  # noqa: PLC0415

    return published(CredentialAnswer(credential=view))
