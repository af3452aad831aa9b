"""What a request and its record must fulfil before the ledger is asked: the same checks for `/media` and for `/quote`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import UNSET

from chalicelib import tracing
from chalicelib.access.auth import ON_BEHALF
from chalicelib.directus.records import OPEN_STATES
from chalicelib.domain import plans
from chalicelib.domain.cost import nano
from chalicelib.domain.jobs import OPERATIONS, MediaJob, pool_of
from chalicelib.domain.plans import UNLIMITED
from chalicelib.domain.requests import parse
from chalicelib.domain.validation import is_web_address
from chalicelib.errors import BadRequest, Conflict, TierLimitReached, TooManyDelayed
from chalicelib.ledger.codec import SCHEDULED_AT_MOST
from chalicelib.usecases.input_checks import InputChecker

if TYPE_CHECKING:
    from chalicelib.access.auth import Caller
    from chalicelib.access.ownership import Ownership
    from chalicelib.directus.client import Directus
    from chalicelib.directus.records import File, Owner, Record
    from chalicelib.domain.plans import Plans
    from chalicelib.domain.presets import Presets
    from chalicelib.domain.requests import MediaRequest
    from chalicelib.errors import ApiError
    from chalicelib.ledger.codec import RecordState

COMPLETED = "jobId names a record that is completed already"


class Checked(NamedTuple):
    """A request that the ledger may admit."""

    job: MediaJob
    record: Record
    file: File | None
    """The input file; None: the input is a URL."""
    tier: str
    limit: int
    """Jobs of the operation in a cycle; -1: no limit."""
    budget: int
    """What the user's jobs may cost in a cycle, in billionths of a dollar; -1: no limit."""
    delay_ms: int

    @property
    def state(self) -> RecordState:
        """The state of the record, as the ledger names it."""
        return state_of(self.record)


class AdmissionChecks:
    """Checks requests. Calls Directus only for what the record does not say."""

    def __init__(
        self,
        directus: Directus,
        ownership: Ownership,
        plans: Plans,
        presets: Presets,
        *,
        calls_back: bool,
        delay_max_ms: int,
    ) -> None:
        """`calls_back`: whether this deployment can sign webhooks. `delay_max_ms`: the longest `delay`."""
        self._ownership = ownership
        self._inputs = InputChecker(directus, ownership)
        self._plans = plans
        self._presets = presets
        self._calls_back = calls_back
        self._delay_max_ms = delay_max_ms

    def parse(self, data: Any) -> MediaRequest:
        """Parse the body of a request.

        Raises:
            BadRequest: the message names the field and what it must be.
        """
        return parse(data, self._presets)

    def check(self, request: MediaRequest, found: Record | None, caller: Caller, *, needs_input: bool = True) -> Checked:
        """Check a request and its record. `needs_input` false: the input does not exist yet.

        Raises:
            ApiError: the response to the caller.
        """
        record, owner = self._ownership.owner(found, caller)
        verdict = plans.can_perform(self._plans, owner.subscription_tier, request.operation)
        if not verdict.allowed:
            raise TierLimitReached(verdict.reason)
        if record.status == "completed":
            raise Conflict(COMPLETED)
        if record.status not in (*OPEN_STATES, "failed"):
            raise Conflict("jobId names a record that is neither pending, processing nor failed")
        if caller is ON_BEHALF and not self._calls_back:  # enqueued when the deployment still had webhook secrets
            request = msgspec.structs.replace(request, callback_url=None)
        if request.callback_url is not None and not self._calls_back:
            raise BadRequest("callback_url must be left out: this deployment has no WEBHOOK_SECRET to sign with")
        job = _envelope(request, record, owner)
        file = self._inputs.check_file(job, record, owner, caller) if needs_input else None
        job = msgspec.structs.replace(job, pool=pool_of(job.operation, file.size if file else None))
        self._inputs.check_captions(job, owner, caller)
        self._inputs.check_connection(job, owner)
        return Checked(
            job=job,
            record=record,
            file=file,
            tier=owner.subscription_tier or plans.DEFAULT_TIER,
            limit=verdict.limit,
            budget=UNLIMITED if verdict.max_usd is None else nano(verdict.max_usd),
            delay_ms=request.delay_ms(self._delay_max_ms),
        )


def refusal_of(word: str) -> ApiError | None:
    """Return the response to an answer of the ledger that refuses a job; None: it does not."""
    match word:
        case "limit" | "budget":
            return TierLimitReached(f"{word}_reached")
        case "scheduled":
            return TooManyDelayed(SCHEDULED_AT_MOST)
        case "completed":
            return Conflict(COMPLETED)
        case "closing":
            return Conflict("jobId names a job that is still being closed; try again in a few seconds")
    return None


def state_of(record: Record) -> RecordState:
    """Return the state of a record, as the ledger names it."""
    if record.status == "failed":
        return "failed"
    return "processing" if record.status == "processing" else "pending"


def _envelope(request: MediaRequest, record: Record, owner: Owner) -> MediaJob:
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
        cycle=plans.cycle_of(datetime.now(UTC)),
        input_file_id=file_id,
        input_url=url,
        params=request.params,
        creator_profile_id=str(request.creator_profile_id) if request.creator_profile_id else None,
        callback_url=request.callback_url,
        trace=tracing.traceparent() or UNSET,
    )
