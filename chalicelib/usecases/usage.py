"""The use case behind `GET /usage`: the limits of a user's plan, and what is left in this cycle."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from chalicelib.domain import plans
from chalicelib.domain.cost import NANO
from chalicelib.domain.schemas import Allowance, Cycle, Spent, UsageAnswer
from chalicelib.domain.validation import validate
from chalicelib.errors import Forbidden, NotFound, Unauthorized

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.access.auth import Caller
    from chalicelib.access.ownership import Ownership
    from chalicelib.directus.client import Directus
    from chalicelib.domain.plans import Plans
    from chalicelib.usecases.charges import Charges


class UsageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of `GET /queue/usage`."""

    user: (
        Annotated[UUID, msgspec.Meta(description="the UUID of a user; only administrators see that of others")] | UnsetType
    ) = UNSET


def parse_user(query: Mapping[str, str]) -> str | None:
    """Return the user that the query names."""
    user = validate(dict(query), UsageQuery).user
    return str(user) if user else None


class UsageReader:
    """Reads the charges of a user."""

    def __init__(self, directus: Directus, charges: Charges, ownership: Ownership, plans: Plans) -> None:
        self._directus = directus
        self._charges = charges
        self._ownership = ownership
        self._plans = plans

    def read(self, user_id: str, caller: Caller) -> UsageAnswer:
        """Return the usage of the caller, or of any user for an administrator.

        Raises:
            Forbidden: another user's usage, and the caller is not an administrator.
            NotFound: there is no such user.
        """
        if user_id != caller.user_id and not self._ownership.is_administrator(caller):
            raise Forbidden("user must be yourself: only administrators see the usage of others")
        user = self._directus.read_user(user_id)
        if user is None:
            raise NotFound("user must be the id of a user")
        if user_id == caller.user_id and user.status != "active":
            raise Unauthorized
        cycle = plans.cycle_of(datetime.now(UTC))
        tier = user.subscription_tier or plans.DEFAULT_TIER
        operations = [self._allowance(name, tier, used) for name, used in self._charges.jobs(user_id, cycle).items()]
        span = Cycle(cycle, plans.cycle_start(cycle), plans.cycle_start(plans.cycle_after(cycle)))
        spent = self._charges.spent(user_id, cycle) / NANO
        cost = Spent.of(spent, self._plans.get(tier, {}).get(plans.BUDGET))
        return UsageAnswer(user=user_id, tier=tier, cycle=span, operations=operations, cost=cost)

    def _allowance(self, operation: str, tier: str, used: int) -> Allowance:
        return Allowance.of(operation, plans.can_perform(self._plans, tier, operation).limit, used)
