"""Every error that the client raises on purpose.

MediaqError
├── ApiError          an answer said no; `status` and the server's own sentence
├── Unreachable       no answer, or 503 again and again: nothing was accepted, try later
├── JobFailed         a job that was waited for failed or was cancelled
└── SignatureError    a callback was not signed by this server, or long ago
"""

from __future__ import annotations


class MediaqError(Exception):
    """Base of the tree. Of a `submit` that was broken off, `file_id` and `job_id` say what was made already."""

    file_id: str | None = None
    job_id: str | None = None


class ApiError(MediaqError):
    """An answer said no."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Unreachable(MediaqError):
    """The server is away, or one that it needs."""


class JobFailed(MediaqError):
    """A job failed or was cancelled; `job_id` says which."""

    def __init__(self, job_id: str, message: str) -> None:
        super().__init__(message)
        self.job_id = job_id


class SignatureError(MediaqError):
    """A callback is not to be trusted."""
