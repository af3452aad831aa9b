"""The parts of jobs on a real Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib.ledger.parts import PartsLedger

if TYPE_CHECKING:
    from chalicelib.ledger.scripts import Scripts
    from tests.conftest import Clock


@pytest.fixture
def parts(scripts: Scripts, clock: Clock) -> PartsLedger:
    """No parts yet."""
    return PartsLedger(scripts, clock)
