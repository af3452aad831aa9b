"""The running system follows its OpenAPI document: generated requests, valid and invalid.

`make verify` makes a thousand of each route.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from chalicelib.api import openapi
from infra.local.directus import accounts
from tests.integration.conftest import QUICK, run_system

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.conftest import System

EXAMPLES = int(os.environ.get("MEDIAQ_SCHEMA_EXAMPLES", "15"))
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.missing_required_header,
]
"""That every request which fits its description is accepted is held only against what reads: rules that bind two parameters
together, such as a codec and its format, are no part of a description."""


@pytest.fixture(scope="module")
def open_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    yield from run_system(tmp_path_factory.mktemp("system"))


@pytest.fixture(scope="module")
def jobs(open_system: System, clip: Path) -> list[str]:
    """A job in every state, so that not every id is of none."""
    file = open_system.app.upload(clip)
    open_system.scripts.redis.hset("{mediaq}:meta", "born_ms", 1)  # for 15 s after a wipe, a cancel may answer 503
    open_system.ledger.pause("container", True)
    waiting, delayed = open_system.submit(file, QUICK), open_system.submit(file, QUICK, delay=3_600_000)
    made = [open_system.app.create_record("transcoding", file, params=QUICK) for _ in range(3)]
    open_system.admin("PATCH", f"/items/media_jobs/{made[0]}", json={"status": "completed", "result": {"width": 1}})
    open_system.admin("PATCH", f"/items/media_jobs/{made[1]}", json={"status": "failed", "error": "bad luck"})
    return [waiting, delayed, *made]


@pytest.fixture(scope="module")
def described(open_system: System, jobs: list[str]) -> Any:
    return schemathesis.openapi.from_url(f"{open_system.stack.url('api')}/api/queue/openapi.json")


@pytest.mark.parametrize(
    ("route", "mode"),
    [
        pytest.param(route, mode, id=f"{mode.value} {route.method} {route.path}")
        for route in openapi.ROUTES
        for mode in GenerationMode
        if mode is GenerationMode.POSITIVE or route.body or route.query or "{" in route.path  # else nothing can be wrong
    ],
)
def test_it_does_what_it_says(
    route: openapi.Route, mode: GenerationMode, described: Any, jobs: list[str], open_system: System
) -> None:
    operation = described[route.path][route.method.upper()]
    token = accounts.ADMIN_TOKEN if "/pools/" in route.path else open_system.token

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def one(case: schemathesis.Case) -> None:
        assume(not any(value in ([], {}) for value in case.query.values()))  # what is wrong would not reach the wire
        _mean_a_job(case, jobs)
        wanted = [*CHECKS, checks.positive_data_acceptance] if route.method == "get" else list(CHECKS)
        if route.path.endswith("/quote"):  # its answer to wrong data is 200, with the refusal of /media in it
            wanted.remove(checks.negative_data_rejection)
        case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, checks=wanted)

    one()


def _mean_a_job(case: schemathesis.Case, jobs: list[str]) -> None:
    """Let every other id be of a job that there is."""
    if case.meta and case.meta.generation.mode is GenerationMode.POSITIVE:
        case.query.pop("cursor", None)  # none but ours is good
    for place in (case.path_parameters, case.body):
        for name in ("jobId", "key"):
            if isinstance(place, dict) and (number := _number(place.get(name))) is not None and number % 2:
                place[name] = jobs[number // 2 % len(jobs)]


def _number(text: Any) -> int | None:
    try:
        return UUID(text).int if str(UUID(text)) == text else None
    except (ValueError, AttributeError, TypeError):
        return None
