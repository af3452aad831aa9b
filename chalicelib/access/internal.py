"""Calls from our own house: Directus' Flows and the like. Apart from `auth`, whose library an internal call does not need."""

from __future__ import annotations

import hmac
import ipaddress
from typing import TYPE_CHECKING

from chalicelib.errors import Forbidden

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.settings import Settings


def require_internal(headers: Mapping[str, str], peer: str, settings: Settings) -> None:
    """Let only our own house through: by `X-Internal-Token`, or from loopback where the deployment says so.

    Raises:
        Forbidden: for everybody else.
    """
    sent = headers.get("x-internal-token") or ""
    if any(hmac.compare_digest(sent.encode(), token.encode()) for token in settings.internal_tokens):
        return
    if settings.trust_loopback and not sent and _is_loopback(peer):
        return
    raise Forbidden("This endpoint is internal: send X-Internal-Token")


def _is_loopback(peer: str) -> bool:
    try:
        return ipaddress.ip_address(peer).is_loopback
    except ValueError:
        return False
