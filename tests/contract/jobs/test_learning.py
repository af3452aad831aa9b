"""The maintenance task learns from finished jobs, and from the records after a wipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.directus.records import Record
from chalicelib.domain.estimates.estimator import estimate
from chalicelib.domain.estimates.shape import Facts, Shape, shapes_of
from chalicelib.domain.params.transcoding import TranscodingParams
from chalicelib.maintenance.learning import learned_from
from tests.contract.api.test_job_status import claim, made, queued

if TYPE_CHECKING:
    from tests.contract.conftest import Api

FACTS = {"duration": 60.0, "width": 1920, "height": 1080, "fps": 25.0, "bytes": 60_000_000}
SHAPES = shapes_of("transcoding", TranscodingParams(), Facts(**FACTS))  # type: ignore[arg-type]
RESULT = {"cost": {"input": FACTS}, "stages": {"fetch": 1.0, "process": 38.0, "upload": 1.0}, "outputs": [{"bytes": 5_000_000}]}


def finish(api: Api, **summary: Any) -> None:
    """Finish a job as a worker does."""
    held = claim(api, queued(api, api.backends.tokens["enterprise"]))
    assert api.services.ledger.finish(held.job, held.token, "completed", summary) == "ok"


def expected(api: Api, shape: Shape = SHAPES[0]) -> tuple[float, int]:
    found = estimate(api.services.estimates.models([shape]), shape)["seconds"]
    return found.value, found.jobs


def test_what_workers_report_is_learned_once(api: Api) -> None:
    api.services.estimates.store({}, "-")
    before, _ = expected(api)
    for _ in range(5):
        finish(api, seconds=400.0, bytes_out=7_000_000, shapes=SHAPES)
    finish(api, seconds=1.0)  # of an earlier release
    finish(api, seconds=1.0, shapes=[["transcoding", [1.0]]])  # of a later one
    assert api.services.learning.run() == 5
    assert expected(api)[1] == 5
    assert before < expected(api)[0] < 500
    assert api.services.learning.run() == 0
    assert expected(api)[1] == 5
    assert expected(api, Shape("transcoding:any", (1.0, 0.0, 0.0, 0.0)))[1] == 5
    finish(api, seconds=400.0, bytes_out=7_000_000, shapes=SHAPES)
    assert api.services.learning.run() == 1


def test_after_a_wipe_it_learns_from_the_records(api: Api) -> None:
    token = api.backends.tokens["enterprise"]
    for _ in range(3):
        made(api, token, status="completed", result=RESULT, params={})
    made(api, token, status="completed", result="nonsense")
    api.services.scripts.redis.flushall()
    assert api.services.learning.run() >= 3
    assert expected(api)[1] >= 3
    assert expected(api)[0] == pytest.approx(40, rel=0.5)
    assert api.services.learning.run() == 0  # not again


def test_the_maintenance_task_does_it(api: Api) -> None:
    api.services.estimates.store({}, "-")
    finish(api, seconds=400.0, bytes_out=7_000_000, shapes=SHAPES)
    api.services.maintenance.run(sleep=lambda seconds: None)
    assert expected(api)[1] == 1


def test_a_thousand_kinds_are_enough(api: Api) -> None:
    redis = api.services.scripts.redis
    redis.hset("{test}:estimates", mapping={f"seconds|{number}": "{}" for number in range(999)})
    finish(api, seconds=400.0, bytes_out=7_000_000, shapes=SHAPES)
    api.services.learning.run()
    assert redis.hlen("{test}:estimates") <= 1001


@pytest.mark.parametrize(
    "values",
    [
        {"operation": "juggling"}, {"operation": None}, {"result": None}, {"result": []}, {"result": {**RESULT, "stages": {}}},
        {"result": {**RESULT, "stages": {"process": "long"}}}, {"result": {**RESULT, "stages": {"process": -5}}},
        {"result": {**RESULT, "stages": {"process": 1e300}}}, {"result": {**RESULT, "cost": {"input": {"duration": "x"}}}},
        {"result": {**RESULT, "cost": {"input": {**FACTS, "duration": 1e18}}}}, {"result": {**RESULT, "cost": {"input": {**FACTS, "duration": -1}}}},
        {"result": {**RESULT, "outputs": [{"bytes": "many"}]}}, {"result": {**RESULT, "outputs": [{}]}}, {"result": {**RESULT, "outputs": [{"bytes": 1 << 60}]}},
        {"params": {"preset": 5}}, {"params": "x"}, {"params": {"nonsense": 1}},
    ],
)  # fmt: skip
def test_what_an_owner_wrote_into_a_record(values: dict[str, Any]) -> None:
    record = {"id": "x", "status": "completed", "operation": "transcoding", "params": {}, "result": RESULT}
    assert learned_from(Record(**record)) is not None
    assert learned_from(Record(**{**record, **values})) is None
