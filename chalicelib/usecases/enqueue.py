"""The use case behind `POST /queue/media`: for an owner, one Directus read, one Redis script and one SQS send.

Order matters; every step fails closed. The ledger admits the job (deduplicates, charges the quota, queues) before the ticket
is sent. If the ticket cannot be sent, the admission is retracted. A hundred jobs take one Directus read, and one send for every
ten.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib import tracing
from chalicelib.domain.requests import MediaRequest
from chalicelib.errors import (
    ApiError,
    BadRequest,
    Conflict,
    DirectusUnavailable,
    NotFound,
    RecordBusy,
    TicketsUnavailable,
    Unavailable,
)
from chalicelib.ledger.ledger import new_token
from chalicelib.queues.tickets import Sending
from chalicelib.usecases.admission import COMPLETED, refusal_of, state_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.access.auth import Caller
    from chalicelib.directus.client import Directus
    from chalicelib.directus.records import Record
    from chalicelib.domain.jobs import MediaJob
    from chalicelib.ledger.codec import RecordState
    from chalicelib.ledger.ledger import Ledger
    from chalicelib.ledger.types import Admission
    from chalicelib.queues.tickets import Tickets
    from chalicelib.usecases.admission import AdmissionChecks, Checked
    from chalicelib.usecases.charges import Charges

ADMIT_ROUNDS = 6  # seed, seed_spending, reopen, stale: each at most twice before an answer
LOCKED_ROUNDS, LOCKED_SECONDS = 40, 0.1
"""How often, and how far apart in s, to retry a record that another call is writing."""


class Enqueued(NamedTuple):
    """The result: the ids of the admission and of the record."""

    bull_job_id: str
    job_id: str


class Enqueuer:
    """Puts records into the queue."""

    def __init__(self, directus: Directus, ledger: Ledger, tickets: Tickets, charges: Charges, checks: AdmissionChecks) -> None:
        self._directus = directus
        self._ledger = ledger
        self._tickets = tickets
        self._charges = charges
        self._checks = checks

    def enqueue(self, data: dict[str, Any], caller: Caller) -> Enqueued:
        """Validate a request and its record, and admit the job."""
        [answer] = self.enqueue_all([data], caller)
        if isinstance(answer, ApiError):
            raise answer
        return answer

    def enqueue_all(self, several: Sequence[Any], caller: Caller) -> list[Enqueued | ApiError]:
        """Enqueue several requests. Each has its own result; an error of one does not affect the others.

        After a dependency turns out to be unreachable, the remaining requests get the same error without another call.
        """
        requests = [self._parse(data) for data in several]
        records = self._read_records([str(one.jobId) for one in requests if isinstance(one, MediaRequest)])
        away = records if isinstance(records, Unavailable) else None
        admitted: dict[str, _Admitted] = {}
        answers: list[_Admitted | ApiError] = []
        for request in requests:
            try:
                if isinstance(request, BadRequest):
                    raise request
                if isinstance(records, Unavailable) or away is not None:
                    raise away or DirectusUnavailable
                job_id = str(request.jobId)
                if job_id not in admitted:
                    checked = self._checks.check(request, records.get(job_id), caller)
                    with tracing.span("ledger admit", kind="client", job_id=job_id):
                        admitted[job_id] = _Admitted(checked.record, self._admit(checked))
                answers.append(admitted[job_id])
            except Unavailable as error:
                away = error
                answers.append(error)
            except ApiError as error:
                answers.append(error)
        final = self._send(list(admitted.values()))
        return [one if isinstance(one, ApiError) else final[one.record.id] for one in answers]

    def _parse(self, data: Any) -> MediaRequest | BadRequest:
        try:
            return self._checks.parse(data)
        except BadRequest as error:
            return error

    def _read_records(self, ids: list[str]) -> dict[str, Record] | Unavailable:
        try:
            return self._directus.read_jobs(sorted(set(ids))) if ids else {}
        except Unavailable as error:
            return error

    def _admit(self, checked: Checked) -> Admission:
        """Admit a job; reopen its record first if it failed. The record is locked until the admission."""
        job, state = checked.job, checked.state
        token = new_token()
        rounds = locked = 0
        try:
            while rounds < ADMIT_ROUNDS and locked < LOCKED_ROUNDS:
                admission = self._ledger.admit(job, state, checked.limit, checked.delay_ms, token=token, budget=checked.budget)
                if admission.word in ("admitted", "open"):
                    return admission
                if admission.word == "locked":
                    locked += 1
                    time.sleep(LOCKED_SECONDS)
                    state = self._state_now(job.job_id)
                else:
                    rounds += 1
                    state = self._prepare(admission.word, job, state)
        except ApiError:
            self._unlock(job.job_id, token)
            raise
        self._unlock(job.job_id, token)
        raise RecordBusy

    def _prepare(self, word: str, job: MediaJob, state: RecordState) -> RecordState:
        """Do what the ledger requires before it admits, and return the new state of the record.

        Raises:
            ApiError: the ledger rejects the job.
        """
        if error := refusal_of(word):
            raise error
        match word:
            case "seed" | "seed_spending":
                self._charges.seed(word, job)
            case "reopen":
                return "reopened" if self._directus.reopen_job(job.job_id) else self._state_now(job.job_id)
            case "stale":
                now = self._state_now(job.job_id)
                return now if now == "failed" else "reopened"
        return state

    def _unlock(self, job_id: str, token: str) -> None:
        with suppress(Unavailable):  # the lock expires by itself
            self._ledger.unlock(job_id, token)

    def _state_now(self, job_id: str) -> RecordState:
        record = self._directus.read_job(job_id)
        if record is None:
            raise NotFound("jobId must be the id of one of your media_jobs records")
        if record.status == "completed":
            raise Conflict(COMPLETED)
        return state_of(record)

    def _send(self, admitted: list[_Admitted]) -> dict[str, Enqueued | ApiError]:
        """Send the tickets. An admission without a ticket is retracted, unless a worker claimed it already."""
        sendings = [Sending(one.send, one.delay_ms) for _, one in admitted if one.send is not None]
        with tracing.span("sqs send", kind="producer", tickets=len(sendings)):
            unsent = self._tickets.send_all(sendings)
        return {one.record.id: self._answer(one, unsent.get(one.admission.id)) for one in admitted}

    def _answer(self, admitted: _Admitted, unsent: TicketsUnavailable | None) -> Enqueued | ApiError:
        record, admission = admitted
        if unsent is not None:
            token = new_token() if record.status == "failed" else ""  # it was reopened for this call
            try:
                word = self._ledger.retract(record.id, admission.id, token)
                if word == "retracted":
                    self._undo(record, admission, token)
            except Unavailable as error:
                return error
            if word != "kept":
                return unsent
        return Enqueued(admission.id, record.id)

    def _undo(self, record: Record, admission: Admission, token: str) -> None:
        if admission.delay_ms:
            self._tickets.unschedule(admission.id)  # the message may have been accepted, with only the answer lost
        if token:
            self._directus.update_open_job(record.id, {"status": "failed", "error": record.error})
            self._ledger.unlock(record.id, token)


class _Admitted(NamedTuple):
    record: Record
    admission: Admission
