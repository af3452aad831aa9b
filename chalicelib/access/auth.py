"""Authentication: which Directus user sent a request, from the bearer token.

Directus signs with HS256 and its raw SECRET; `iss` is `directus`, and there is no `aud`. Every other token is rejected. The
algorithm is fixed here and not read from the token. A share token names no user and is rejected.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID

import jwt

from chalicelib.errors import Unauthorized

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chalicelib.directus.client import Directus

TOKEN_MAX_BYTES = 4096
OPAQUE_TTL_SECONDS = 30
OPAQUE_CACHE_ENTRIES = 1000


@dataclass(frozen=True)
class Caller:
    """An authenticated Directus user."""

    user_id: str
    token: str = field(repr=False)


OPERATOR = Caller("", "")
"""The caller of operator commands. It may act on every record, like an administrator."""
ON_BEHALF = Caller("", "")
"""A call on behalf of the record's owner. It has the owner's rights and no more."""


class Authenticator:
    """Authenticates `Authorization` headers."""

    def __init__(self, secrets: Sequence[str], directus: Directus, clock: Callable[[], float] = time.monotonic) -> None:
        self._secrets = secrets
        self._directus = directus
        self._clock = clock
        self._opaque: dict[bytes, tuple[float, str | None]] = {}
        self._lock = threading.Lock()

    def caller(self, authorization: str | None) -> Caller:
        """Return the caller.

        Raises:
            Unauthorized: the header or the token is invalid; the answer does not say why.
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
        claims = next(filter(None, (_claims(token, secret) for secret in self._secrets)), None)
        if claims is None:
            return None
        if claims.get("share"):
            return None
        return _uuid(claims["id"])

    def _static(self, token: str) -> str | None:
        """Ask Directus about an opaque token. Both answers are cached briefly, keyed by the hash of the token."""
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


def _claims(token: str, secret: str) -> dict[str, Any] | None:
    """Return the claims of a token that `secret` signed. While the secret is rotated, two secrets are valid."""
    options: Any = {"require": ["exp", "iss", "id"]}
    try:
        return jwt.decode(token, secret, algorithms=["HS256"], issuer="directus", options=options)
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None


def _uuid(value: object) -> str | None:
    try:
        return str(UUID(value)) if isinstance(value, str) else None
    except ValueError:
        return None
