"""The parts of jobs: which worker encodes which part of a film. The scripts in `lua/parts/` document every transition.

Times are in ms, on the clock of Redis. Every method raises `LedgerUnavailable` if Redis is unreachable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from chalicelib.settings import POOLS

if TYPE_CHECKING:
    from chalicelib.domain.jobs import MediaJob
    from chalicelib.ledger.ledger import Clock
    from chalicelib.ledger.scripts import Scripts

LEASE_MS = 10_000
ATTEMPTS_MAX = 3
ERROR_MAX = 500
COUNTED_JOBS_MAX = 100
NO_LIMIT = 1 << 50

GiveBack = Literal["failed", "rejected", "released", "handed"]
"""See `lua/parts/fail.lua`."""


class PartPlan(NamedTuple):
    """What all parts of a job have in common."""

    hash: str
    """Of the recipe and the cuts: finished parts of an earlier attempt are used only if it is the same."""
    recipe: str
    """Its key in the store."""
    engine: str
    """Who can run the parts: the release of the recipe and the version of ffmpeg."""
    total: int
    pools: tuple[str, ...] = ("container",)
    """The pools whose workers may take parts."""


class NewPart(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part whose packets are in the store."""

    n: int
    weight: float
    """The expected seconds of encoding."""
    source: str
    """The key of its packets in the store."""
    bytes: int
    result: str | None = None
    """The key of its result, if it is finished and the ledger was wiped."""


class ClaimedPart(NamedTuple):
    """A part to run."""

    job_id: str
    id: str
    n: int
    run: int
    """How often it was claimed, this claim included."""
    recipe: str
    source: str
    bytes: int
    weight: float
    token: str
    traceparent: str = ""
    """The trace of the job."""


class PartsAnswer(msgspec.Struct, frozen=True):
    """The answer to the lease holder of a job: ok, lost or unknown."""

    word: str
    finished: dict[int, str] = {}
    """Number -> key of the result: the parts that finished since."""
    done: int = 0
    open: int = 0
    held: int = 0
    error: str = ""
    """Why the job fails: a part failed for good."""


class PartRow(msgspec.Struct, kw_only=True):
    """The state of one part."""

    n: int
    state: Literal["open", "active", "finished", "failed"]
    runs: int = 0
    weight: float = 0
    error: str = ""
    worker: str = ""
    since: float = 0
    took_ms: float = 0
    bytes: float = 0
    errors: float = 0
    """Decode errors."""
    cpu_ms: float = 0
    """The processor time of a helper; 0: the coordinator counts its own."""


class PartsState(msgspec.Struct):
    """The parts of an open job."""

    count: int
    done: int
    error: str = ""
    parts: list[PartRow] | dict[str, Any] = []
    """An empty list is an object in the JSON of Redis: use `rows`."""

    @property
    def rows(self) -> list[PartRow]:
        """The parts that were added, in film order."""
        return self.parts if isinstance(self.parts, list) else []


class PartsTotals(NamedTuple):
    """Counts of parts."""

    jobs: int
    """Running jobs with parts to take."""
    open: int
    """Parts of these that no worker has."""
    active: int
    finished: int
    """Since the ledger was wiped, as `repeated`."""
    repeated: int
    """Runs that were not the first of their part."""


class PartsLedger:
    """The transitions of parts."""

    def __init__(self, scripts: Scripts, now: Clock | None = None) -> None:
        self._scripts = scripts
        self._now = now

    def _call(self, name: str, *args: str | float) -> list[Any]:
        return self._scripts.call(f"parts/{name}", "" if self._now is None else self._now(), *args)

    def plan(self, job: MediaJob, token: str, plan: PartPlan) -> PartsAnswer:
        """Start the parts of a job, or go on with those of an earlier attempt: ok, lost, unknown or too many.

        `token`: of the lease of the job.
        """
        about: tuple[str | float, ...] = (plan.hash, plan.recipe, plan.engine, plan.total, ATTEMPTS_MAX, *plan.pools)
        word, *rest = self._call("plan", job.job_id, job.id, token, *about)
        return PartsAnswer(word, _pairs(rest[1:]), int(rest[0])) if rest else PartsAnswer(word)

    def add(self, job: MediaJob, token: str, parts: list[NewPart]) -> str:
        """Add parts: ok, lost or unknown."""
        return str(self._call("add", job.job_id, job.id, token, msgspec.json.encode(parts).decode())[0])

    def claim_own(self, job: MediaJob, token: str, part_token: str, worker: str) -> tuple[str, ClaimedPart | None]:
        """Claim a part of one's own job: part, none, lost or unknown."""
        args = ("", job.job_id, job.id, token, part_token, LEASE_MS, "", worker, NO_LIMIT, NO_LIMIT)
        return _claimed(self._call("claim", *args), part_token)

    def claim_any(
        self,
        pool: str,
        part_token: str,
        engine: str,
        worker: str,
        *,
        bytes_max: int = NO_LIMIT,
        seconds_max: float = NO_LIMIT,
    ) -> tuple[str, ClaimedPart | None]:
        """Claim a part of the job whose turn it is: part, none, or yield if a whole job is before it."""
        args = (pool, "", "", "", part_token, LEASE_MS, engine, worker, bytes_max, seconds_max)
        return _claimed(self._call("claim", *args), part_token)

    def renew(self, part: ClaimedPart) -> str:
        """Renew the lease of a part: ok or lost."""
        return str(self._call("renew", part.job_id, part.id, part.n, part.token, LEASE_MS)[0])

    def finish(self, part: ClaimedPart, result: str, size: int, errors: int, cpu_seconds: float = 0) -> str:
        """Finish a part, whose result is in the store: ok or lost. `cpu_seconds`: of a helper; a coordinator counts its own."""
        args = (result, size, errors, round(cpu_seconds * 1000))
        return str(self._call("finish", part.job_id, part.id, part.n, part.token, *args)[0])

    def give_back(self, part: ClaimedPart, how: GiveBack, error: str = "") -> str:
        """Give a part back: ok or lost. `released` and `handed` spend no attempt."""
        return str(self._call("fail", part.job_id, part.id, part.n, part.token, how, error[:ERROR_MAX])[0])

    def watch(self, job: MediaJob, token: str, known: int) -> PartsAnswer:
        """Return how the parts of one's own job stand. `known`: how many finished parts the caller knows."""
        word, *rest = self._call("watch", job.job_id, job.id, token, known)
        if word != "ok":
            return PartsAnswer(word)
        done, open_, held, error, *flat = rest
        return PartsAnswer(word, _pairs(flat), int(done), int(open_), int(held), error)

    def totals(self) -> PartsTotals:
        """Count the parts of all jobs."""
        return PartsTotals(*self._scripts.call("parts/totals", COUNTED_JOBS_MAX, *POOLS))

    def read(self, job_id: str, id_: str) -> PartsState | None:
        """Return the parts of an open job; None if it has none."""
        text = self._scripts.call("parts/list", job_id, id_)[0]
        return msgspec.json.decode(text, type=PartsState) if text else None


def _claimed(answer: list[Any], token: str) -> tuple[str, ClaimedPart | None]:
    word, *rest = answer
    if word != "part":
        return str(word), None
    job_id, id_, n, run, recipe, source, size, weight, trace = rest
    return word, ClaimedPart(job_id, id_, int(n), int(run), recipe, source, int(size), float(weight), token, trace)


def _pairs(flat: list[str]) -> dict[int, str]:
    return {int(n): result for n, result in zip(flat[::2], flat[1::2], strict=True)}
