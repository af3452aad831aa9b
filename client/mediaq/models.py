"""The responses, typed. Fields of a newer server are in `raw`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
OVER = ("completed", "failed", "cancelled")


@dataclass(frozen=True)
class Attempt:
    """One attempt."""

    attempt: int
    started_at: str
    ended_at: str | None
    outcome: str | None
    """completed, failed, retry, cancelled, released, moved, interrupted; None while it runs."""
    error: str
    stages: dict[str, float]
    """Seconds by stage."""


@dataclass(frozen=True)
class LogLine:
    """One line of a job's log."""

    at: str
    attempt: int
    text: str


@dataclass(frozen=True)
class Delivery:
    """One attempt to deliver the webhook."""

    at: str
    status: int | None
    error: str


@dataclass(frozen=True)
class InputWarning:
    """A problem of the input that did not stop the job."""

    code: str
    """For example input_truncated; the API reference lists all codes."""
    message: str


@dataclass(frozen=True)
class Callback:
    """The delivery of the completion webhook."""

    url: str | None
    state: str
    """waiting, trying, delivered or given up."""
    deliveries: list[Delivery]


@dataclass(frozen=True)
class Job:
    """A job. Fields that only `Client.job` returns are empty in a list."""

    job_id: str
    bull_job_id: str | None
    user: str | None
    operation: str | None
    state: str
    """pending, waiting, delayed, active, completed, failed, cancelled, other."""
    progress: int
    created_at: str | None
    finished_at: str | None
    output_file_id: str | None
    error: str | None
    position: int | None = None
    """The position in the queue while it waits; 1 is next."""
    estimated_start: str | None = None
    run_at: str | None = None
    paused: bool = False
    stages: dict[str, float] = field(default_factory=dict)
    parts: Json | None = None
    """Of a running job that several workers share: count, finished, parts."""
    attempts: list[Attempt] = field(default_factory=list)
    log: list[LogLine] = field(default_factory=list)
    callback: Callback | None = None
    warnings: list[InputWarning] = field(default_factory=list)
    result: Json | None = None
    raw: Json = field(default_factory=dict, repr=False)
    """The complete response."""

    @property
    def finished(self) -> bool:
        """Whether the job has ended."""
        return self.state in OVER

    @classmethod
    def read(cls, said: Json) -> Job:
        """Build a job from a response."""
        callback = said.get("callback")
        return cls(
            job_id=said["jobId"],
            bull_job_id=said["bullJobId"],
            result=said.get("result"),
            raw=said,
            attempts=[_only(Attempt, one) for one in said.get("attempts", ())],
            warnings=[_only(InputWarning, one) for one in said.get("warnings", ())],
            log=[_only(LogLine, one) for one in said.get("log", ())],
            callback=_callback(callback) if callback else None,
            **{name: said[name] for name in _PLAIN if name in said},
        )


_PLAIN = (
    "user", "operation", "state", "progress", "created_at", "finished_at", "output_file_id", "error", "position",
    "estimated_start", "run_at", "paused", "stages", "parts",
)  # fmt: skip


def _callback(said: Json) -> Callback:
    return Callback(said["url"], said["state"], [_only(Delivery, one) for one in said["deliveries"]])


def _only(model: Any, said: Json) -> Any:
    return model(**{name: said.get(name) for name in model.__dataclass_fields__})
