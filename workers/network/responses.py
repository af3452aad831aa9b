"""Reads the responses of servers: errors, waits, names."""

from __future__ import annotations

from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from chalicelib.errors import AttemptFailed, MediaRejected, RetryLater

if TYPE_CHECKING:
    import http.client

PASSING = (408, 425, 429)
"""4xx statuses that may be temporary."""
PATIENCE = (429, 503)
"""Statuses that may have a Retry-After header."""
RETRY_AFTER_MAX_SECONDS = 3600.0


def refused(answer: http.client.HTTPResponse, label: str) -> MediaRejected | AttemptFailed:
    """Return the error of a response that is no success."""
    status = answer.status
    text = f"{label} answered with status {status}"
    if status in PATIENCE and (seconds := _retry_after(answer.headers.get("Retry-After", ""))):
        return RetryLater(text, min(seconds, RETRY_AFTER_MAX_SECONDS))
    lasting = 300 <= status < 500 and status not in PASSING  # noqa: PLR2004 - 3xx where none is followed, and 4xx
    return MediaRejected(text) if lasting else AttemptFailed(text)


def _retry_after(text: str) -> float:
    """Parse Retry-After (RFC 9110), seconds or a date; 0 if there is none."""
    if text.strip().isdigit():
        return float(text[:10])
    try:
        then = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    return max(0.0, (then - datetime.now(then.tzinfo or UTC)).total_seconds()) if then.tzinfo else 0.0


def as_utf8(header: str) -> str:
    """Decode a header as browsers do: http.client decodes it as Latin-1."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header


def name_of(disposition: str, url: str) -> str:
    """Return the file name, from Content-Disposition (RFC 6266) or from the URL."""
    message = Message()
    message["Content-Disposition"] = disposition[:1000] or "none"
    try:
        name = message.get_filename() or ""
    except (LookupError, UnicodeError, ValueError):
        name = ""
    return PurePosixPath(name.replace("\\", "/")).name or PurePosixPath(unquote(urlsplit(url).path, errors="replace")).name
