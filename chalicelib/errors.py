"""Every error that mediaq raises on purpose.

    MediaqError
    ├── SettingsError           the process cannot start: which variable, and what it wants
    ├── ApiError                has an HTTP answer
    │   ├── BadRequest          400  the text names the field and what it wants
    │   ├── Unauthorized        401
    │   ├── Forbidden           403
    │   ├── TierLimitReached    403  reason: limit_reached | feature_unavailable
    │   ├── NotFound            404
    │   ├── Conflict            409
    │   ├── TooManyDelayed      429
    │   └── Unavailable         503  a dependency is away; nothing was accepted, try again
    │       ├── LedgerUnavailable      Redis
    │       ├── TicketsUnavailable     SQS
    │       ├── DirectusUnavailable    Directus
    │       └── RecordBusy             another call, or the worker that starts the job, writes the record this moment
    └── JobStopped              a run ended without a result
        ├── MediaRejected       retrying cannot mend it: the job fails at once
        ├── AttemptFailed       worth another attempt, as long as there is one
        │   └── RetryLater      a server says when to come back; no attempt spent
        ├── JobCancelled        somebody asked for it
        ├── LeaseLost           the job is another worker's now; touch nothing
        └── WorkerStopping      this worker is going down; the job goes back, no attempt spent
            └── OutOfTime       this Lambda has no time left; the job goes to a worker without such a limit

An answer never carries a stack, a secret, an internal host or a dependency's own text: the cause is
chained (`raise ... from error`) and goes to the log.
"""

from __future__ import annotations

from typing import Any


class MediaqError(Exception):
    """Base of the tree."""


class SettingsError(MediaqError):
    """An environment variable is missing or unusable."""


class ApiError(MediaqError):
    """An error with an HTTP answer."""

    status = 500

    def body(self) -> dict[str, Any]:
        """Return the JSON body of the answer."""
        return {"error": str(self)}

    def headers(self) -> dict[str, str]:
        """Return what the answer adds to the usual headers."""
        return {}


class BadRequest(ApiError):
    """The request is malformed; the text says which field and what it wants."""

    status = 400


class Unauthorized(ApiError):
    """No caller could be made out of the request."""

    status = 401

    def __init__(self) -> None:
        super().__init__("Invalid or expired Directus token")

    def headers(self) -> dict[str, str]:
        """Name the scheme, as RFC 9110 asks of every 401."""
        return {"WWW-Authenticate": "Bearer"}


class Forbidden(ApiError):
    """The caller is known, or internal only, and may not do this."""

    status = 403


class TierLimitReached(ApiError):
    """The caller's plan does not allow the operation, or not once more this cycle."""

    status = 403
    MESSAGES = {  # noqa: RUF012 - a constant
        "limit_reached": "You have reached your plan limit for this feature. Upgrade to continue.",
        "feature_unavailable": "This feature is not available on your current plan.",
    }

    def __init__(self, reason: str) -> None:
        super().__init__("tier_limit_reached")
        self.reason = reason

    def body(self) -> dict[str, Any]:
        """Return the published body: error, reason, message."""
        return {"error": str(self), "reason": self.reason, "message": self.MESSAGES[self.reason]}


class NotFound(ApiError):
    """There is no such thing, or it is not the caller's: the answer does not say which."""

    status = 404


class Conflict(ApiError):
    """The record is in a state that the call cannot start from."""

    status = 409


class TooManyDelayed(ApiError):
    """The user has as many delayed jobs as one may have."""

    status = 429

    def __init__(self, limit: int) -> None:
        super().__init__(f"delay and run_at must wait: you have {limit} delayed jobs already")


class Unavailable(ApiError):
    """A dependency is away. Nothing was accepted and nothing was charged."""

    status = 503
    retry_after_seconds = 5

    def body(self) -> dict[str, Any]:
        """Return the published body of a failure that is not the caller's."""
        return {"ok": False, "error": str(self)}

    def headers(self) -> dict[str, str]:
        """Say when to come back."""
        return {"Retry-After": str(self.retry_after_seconds)}


class LedgerUnavailable(Unavailable):
    """Redis is away, or will not write."""

    def __init__(self, message: str = "Redis connection refused") -> None:
        super().__init__(message)


class TicketsUnavailable(Unavailable):
    """SQS is away or throttles."""

    def __init__(self, message: str = "SQS connection refused") -> None:
        super().__init__(message)


class DirectusUnavailable(Unavailable):
    """Directus is away, throttles, or refuses our own access."""

    def __init__(self, message: str = "Directus connection refused") -> None:
        super().__init__(message)


class RecordBusy(Unavailable):
    """Another call, or the worker that starts the job, holds the lock on the record."""

    def __init__(self) -> None:
        super().__init__("The record of the job is being changed; try again in a few seconds")


class JobStopped(MediaqError):
    """A run ended without a result."""


class MediaRejected(JobStopped):
    """Retrying cannot mend it: bad media, a missing file, a parameter that does not fit the input."""


class AttemptFailed(JobStopped):
    """This attempt failed; another may succeed."""


class RetryLater(AttemptFailed):
    """A server asks to wait `seconds`. The job comes back then, no attempt spent."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class JobCancelled(JobStopped):
    """The job was cancelled while it ran."""


class LeaseLost(JobStopped):
    """Another worker holds the job now. Nothing may be changed any more."""


class WorkerStopping(JobStopped):
    """The worker is shutting down and gives the job back."""


class OutOfTime(WorkerStopping):
    """This Lambda has no time left. The job goes to the container pool, no attempt spent."""
