"""The use case behind `POST /queue/media`: one Directus read, one Redis script, one SQS send in the warm case of an owner.

Order matters, and every step fails closed: the ledger admits (deduplicates, charges, queues) before the ticket goes out,
and an admission whose ticket could not be sent is taken back.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple
from uuid import UUID

import msgspec

from chalicelib import tiers
from chalicelib.directus import OPEN_STATES
from chalicelib.errors import (
    BadRequest,
    Conflict,
    DirectusUnavailable,
    NotFound,
    TicketsUnavailable,
    TierLimitReached,
    Unauthorized,
)
from chalicelib.jobs import DEFAULT_PRIORITY, OPERATIONS, MediaJob, pool_of
from chalicelib.presets import expand
from chalicelib.validation import FieldError, is_web_address, validate, without_empty

if TYPE_CHECKING:
    from chalicelib.auth import Caller
    from chalicelib.directus import Directus, File, Owner, Record
    from chalicelib.ledger import Admission, Ledger, RecordState
    from chalicelib.presets import Presets
    from chalicelib.tickets import Tickets
    from chalicelib.tiers import Plans

URL_MAX = 2048
ADMIT_ROUNDS = 5  # seed, reopen, stale: each at most once or twice before an answer


def _wants(description: str, **limits: Any) -> msgspec.Meta:
    return msgspec.Meta(description=description, **limits)


class MediaRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `POST /queue/media`. Other keys are ignored."""

    jobId: Annotated[UUID, _wants("the UUID of a media_jobs record")]  # noqa: N815 - the published name
    operation: Annotated[str, _wants("the name of an operation, such as transcoding", min_length=1, max_length=64)]
    input_file_id: Annotated[UUID, _wants("the UUID of a directus_files record")] | None = None
    input_url: Annotated[str, _wants(f"an http or https URL of at most {URL_MAX} characters", max_length=URL_MAX)] | None = None
    params: Annotated[dict[str, Any], _wants("an object of parameters of the operation")] = {}
    creator_profile_id: Annotated[UUID, _wants("the UUID of a platform_connections record")] | None = None
    priority: Annotated[int, _wants("an integer from 1 to 100, lower first", ge=1, le=100)] = DEFAULT_PRIORITY

    def __post_init__(self) -> None:
        """Check the address, which no pattern can."""
        if self.input_url is not None and not is_web_address(self.input_url):
            raise FieldError("input_url", f"an http or https URL of at most {URL_MAX} characters, without a password in it")


class Enqueued(NamedTuple):
    """The answer: the admission and the record."""

    bull_job_id: str
    job_id: str


class Enqueuer:
    """Puts records into the queue."""

    def __init__(self, directus: Directus, ledger: Ledger, tickets: Tickets, plans: Plans, presets: Presets) -> None:
        self._directus = directus
        self._ledger = ledger
        self._tickets = tickets
        self._plans = plans
        self._presets = presets

    def enqueue(self, data: dict[str, Any], caller: Caller) -> Enqueued:
        """Check the request and the record, and admit the job."""
        request = parse(data, self._presets)
        job_id = str(request.jobId)
        record, owner = self._record_of(job_id, caller)
        verdict = tiers.can_perform(self._plans, owner.subscription_tier, request.operation)
        if not verdict.allowed:
            raise TierLimitReached(verdict.reason)
        if record.status == "completed":
            raise Conflict("jobId names a record that is completed already")
        if record.status not in (*OPEN_STATES, "failed"):
            raise Conflict("jobId names a record that is neither pending, processing nor failed")
        job = self._envelope(request, record, owner)
        file = self._check_input(job, record, owner, caller)
        job = msgspec.structs.replace(job, pool=pool_of(job.operation, file.size if file else None))
        self._check_connection(job, owner)
        return self._admit(job, record, verdict.limit)

    def _record_of(self, job_id: str, caller: Caller) -> tuple[Record, Owner]:
        record = self._directus.read_job(job_id)
        owner = record.user_created if record else None
        if record is None or owner is None:
            raise NotFound("jobId must be the id of one of your media_jobs records")
        if owner.id != caller.user_id:
            if not self._is_administrator(caller):
                raise NotFound("jobId must be the id of one of your media_jobs records")
        elif owner.status != "active":
            raise Unauthorized
        return record, owner

    def _is_administrator(self, caller: Caller) -> bool:
        """Ask Directus. A suspended one is refused: their signed token goes on being good there until it expires."""
        if not self._directus.is_admin(caller.token):
            return False
        user = self._directus.read_user(caller.user_id)
        if user is None or user.status != "active":
            raise Unauthorized
        return True

    def _check_input(self, job: MediaJob, record: Record, owner: Owner, caller: Caller) -> File | None:
        """Return the input file, None for an address.

        The file must be the owner's, unless an administrator says so: our service token could read anybody's.
        """
        if OPERATIONS[job.operation].wants_url and job.input_url is None:
            raise BadRequest(f"input_url is required: {job.operation} fetches an address, not a file of Directus")
        if job.input_file_id is None:
            if job.input_url is None:
                raise BadRequest("input_file_id or input_url is required: the record has neither")
            return None
        file = record.input_file_id
        if file is None or file.id != job.input_file_id:
            file = self._directus.read_file(job.input_file_id)
        if file is None or (file.uploaded_by != owner.id and not self._is_administrator(caller)):
            raise NotFound("input_file_id must be the id of one of your files")
        return file

    def _check_connection(self, job: MediaJob, owner: Owner) -> None:
        """The credentials must be the owner's own, whoever asks: they are sent to an address that the request names."""
        if job.creator_profile_id is None or not OPERATIONS[job.operation].uses_connection:
            return
        connection = self._directus.read_connection(job.creator_profile_id)
        if connection is None or connection.user_created != owner.id:
            raise NotFound("creator_profile_id must be the id of one of your platform_connections")

    def _envelope(self, request: MediaRequest, record: Record, owner: Owner) -> MediaJob:
        wants_url = OPERATIONS[request.operation].wants_url
        file_id = str(request.input_file_id) if request.input_file_id and not wants_url else None
        url = None if file_id else request.input_url
        if file_id is None and url is None:
            file_id = record.input_file_id.id if record.input_file_id and not wants_url else None
            url = None if file_id else record.input_url
            if url is not None and not is_web_address(url):
                raise BadRequest("input_url of the record must be an http or https URL")
        return MediaJob(
            job_id=record.id,
            user_id=owner.id,
            operation=request.operation,
            pool=OPERATIONS[request.operation].pool,
            priority=request.priority,
            cycle=tiers.cycle_of(datetime.now(UTC)),
            input_file_id=file_id,
            input_url=url,
            params=request.params,
            creator_profile_id=str(request.creator_profile_id) if request.creator_profile_id else None,
        )

    def _admit(self, job: MediaJob, record: Record, limit: int) -> Enqueued:
        state: RecordState = _state(record)
        for _ in range(ADMIT_ROUNDS):
            admission = self._ledger.admit(job, state, limit)
            match admission.word:
                case "admitted" | "open":
                    self._send(admission, job.job_id)
                    return Enqueued(admission.id, job.job_id)
                case "limit":
                    raise TierLimitReached("limit_reached")
                case "completed":
                    raise Conflict("jobId names a record that is completed already")
                case "closing":
                    raise Conflict("jobId names a job that is still being closed; try again in a few seconds")
                case "seed":
                    count = self._directus.count_completed(job.user_id, job.operation, tiers.cycle_start(job.cycle))
                    self._ledger.seed_usage(job.user_id, job.cycle, job.operation, count)
                case "reopen":
                    state = "reopened" if self._directus.reopen_job(job.job_id) else self._state_now(job.job_id)
                case "stale":
                    state = self._state_now(job.job_id)
                    state = state if state == "failed" else "reopened"
        raise DirectusUnavailable("The record keeps changing")

    def _state_now(self, job_id: str) -> RecordState:
        record = self._directus.read_job(job_id)
        if record is None:
            raise NotFound("jobId must be the id of one of your media_jobs records")
        if record.status == "completed":
            raise Conflict("jobId names a record that is completed already")
        return _state(record)

    def _send(self, admission: Admission, job_id: str) -> None:
        if admission.send is None:
            return
        try:
            self._tickets.send(admission.send)
        except TicketsUnavailable:
            if self._ledger.retract(job_id, admission.id) != "kept":
                raise


def parse(data: dict[str, Any], presets: Presets) -> MediaRequest:
    """Read the body of a request, a named preset spelled out."""
    data = without_empty(data)
    if "jobId" not in data or "operation" not in data:
        raise BadRequest("jobId and operation are required")
    request = validate(data, MediaRequest)
    if request.operation in OPERATIONS:
        params = without_empty(request.params)
        if request.operation == "transcoding":
            params = expand(params, presets)
        validate(params, OPERATIONS[request.operation].params, "params")
        request = msgspec.structs.replace(request, params=params)
    return request


def _state(record: Record) -> RecordState:
    if record.status == "failed":
        return "failed"
    return "processing" if record.status == "processing" else "pending"
