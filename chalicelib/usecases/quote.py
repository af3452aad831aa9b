"""The use case behind `POST /queue/media/quote`: what would become of a job. It changes nothing and charges nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from chalicelib.directus.records import Owner, Record, written
from chalicelib.domain.cost import NANO
from chalicelib.domain.estimates.estimator import estimate
from chalicelib.domain.estimates.quotes import Between, QuoteAnswer, Refusal, parse_quote
from chalicelib.domain.estimates.shape import Facts, shapes_of
from chalicelib.domain.jobs import OPERATIONS, pool_of
from chalicelib.domain.plans import UNLIMITED
from chalicelib.domain.schemas import Allowance, Spent
from chalicelib.domain.validation import validate
from chalicelib.errors import ApiError, Unauthorized, Unavailable
from chalicelib.usecases.admission import refusal_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.access.auth import Caller
    from chalicelib.directus.client import Directus
    from chalicelib.domain.cost import Prices
    from chalicelib.domain.estimates.estimator import Quantity
    from chalicelib.domain.estimates.model import Prediction
    from chalicelib.domain.estimates.quotes import QuoteBody
    from chalicelib.domain.jobs import MediaJob
    from chalicelib.ledger.estimates import Estimates
    from chalicelib.ledger.ledger import Ledger
    from chalicelib.ledger.types import Forecast
    from chalicelib.ledger.workers import WorkersLedger
    from chalicelib.usecases.admission import AdmissionChecks, Checked
    from chalicelib.usecases.charges import Charges

ROUNDS = 3
"""The ledger may ask for what Directus counted of the jobs, and of their cost."""
BASES = {":size": "size", ":any": "operation"}
POLL_SECONDS = 2.0
"""How long it takes at most until a free worker has a job."""
WAIT_LOW, WAIT_HIGH = 0.5, 2.0
"""The interval of a waiting time, as shares of it."""


class Ledgers(NamedTuple):
    """What a quote is read from."""

    jobs: Ledger
    workers: WorkersLedger
    estimates: Estimates


class Quoter:
    """Answers quotes."""

    def __init__(self, directus: Directus, ledgers: Ledgers, charges: Charges, checks: AdmissionChecks, prices: Prices) -> None:
        self._directus = directus
        self._ledgers = ledgers
        self._charges = charges
        self._checks = checks
        self._prices = prices

    def quote(self, data: dict[str, Any], caller: Caller) -> QuoteAnswer:
        """Return what `POST /queue/media` would do with a request.

        Raises:
            Unauthorized: as there; a token has no quote.
            Unavailable: a dependency is unreachable.
        """
        try:
            body = parse_quote(data)
            checked = self._check(body, caller)
            forecast = self._forecast(checked)
        except (Unauthorized, Unavailable):
            raise
        except ApiError as error:
            return QuoteAnswer(accepted=False, refusal=_refusal(error))
        return self._accepted(body, checked, forecast)

    def _check(self, body: QuoteBody, caller: Caller) -> Checked:
        request = self._checks.parse(body.request)
        if body.has_record:
            record = self._directus.read_job(str(request.jobId))
        else:
            user = self._directus.read_user(caller.user_id)
            record = Record(id=str(request.jobId), status="pending", user_created=user or Owner("", "deleted"))
        named = request.input_file_id or request.input_url or (record and (record.input_file_id or record.input_url))
        checked = self._checks.check(request, record, caller, needs_input=body.input is None or bool(named))
        if body.input is None or checked.file is not None:
            return checked
        size = body.input.size if not named else None
        return checked._replace(job=msgspec.structs.replace(checked.job, pool=pool_of(checked.job.operation, size)))

    def _forecast(self, checked: Checked) -> Forecast:
        job = checked.job
        for _ in range(ROUNDS):
            forecast = self._ledgers.jobs.would_admit(
                job, checked.state, checked.limit, checked.delay_ms, budget=checked.budget
            )
            if error := refusal_of(forecast.word):
                raise error
            if not self._charges.seed(forecast.word, job):
                break
        return forecast

    def _accepted(self, body: QuoteBody, checked: Checked, forecast: Forecast) -> QuoteAnswer:
        job, pool = checked.job, checked.job.pool
        predicted, based_on = self._predict(body, checked)
        seconds, megabytes = predicted["seconds"], predicted["megabytes"]
        prices = self._prices.of_pool(pool)
        bytes_in = self._facts(body, checked).bytes

        def cost(share: Callable[[Prediction], float]) -> float:
            return round(prices.job + prices.of(share(seconds), bytes_in, share(megabytes) * 1e6), 9)

        now = datetime.now(UTC)
        starts = self._starts(job, forecast, seconds.value, checked.delay_ms)
        ends = None if starts is None else [one + length for one, length in zip(starts, seconds[:3], strict=True)]
        at = [None if ends is None else written(now + timedelta(seconds=one)) for one in ends or (0, 0, 0)]
        return QuoteAnswer(
            accepted=True,
            refusal=None,
            pool=pool,
            position=forecast.position or None,
            paused=forecast.paused,
            starts_at=None if starts is None else written(now + timedelta(seconds=starts[0])),
            ends_at=at[0],
            ends_between=None if ends is None else [str(at[1]), str(at[2])],
            seconds=_between(seconds, 1, 3),
            usd=Between(cost(lambda one: one.value), cost(lambda one: one.low), cost(lambda one: one.high)),
            output_bytes=_between(megabytes, 1e6, 0),
            based_on=based_on,
            learned_from=seconds.jobs,
            plan=self._plan(checked, forecast),
            cost=self._spent(checked),
        )

    def _facts(self, body: QuoteBody, checked: Checked) -> Facts:
        facts = body.input.facts if body.input is not None else Facts()
        if checked.file is not None:
            facts.bytes = checked.file.size or facts.bytes
        return facts

    def _predict(self, body: QuoteBody, checked: Checked) -> tuple[dict[Quantity, Prediction], str]:
        job = checked.job
        params = validate(job.params, OPERATIONS[job.operation].params, "params")
        shape = shapes_of(job.operation, params, self._facts(body, checked))[0]
        predicted = estimate(self._ledgers.estimates.models([shape]), shape)
        return predicted, next((name for end, name in BASES.items() if shape.kind.endswith(end)), "input")

    def _starts(self, job: MediaJob, forecast: Forecast, seconds: float, delay_ms: int) -> tuple[float, float, float] | None:
        """Return when the job starts, in seconds from now: expected, earliest, latest. None: nobody knows."""
        if forecast.paused or not forecast.position:  # in the queue already: `GET /jobs/{jobId}` knows
            return None
        delay = delay_ms / 1000
        serving = [one for one in self._ledgers.workers.read() if one.alive and job.pool in one.pools]
        slots = sum(one.slots for one in serving)
        free = slots - sum(len(one.jobs) for one in serving)
        if forecast.position <= free or (job.pool == "lambda" and forecast.position == 1):
            return delay + POLL_SECONDS / 2, delay, delay + POLL_SECONDS
        if not slots and not forecast.pace_ms:
            return None
        each = forecast.pace_ms / 1000 if forecast.pace_ms else seconds / slots
        wait = each * max(1, forecast.position)
        return delay + wait, delay + wait * WAIT_LOW, delay + wait * WAIT_HIGH

    def _plan(self, checked: Checked, forecast: Forecast) -> Allowance:
        job = checked.job
        used = self._charges.jobs(job.user_id, job.cycle)[job.operation]
        return Allowance.of(job.operation, checked.limit, used + (forecast.word != "open"))

    def _spent(self, checked: Checked) -> Spent:
        most = None if checked.budget == UNLIMITED else checked.budget / NANO
        return Spent.of(self._charges.spent(checked.job.user_id, checked.job.cycle) / NANO, most)


def _between(prediction: Prediction, unit: float, digits: int) -> Between:
    expected, low, high = (round(one * unit, digits) for one in prediction[:3])
    return Between(expected, low, high)


def _refusal(error: ApiError) -> Refusal:
    body = error.body()
    return Refusal(
        status=error.status, error=str(body["error"]), reason=str(body.get("reason", "")), message=str(body.get("message", ""))
    )
