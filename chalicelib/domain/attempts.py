"""The journal of a job: its attempts and its log. Kept in the ledger while the job is open, in the record afterwards."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from chalicelib.domain.cost import Cost

AttemptOutcome = Literal["completed", "failed", "retry", "cancelled", "released", "moved", "interrupted"]


def _is(description: str) -> msgspec.Meta:
    return msgspec.Meta(description=description)


class AttemptLog(msgspec.Struct, kw_only=True):
    """One attempt."""

    attempt: Annotated[int, _is("1, 2, ...; a run that was released, or whose worker died, is not an attempt")]
    started_at: Annotated[str, _is("ISO 8601")]
    ended_at: Annotated[str | None, _is("ISO 8601; null while it runs")] = None
    outcome: Annotated[
        AttemptOutcome | None,
        _is("retry: it failed, another follows; released, moved: given back, no attempt spent; interrupted: its worker died"),
    ] = None
    error: Annotated[str, _is("what went wrong, empty if nothing did")] = ""
    stages: Annotated[dict[str, float], _is("seconds by stage: fetch, process, upload")] = {}
    cost: Annotated[Cost | None, _is("null while it runs, and if its worker died")] = None


class Line(msgspec.Struct):
    """One line of the log."""

    at: Annotated[str, _is("ISO 8601")]
    attempt: int
    text: str


class JobJournal(msgspec.Struct, kw_only=True):
    """All attempts and log lines of a job."""

    attempts: list[AttemptLog] = []
    log: list[Line] = []
    spent: Cost | None = None
    """Of the attempts that are not kept."""


def read(text: str | bytes) -> JobJournal:
    """Decode a journal; empty if another release wrote it in an unknown format."""
    try:
        return msgspec.json.decode(text, type=JobJournal) if text else JobJournal()
    except msgspec.MsgspecError:
        return JobJournal()


def from_result(result: object) -> JobJournal:
    """Return the journal in the `result` of a record. The owner can write there, so any content must be handled."""
    try:
        return msgspec.convert(result if isinstance(result, dict) else {}, JobJournal)
    except msgspec.ValidationError:
        return JobJournal()


def closed(journal: JobJournal, outcome: AttemptOutcome, at: str) -> dict[str, Any]:
    """Return the journal to store in the record of a job that ends with `outcome` at `at`."""
    for attempt in journal.attempts:
        if attempt.outcome is None:
            attempt.outcome, attempt.ended_at = outcome, at
            journal.log = [*journal.log, Line(at, attempt.attempt, f"Attempt {attempt.attempt}: {outcome}")]
    kept: dict[str, Any] = msgspec.to_builtins(journal)
    return kept
