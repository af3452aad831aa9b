"""What a job costs: the use of its runs, and dollars by a file of prices.

    {"lambda": {"job": 0.0000068, "second": 0.00003917}, "container": {"job": 0.0000068, "second": 0.0000259}}

`job` is what a job costs however short it is; `second` is the price of a busy slot of a worker; `gigabyte_in` and
`gigabyte_out` are those of traffic, 0 if left out. All in US dollars.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from chalicelib.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NANO = 1_000_000_000
"""The ledger counts billionths of a dollar, in integers."""
GIGABYTE = 1_000_000_000
Dollars = Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]


class PoolPrices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The prices of one pool, in US dollars."""

    job: Dollars = 0.0
    second: Dollars = 0.0
    gigabyte_in: Dollars = 0.0
    gigabyte_out: Dollars = 0.0

    def of(self, seconds: float, bytes_in: float = 0, bytes_out: float = 0) -> float:
        """Return the price of a run, without the one of the job."""
        traffic = self.gigabyte_in * bytes_in + self.gigabyte_out * bytes_out
        return self.second * seconds + traffic / GIGABYTE


class Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"lambdas": "lambda", "containers": "container"}):
    """The prices of both pools."""

    lambdas: PoolPrices
    containers: PoolPrices
    source: str = ""
    """Where the prices are from; for the reader of the file."""

    def of_pool(self, pool: str) -> PoolPrices:
        """Return the prices of a pool."""
        return self.lambdas if pool == "lambda" else self.containers


def load_prices(file: Path) -> Prices:
    """Read and check the prices.

    Raises:
        SettingsError: the file is missing or wrong; the message says what is expected.
    """
    try:
        return msgspec.json.decode(file.read_bytes(), type=Prices)
    except (OSError, msgspec.MsgspecError) as error:
        example = '{"lambda": {"job": 0, "second": 0.00004}, "container": {"job": 0, "second": 0.00003}}'
        raise SettingsError(f"PRICES_FILE {file} must be JSON such as {example}: {error}") from error


class Cost(msgspec.Struct, kw_only=True):
    """The cost of a job: of all its runs, except those whose worker died."""

    pool: str
    seconds: Annotated[float, msgspec.Meta(description="how long workers were busy with it")] = 0.0
    cpu_seconds: Annotated[float, msgspec.Meta(description="user and system time of all its processes")] = 0.0
    peak_memory_bytes: Annotated[int, msgspec.Meta(description="of the largest process")] = 0
    bytes_in: int = 0
    bytes_out: int = 0
    usd: float = 0.0


def together(runs: Sequence[Cost]) -> Cost | None:
    """Return the cost of several runs of a job, in their order; None if there are none."""
    if not runs:
        return None
    return Cost(
        pool=runs[-1].pool,
        seconds=round(sum(run.seconds for run in runs), 3),
        cpu_seconds=round(sum(run.cpu_seconds for run in runs), 3),
        peak_memory_bytes=max(run.peak_memory_bytes for run in runs),
        bytes_in=sum(run.bytes_in for run in runs),
        bytes_out=runs[-1].bytes_out,
        usd=round(sum(run.usd for run in runs), 9),
    )


def nano(usd: float) -> int:
    """Return dollars in billionths."""
    return round(usd * NANO)


def spent_by(result: Any) -> int:
    """Return the cost in the `result` of a record, in billionths of a dollar; 0 for what only its owner can have written."""
    try:
        cost = msgspec.convert(result["cost"], Cost)
    except (TypeError, KeyError, msgspec.ValidationError):
        return 0
    return nano(min(max(cost.usd, 0.0), 1e6))  # JSON has no NaN
