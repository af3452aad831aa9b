"""Subscription plans: jobs per operation and calendar month, by tier, from one JSON file.

    {"free": {"transcoding": 10}, "pro": {"transcoding": 1000, "max_usd": 20}, "enterprise": {"transcoding": -1}}

A number is the limit; -1 is unlimited; 0 or a missing entry means that the plan does not include the operation. `max_usd`, if
there is one, is what the jobs of a user may cost in a month. A tier that is not in the file allows nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from chalicelib.domain.jobs import OPERATIONS
from chalicelib.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

UNLIMITED = -1
BUDGET = "max_usd"
DEFAULT_TIER = "free"

Plans = dict[str, dict[str, float]]
"""Tier -> operation, or `max_usd` -> limit."""


class PlanCheck(NamedTuple):
    """Whether the plan includes the operation, and the limit per cycle (-1: unlimited)."""

    allowed: bool
    limit: int = 0
    reason: str = ""
    max_usd: float | None = None
    """What the user's jobs may cost in a cycle; None: no limit."""


def load_plans(file: Path) -> Plans:
    """Read and check the plans.

    Raises:
        SettingsError: the file is missing or wrong; the message says what is expected.
    """
    try:
        plans = msgspec.json.decode(file.read_bytes(), type=Plans)
    except (OSError, msgspec.MsgspecError) as error:
        raise SettingsError(f"PLANS_FILE {file} must be JSON such as {{tier: {{operation: limit}}}}: {error}") from error
    for tier, limits in plans.items():
        for operation, limit in limits.items():
            if operation == BUDGET:
                if limit < 0:
                    raise SettingsError(f"PLANS_FILE: {tier}.{BUDGET} must be dollars, at least 0, not {limit}")
            elif operation not in OPERATIONS:
                raise SettingsError(f"PLANS_FILE: {tier}.{operation} must be one of {', '.join((*OPERATIONS, BUDGET))}")
            elif limit < UNLIMITED or limit != int(limit):
                raise SettingsError(f"PLANS_FILE: {tier}.{operation} must be -1 (unlimited), 0 or a limit, not {limit}")
    return plans


def can_perform(plans: Plans, tier: str | None, operation: str) -> PlanCheck:
    """Return what the plan allows. The ledger checks the limit, since it counts and admits in one step."""
    plan = plans.get(tier or DEFAULT_TIER, {})
    limit = int(plan.get(operation, 0)) if operation != BUDGET else 0
    return PlanCheck(True, limit, max_usd=plan.get(BUDGET)) if limit else PlanCheck(False, 0, "feature_unavailable")


def cycle_of(now: datetime) -> str:
    """Return the billing cycle of a time: the calendar month in UTC, such as 2026-11."""
    return now.astimezone(UTC).strftime("%Y-%m")


def cycle_start(cycle: str) -> str:
    """Return the start of a cycle, ISO 8601."""
    return f"{cycle}-01T00:00:00Z"


def cycle_after(cycle: str) -> str:
    """Return the next cycle."""
    year, month = (int(part) for part in cycle.split("-"))
    return f"{year + month // 12:04}-{month % 12 + 1:02}"
