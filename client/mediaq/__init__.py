"""mediaq: transcode, cut and caption media files. Start with `Client`."""

from mediaq.client import Client
from mediaq.errors import ApiError, JobFailed, MediaqError, SignatureError, Unreachable
from mediaq.models import Attempt, Callback, Delivery, Job, LogLine
from mediaq.webhooks import verify

__all__ = [
    "ApiError",
    "Attempt",
    "Callback",
    "Client",
    "Delivery",
    "Job",
    "JobFailed",
    "LogLine",
    "MediaqError",
    "SignatureError",
    "Unreachable",
    "verify",
]
__version__ = "1.0.0"
