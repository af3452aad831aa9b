"""Authentication of internal calls, such as Directus Flows. Separate from `auth`, so that they do not load its library."""

from __future__ import annotations

import hmac
import ipaddress
from typing import TYPE_CHECKING

from chalicelib.errors import Forbidden

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.settings import Settings


def require_internal(headers: Mapping[str, str], peer: str, settings: Settings) -> None:
    """Allow internal calls only: with `X-Internal-Token`, or from loopback if the deployment allows it.

    Raises:
        Forbidden: any other call.
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
