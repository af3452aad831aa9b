"""Who is calling: a Directus user by their token, or our own house by the internal one.

Directus signs with HS256 and its raw SECRET, `iss` is `directus`, and there is no `aud`. Everything else is refused: the
algorithm is ours to say and not the token's, and a share token names no user.
"""

from __future__ import annotations

import hmac
import ipaddress
import threading
import time
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import UUID

import jwt

from chalicelib.errors import Forbidden, Unauthorized

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chalicelib.directus import Directus
    from chalicelib.settings import Settings

TOKEN_MAX_BYTES = 4096
OPAQUE_TTL_SECONDS = 30
OPAQUE_CACHE_ENTRIES = 1000


@dataclass(frozen=True)
class Caller:
    """A user that Directus vouches for."""

    user_id: str
    token: str = field(repr=False)


OPERATOR = Caller("", "")
"""Whoever runs a command with the deployment's own settings: they may act on anybody's record, as an administrator may."""
ON_BEHALF = Caller("", "")
"""The owner of each record, for whom somebody else acts: what a record asks for is its owner's word, and has no more rights."""


class Authenticator:
    """Makes callers out of `Authorization` headers."""

    def __init__(self, secret: str, directus: Directus, clock: Callable[[], float] = time.monotonic) -> None:
        self._secret = secret
        self._directus = directus
        self._clock = clock
        self._opaque: dict[bytes, tuple[float, str | None]] = {}
        self._lock = threading.Lock()

    def caller(self, authorization: str | None) -> Caller:
        """Return who sent the header.

        Raises:
            Unauthorized: whatever is wrong with it; the answer does not say what.
            DirectusUnavailable: an opaque token could not be checked.
        """
        scheme, _, token = (authorization or "").strip().partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token.isascii() or not 0 < len(token) <= TOKEN_MAX_BYTES or "," in token:
            raise Unauthorized
        if any(char.isspace() or not char.isprintable() for char in token):
            raise Unauthorized
        user_id = self._signed(token) if token.count(".") == 2 else self._static(token)  # noqa: PLR2004 - a JWS has two dots
        if user_id is None:
            raise Unauthorized
        return Caller(user_id, token)

    def _signed(self, token: str) -> str | None:
        try:
            claims = jwt.decode(
                token, self._secret, algorithms=["HS256"], issuer="directus", options={"require": ["exp", "iss", "id"]}
            )
        except (jwt.PyJWTError, ValueError, RecursionError):
            return None
        if claims.get("share"):
            return None
        return _uuid(claims["id"])

    def _static(self, token: str) -> str | None:
        """Ask Directus, and remember either answer for a short while, by the token's hash."""
        digest, now = sha256(token.encode()).digest(), self._clock()
        with self._lock:
            known = self._opaque.get(digest)
        if known and known[0] > now:
            return known[1]
        user_id = _uuid(self._directus.whoami(token))
        with self._lock:
            if len(self._opaque) >= OPAQUE_CACHE_ENTRIES:
                self._opaque.clear()
            self._opaque[digest] = (now + OPAQUE_TTL_SECONDS, user_id)
        return user_id


def require_internal(headers: Mapping[str, str], peer: str, settings: Settings) -> None:
    """Let only our own house through: by `X-Internal-Token`, or from loopback where the deployment says so.

    Raises:
        Forbidden: for everybody else.
    """
    sent = headers.get("x-internal-token") or ""
    if settings.internal_token and hmac.compare_digest(sent.encode(), settings.internal_token.encode()):
        return
    if settings.trust_loopback and not sent and _is_loopback(peer):
        return
    raise Forbidden("This endpoint is internal: send X-Internal-Token")


def _is_loopback(peer: str) -> bool:
    try:
        return ipaddress.ip_address(peer).is_loopback
    except ValueError:
        return False


def _uuid(value: object) -> str | None:
    try:
        return str(UUID(value)) if isinstance(value, str) else None
    except ValueError:
        return None
