"""The job envelope, which is stored in tickets and in the ledger, and the table of operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from chalicelib.domain.params.analysis import AnalysisParams
from chalicelib.domain.params.caption_generation import CaptionParams
from chalicelib.domain.params.download import DownloadParams
from chalicelib.domain.params.thumbnail import ThumbnailParams
from chalicelib.domain.params.transcoding import TranscodingParams
from chalicelib.domain.params.upload import UploadParams

if TYPE_CHECKING:
    from collections.abc import Mapping

ENVELOPE_VERSION = 1
DEFAULT_PRIORITY = 10
LAMBDA_INPUT_MAX_BYTES = 1 << 30
CANCELLED = "Cancelled"  # the `error` of a cancelled record; its status is failed, so that polling clients stop

Pool = Literal["lambda", "container"]


class Operation(NamedTuple):
    """How one operation runs."""

    pool: Pool
    params: type[msgspec.Struct]
    wall_seconds: int
    """The time limit of an attempt. The ledger never extends a lease beyond it."""
    uses_connection: bool = False
    """True: `creator_profile_id` names credentials that the operation uses. Others only store it."""
    wants_url: bool = False
    """True: the input is a URL, never a file."""


OPERATIONS: Mapping[str, Operation] = {
    "transcoding": Operation("container", TranscodingParams, 6 * 3600),
    "thumbnail": Operation("lambda", ThumbnailParams, 3600),
    "caption_generation": Operation("container", CaptionParams, 6 * 3600),
    "download": Operation("container", DownloadParams, 6 * 3600, uses_connection=True, wants_url=True),
    "upload": Operation("lambda", UploadParams, 3600, uses_connection=True),
    "analysis": Operation("lambda", AnalysisParams, 3600),
}


def pool_of(operation: str, input_bytes: int | None) -> Pool:
    """Return the pool of a job. Inputs that are large or of unknown size never run on Lambda."""
    fits = input_bytes is not None and input_bytes <= LAMBDA_INPUT_MAX_BYTES
    return OPERATIONS[operation].pool if fits else "container"


class MediaJob(msgspec.Struct, frozen=True, kw_only=True):
    """The envelope: everything needed to run the job and to restore it into an empty ledger.

    `id` is the admission (`bullJobId`, a UUIDv7); `job_id` is the id of the Directus record.
    """

    v: int = ENVELOPE_VERSION
    id: str = ""
    job_id: str
    user_id: str
    operation: str
    pool: Pool
    priority: int = DEFAULT_PRIORITY
    cycle: str
    input_file_id: str | None = None
    input_url: str | None = None
    params: dict[str, Any] = {}
    creator_profile_id: str | None = None
    callback_url: str | None = None
    trace: str | UnsetType = msgspec.field(default=UNSET, name="traceparent")
    """The `traceparent` of the request. Left out of the JSON if it has none: Redis keeps every waiting job."""

    @property
    def traceparent(self) -> str:
        """The trace of the request: see `chalicelib/tracing.py`. "": it has none."""
        return self.trace or ""

    @property
    def wall_ms(self) -> int:
        """The time limit of an attempt, in ms."""
        return OPERATIONS[self.operation].wall_seconds * 1000


class UnknownEnvelope(ValueError):
    """The body is not an envelope of a known version."""

    def __init__(self, reason: str, *, newer: bool = False) -> None:
        super().__init__(reason)
        self.newer = newer
        """True: a later release wrote it, so another worker may know the version."""


class _Version(msgspec.Struct):
    v: int = 0


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(MediaJob)


def encode(job: MediaJob) -> str:
    """Return the envelope as JSON."""
    return _ENCODER.encode(job).decode()


def decode(body: str | bytes, job_id: str | None = None) -> MediaJob:
    """Decode an envelope. `job_id`, the admission's id, overrides the one inside if given.

    Raises:
        UnknownEnvelope: not an envelope, or of a version that this release does not know.
    """
    try:
        job = _DECODER.decode(body)
    except msgspec.MsgspecError as error:
        raise UnknownEnvelope(str(error), newer=_version(body) > ENVELOPE_VERSION) from error
    if job.v != ENVELOPE_VERSION:
        raise UnknownEnvelope(f"envelope version {job.v}", newer=job.v > ENVELOPE_VERSION)
    if job.operation not in OPERATIONS:
        raise UnknownEnvelope(f"operation {job.operation}", newer=True)
    return msgspec.structs.replace(job, id=job_id) if job_id else job


def _version(body: str | bytes) -> int:
    try:
        return msgspec.json.decode(body, type=_Version).v
    except msgspec.MsgspecError:
        return 0


def request_of(job: MediaJob) -> dict[str, Any]:
    """Return the request to store with a failed record, for a retry. The record's own columns may have been changed."""
    names = ("operation", "params", "priority", "input_file_id", "input_url", "creator_profile_id", "callback_url")
    return {name: getattr(job, name) for name in names}
