"""Verifies the signature of a webhook.

    event = mediaq.verify(request.get_data(), request.headers["Mediaq-Signature"], secret)

The secret is the output of `mediaq callback-secret`. Pass the body byte for byte, as you received it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any

from mediaq.errors import SignatureError

TOLERANCE_SECONDS = 300


def verify(body: bytes, signature: str, secret: str, tolerance: float = TOLERANCE_SECONDS) -> dict[str, Any]:
    """Return the event in the body of a webhook.

    `signature` is the header `Mediaq-Signature`. A signature that is more than `tolerance` s old, or from the future, is
    rejected, since it may be replayed. An event can arrive twice; compare its `id`.

    Raises:
        SignatureError: the signature is not valid, or too old, or the body is not an event.
    """
    sent, given = _parts(signature)
    if abs(time.time() - sent) > tolerance:
        raise SignatureError(f"the signature is not of the last {tolerance:g} s")
    expected = hmac.new(secret.encode(), b"%d.%s" % (sent, body), hashlib.sha256).hexdigest()
    if not any(hmac.compare_digest(expected.encode(), one.encode()) for one in given):
        raise SignatureError("the body was not signed with this secret")
    try:
        event = json.loads(body)
    except ValueError as error:
        raise SignatureError("the body is not JSON") from error
    if not isinstance(event, dict):
        raise SignatureError("the body is no event")
    return event


def _parts(signature: str) -> tuple[int, list[str]]:
    pairs = [part.strip().partition("=") for part in signature.split(",")]
    times = [value for name, _, value in pairs if name == "t"]
    if len(times) != 1 or not times[0].isascii() or not times[0].isdigit() or len(times[0]) > 12:  # noqa: PLR2004 - of digits
        raise SignatureError("the signature must be t=<seconds>,v1=<HMAC-SHA256>")
    return int(times[0]), [value for name, _, value in pairs if name == "v1"]
