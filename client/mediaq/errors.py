"""Every error that the client raises on purpose.

MediaqError
├── ApiError          a server rejected the call; has `status` and the server's message
├── Unreachable       no answer, or 503 after several tries: nothing was accepted, try later
├── JobFailed         the awaited job failed or was cancelled
└── SignatureError    a webhook has no valid signature, or an old one
"""

from __future__ import annotations


class MediaqError(Exception):
    """Base class. After a `submit` that failed half-way, `file_id` and `job_id` name what was created."""

    file_id: str | None = None
    job_id: str | None = None


class ApiError(MediaqError):
    """A server rejected the call."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Unreachable(MediaqError):
    """The server, or one of its dependencies, is unreachable."""


class JobFailed(MediaqError):
    """A job failed or was cancelled; `job_id` names it."""

    def __init__(self, job_id: str, message: str) -> None:
        super().__init__(message)
        self.job_id = job_id


class SignatureError(MediaqError):
    """A webhook cannot be trusted."""
