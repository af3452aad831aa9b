"""Every error that mediaq raises on purpose.

    MediaqError
    ├── SettingsError           the process cannot start: a variable is missing or wrong
    ├── ApiError                has an HTTP response
    │   ├── BadRequest          400  the message names the field and what it must be
    │   ├── Unauthorized        401
    │   ├── Forbidden           403
    │   ├── TierLimitReached    403  reason: limit_reached | budget_reached | feature_unavailable
    │   ├── NotFound            404
    │   ├── Conflict            409
    │   ├── TooManyDelayed      429
    │   ├── TooManyRequests     429
    │   └── Unavailable         503  a dependency is unreachable; nothing was accepted
    │       ├── LedgerUnavailable      Redis
    │       ├── TicketsUnavailable     SQS
    │       ├── DirectusUnavailable    Directus
    │       ├── SealingUnavailable     KMS
    │       └── RecordBusy             another call or worker holds the record lock
    └── JobStopped              a run ended without a result
        ├── MediaRejected       a retry cannot succeed: the job fails at once
        ├── AttemptFailed       a retry may succeed: the job is retried with backoff
        │   └── RetryLater      a server named a time to come back; no attempt spent
        ├── JobCancelled        the job was cancelled
        ├── LeaseLost           another worker holds the job; change nothing
        └── WorkerStopping      the worker shuts down; the job is released, no attempt spent
            └── LambdaExceeded  the Lambda has too little time, memory or disk; the job moves to the container pool

A response never contains a stack trace, a secret, an internal host or the text of a dependency. The cause is chained
(`raise ... from error`) and logged.
"""

from __future__ import annotations

from typing import Any


class MediaqError(Exception):
    """Base class of all errors."""


class SettingsError(MediaqError):
    """An environment variable is missing or unusable."""


class ApiError(MediaqError):
    """An error with an HTTP response."""

    status = 500

    def body(self) -> dict[str, Any]:
        """Return the JSON body."""
        return {"error": str(self)}

    def headers(self) -> dict[str, str]:
        """Return additional response headers."""
        return {}


class BadRequest(ApiError):
    """The request is malformed; the message names the field and what it must be."""

    status = 400


class Unauthorized(ApiError):
    """The request has no valid credentials."""

    status = 401

    def __init__(self) -> None:
        super().__init__("Invalid or expired Directus token")

    def headers(self) -> dict[str, str]:
        """Return the `WWW-Authenticate` header that RFC 9110 requires with a 401."""
        return {"WWW-Authenticate": "Bearer"}


class Forbidden(ApiError):
    """The caller may not do this."""

    status = 403


class TierLimitReached(ApiError):
    """The caller's plan does not include the operation, or its limit is reached."""

    status = 403
    MESSAGES = {  # noqa: RUF012 - a constant
        "limit_reached": "You have reached your plan limit for this feature. Upgrade to continue.",
        "budget_reached": "Your jobs have cost what your plan allows for this month. Upgrade, or wait for the next month.",
        "feature_unavailable": "This feature is not available on your current plan.",
    }

    def __init__(self, reason: str) -> None:
        super().__init__("tier_limit_reached")
        self.reason = reason

    def body(self) -> dict[str, Any]:
        """Return the published body: error, reason, message."""
        return {"error": str(self), "reason": self.reason, "message": self.MESSAGES[self.reason]}


class NotFound(ApiError):
    """There is no such resource, or the caller may not see it; the answer does not say which."""

    status = 404


class Conflict(ApiError):
    """The state of the record does not allow the call."""

    status = 409


class TooManyDelayed(ApiError):
    """The user has the maximum number of delayed jobs."""

    status = 429

    def __init__(self, limit: int) -> None:
        super().__init__(f"delay and run_at must wait: you have {limit} delayed jobs already")


class TooManyRequests(ApiError):
    """The caller has done this too often; `Retry-After` says when to try again."""

    status = 429

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self._seconds = seconds

    def headers(self) -> dict[str, str]:
        """Return `Retry-After`."""
        return {"Retry-After": str(self._seconds)}


class Unavailable(ApiError):
    """A dependency is unreachable. Nothing was accepted and nothing was charged."""

    status = 503
    retry_after_seconds = 5

    def body(self) -> dict[str, Any]:
        """Return the published body of a server error."""
        return {"ok": False, "error": str(self)}

    def headers(self) -> dict[str, str]:
        """Return `Retry-After`."""
        return {"Retry-After": str(self.retry_after_seconds)}


class LedgerUnavailable(Unavailable):
    """Redis is unreachable, or rejects writes."""

    def __init__(self, message: str = "Redis connection refused") -> None:
        super().__init__(message)


class TicketsUnavailable(Unavailable):
    """SQS is unreachable or throttles."""

    def __init__(self, message: str = "SQS connection refused") -> None:
        super().__init__(message)


class DirectusUnavailable(Unavailable):
    """Directus is unreachable, throttles, or rejects our access."""

    def __init__(self, message: str = "Directus connection refused") -> None:
        super().__init__(message)


class StoreUnavailable(Unavailable):
    """The store of parts (S3) is unreachable, refuses, or returns other bytes than were stored."""

    def __init__(self, message: str = "S3 connection refused") -> None:
        super().__init__(message)


class SealingUnavailable(Unavailable):
    """KMS is unreachable or throttles: no secret can be sealed."""

    def __init__(self) -> None:
        super().__init__("The key service is unreachable")


class RecordBusy(Unavailable):
    """Another call, or the worker that starts the job, holds the record lock."""

    def __init__(self) -> None:
        super().__init__("The record of the job is being changed; try again in a few seconds")


class JobStopped(MediaqError):
    """A run ended without a result."""


class MediaRejected(JobStopped):
    """A retry cannot succeed: invalid media, a missing file, a parameter that does not fit the input."""


class AttemptFailed(JobStopped):
    """This attempt failed; a retry may succeed."""


class RetryLater(AttemptFailed):
    """A server asks to wait `seconds`. The job is delayed until then, without spending an attempt."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class JobCancelled(JobStopped):
    """The job was cancelled while it ran."""


class LeaseLost(JobStopped):
    """Another worker holds the job. Change nothing."""


class WorkerStopping(JobStopped):
    """The worker shuts down and releases the job."""


class LambdaExceeded(WorkerStopping):
    """The job needs more time, memory or disk than the Lambda has; it moves to the container pool."""
