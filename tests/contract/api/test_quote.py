"""`POST /media/quote`: what would become of a request. It refuses what `/media` refuses, and changes nothing."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.domain.estimates.estimator import Learned, learn
from chalicelib.domain.estimates.shape import Facts, shapes_of
from chalicelib.domain.jobs import OPERATIONS
from chalicelib.domain.params.transcoding import TranscodingParams
from chalicelib.ledger.workers import Heartbeat
from tests.contract.api.test_job_status import claim, made, queued
from tests.contract.conftest import serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.contract.conftest import Api, Backends

FILM = {"size": 60_000_000, "duration": 60, "resolution": "1920x1080", "fps": 25, "codec": "h264"}


def quote(api: Api, body: Any, token: str = "") -> Any:
    answer = api.call("POST", "/media/quote", token or api.backends.tokens["enterprise"], json=body)
    assert answer.status_code == 200, answer.text
    return answer.json


def seconds_from_now(iso: str) -> float:
    when = datetime.fromisoformat(iso)
    return (when - datetime.now(when.tzinfo)).total_seconds()


def beat(api: Api, slots: int, *jobs: str) -> None:
    about: dict[str, Any] = {"host": "h", "version": "1", "started_ms": 1, "slots": slots, "jobs": list(jobs)}
    api.services.workers_ledger.beat(Heartbeat(id="w", kind="container", pools=["lambda", "container"], **about))


class TestAccepted:
    def test_a_film_that_is_described(self, api: Api) -> None:
        beat(api, 2)
        found = quote(api, {"operation": "transcoding", "params": {"preset": "fast"}, "input": FILM})
        assert (found["ok"], found["accepted"], found["refusal"]) == (True, True, None)
        assert (found["pool"], found["position"], found["paused"]) == ("container", 1, False)
        assert -1 < seconds_from_now(found["starts_at"]) < 3
        for name in ("seconds", "usd", "output_bytes"):
            assert 0 < found[name]["low"] < found[name]["expected"] < found[name]["high"]
        assert found["starts_at"] < found["ends_between"][0] < found["ends_at"] < found["ends_between"][1]
        assert (found["based_on"], found["learned_from"]) == ("input", 0)
        assert found["plan"] == {"operation": "transcoding", "limit": None, "used": found["plan"]["used"], "remaining": None}

    @pytest.mark.parametrize(
        ("given", "based_on"),
        [
            (FILM, "input"), ({"duration": 60}, "input"), ({"size": 5_000_000}, "size"), ({}, "operation"),
            ({"resolution": "640x480"}, "input"), ({"codec": "h264", "fps": 25}, "operation"),
        ],
    )  # fmt: skip
    def test_what_it_is_based_on(self, api: Api, given: dict[str, Any], based_on: str) -> None:
        assert quote(api, {"operation": "analysis", "input": given})["based_on"] == based_on

    def test_by_id_and_by_address(self, api: Api) -> None:
        assert quote(api, {"operation": "thumbnail", "input_file_id": api.file()})["based_on"] == "size"
        assert quote(api, {"operation": "thumbnail", "input_url": "https://example.com/a.mp4"})["based_on"] == "operation"
        about = {"operation": "transcoding", "input_file_id": api.file(), "input": {"duration": 60, "size": 10**9}}
        assert quote(api, about)["based_on"] == "input"

    @pytest.mark.parametrize(
        ("size", "pool"), [(1000, "lambda"), (1 << 30, "lambda"), ((1 << 30) + 1, "container"), (None, "container")]
    )
    def test_the_pool(self, api: Api, size: int | None, pool: str) -> None:
        assert quote(api, {"operation": "thumbnail", "input": {"size": size} if size else {}})["pool"] == pool

    def test_it_follows_what_was_learned(self, api: Api) -> None:
        facts = Facts(duration=60, width=1920, height=1080, fps=25, bytes=60_000_000)
        shapes = shapes_of("transcoding", TranscodingParams(), facts)
        models: dict[str, Any] = {}
        for _ in range(20):
            models |= learn(models, Learned(shapes, 123.0, 45.0))
        api.services.estimates.store(models, "-")
        found = quote(api, {"operation": "transcoding", "input": FILM})
        assert found["learned_from"] == 20
        assert found["seconds"]["expected"] == pytest.approx(123, rel=0.05)
        assert found["output_bytes"]["expected"] == pytest.approx(45e6, rel=0.05)
        prices = api.services.quoter._prices.of_pool("container")
        assert found["usd"]["expected"] == pytest.approx(prices.job + prices.second * found["seconds"]["expected"], rel=0.001)

    def test_the_line(self, api: Api) -> None:
        token = api.backends.tokens["enterprise"]
        busy = claim(api, queued(api, token)).job.job_id
        assert quote(api, {"operation": "transcoding", "input": FILM})["starts_at"] is None  # no worker is known
        beat(api, 1, busy)
        queued(api, token)
        alone = quote(api, {"operation": "transcoding", "input": FILM})
        assert alone["position"] == 2
        assert seconds_from_now(alone["starts_at"]) > alone["seconds"]["expected"]
        assert quote(api, {"operation": "transcoding", "input": FILM, "priority": 1})["position"] == 1
        delayed = quote(api, {"operation": "transcoding", "input": FILM, "priority": 1, "delay": 600_000})
        assert seconds_from_now(delayed["starts_at"]) > 590
        api.services.ledger.pause("container", True)
        paused = quote(api, {"operation": "transcoding", "input": FILM})
        assert (paused["accepted"], paused["paused"], paused["starts_at"], paused["ends_at"]) == (True, True, None, None)

    def test_one_that_is_in_the_queue_already(self, api: Api) -> None:
        beat(api, 5)
        job_id = queued(api, api.backends.tokens["enterprise"])
        found = quote(api, {"jobId": job_id, "operation": "transcoding"})
        assert (found["accepted"], found["position"], found["starts_at"]) == (True, None, None)

    def test_the_plan_and_the_budget(self, backends: Backends, plans: Path) -> None:
        plans.write_text('{"free": {"transcoding": 2, "max_usd": 5}}')
        for api in serve(backends, PLANS_FILE=str(plans)):
            _, token = api.new_user()
            for left in (1, 0):
                found = quote(api, {"operation": "transcoding", "input": FILM}, token)
                assert (found["plan"]["used"], found["plan"]["remaining"]) == (2 - left, left)
                assert found["cost"] == {"usd": 0, "max_usd": 5, "remaining_usd": 5}
                queued(api, token)
            assert quote(api, {"operation": "transcoding", "input": FILM}, token)["refusal"]["reason"] == "limit_reached"

    def test_it_changes_nothing(self, api: Api) -> None:
        redis = api.services.scripts.redis
        quote(api, {"operation": "transcoding", "input": FILM})
        before = sorted(redis.keys("*"))
        for _ in range(3):
            quote(api, {"operation": "transcoding", "input": FILM})
        assert sorted(redis.keys("*")) == before
        assert api.services.ledger.stats()[:5] == (0, 0, 0, 0, 0)
        assert not any(":usage:" in key and redis.hget(key, "transcoding") for key in before)


class TestRefused:
    @pytest.mark.parametrize(
        ("body", "error"),
        [
            ({}, "jobId and operation are required"),
            ({"operation": "transcoding"}, "input_file_id or input_url is required: the record has neither"),
            ({"operation": "transcoding", "input": 5}, "input must be an object such as {size, duration, resolution, fps, codec}"),
            ({"operation": "transcoding", "input": {"size": 0}}, "input.size must be its size in bytes"),
            ({"operation": "transcoding", "input": {"resolution": "720p"}}, "input.resolution must be the size of its picture such as 1920x1080"),
            ({"operation": "transcoding", "input": {"length": 5}}, "input.length is not a parameter; it must be one of size, duration"),
            ({"operation": "transcoding", "params": {"preset": "web-9000p"}, "input": FILM}, "params.preset must be one of"),
        ],
    )  # fmt: skip
    def test_with_the_error_of_media(self, api: Api, body: Any, error: str) -> None:
        found = quote(api, body)
        assert (found["accepted"], found["refusal"]["status"]) == (False, 400)
        assert found["refusal"]["error"].startswith(error)
        assert found["seconds"] is None

    def test_without_a_token_or_redis_there_is_no_quote(self, api: Api, backends: Backends) -> None:
        assert api.call("POST", "/media/quote", json={"operation": "transcoding", "input": FILM}).status_code == 401
        for away in serve(backends, REDIS_URL="redis://127.0.0.1:1"):
            answer = away.call("POST", "/media/quote", backends.tokens["pro"], json={"operation": "transcoding", "input": FILM})
            assert answer.status_code == 503


@pytest.fixture(scope="module")
def limited(backends: Backends, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API with a plan that is soon used up."""
    plans = tmp_path_factory.mktemp("plans") / "plans.json"
    plans.write_text('{"free": {"transcoding": 3, "thumbnail": -1, "upload": 0}, "poor": {"transcoding": 9, "max_usd": 0}}')
    yield from serve(backends, PLANS_FILE=str(plans))


BODIES = st.fixed_dictionaries(
    {"operation": st.sampled_from([*OPERATIONS, "juggling", "", None, 5])},
    optional={
        "input": st.sampled_from(["own", "foreign", "missing", "url", "bad url"]),
        "params": st.sampled_from([{}, {"width": 320}, {"codec": "av1"}, {"codec": "h999"}, {"captions_file_id": str(uuid.uuid4())}, [], "x"]),
        "priority": st.sampled_from([1, 10, 100, 0, "5"]),
        "delay": st.sampled_from([0, 60_000, 10**12, -1]),
        "run_at": st.sampled_from(["2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "tomorrow"]),
        "callback_url": st.sampled_from(["https://example.com/done", "ftp://x"]),
        "creator_profile_id": st.sampled_from([str(uuid.uuid4()), "x"]),
    },
)  # fmt: skip
RECORDS = st.sampled_from(
    ["new", "new", "new", "open", "active", "failed", "completed", "odd", "foreign", "missing", "bad", "used up", "poor"]
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODIES, record=RECORDS)
def test_it_refuses_if_and_only_if_media_refuses(limited: Api, body: dict[str, Any], record: str) -> None:
    _, token = limited.new_user(subscription_tier="poor" if record == "poor" else "free")
    files = {
        "own": {"input_file_id": limited.directus("POST", "/files", token, files={"file": ("a.mp4", b"x", "video/mp4")})["id"]},
        "foreign": {"input_file_id": limited.file()},
        "missing": {"input_file_id": str(uuid.uuid4())},
        "url": {"input_url": "https://example.com/a.mp4"},
        "bad url": {"input_url": "file:///etc/passwd"},
    }
    body = {**{name: value for name, value in body.items() if name != "input"}, **files.get(body.get("input", ""), {})}
    body["jobId"] = prepared(limited, token, record)
    said = quote(limited, body, token)
    answer = limited.enqueue(body, token=token)
    assert said["accepted"] == (answer.status_code == 200), answer.json
    if not said["accepted"]:
        refusal = {name: value for name, value in said["refusal"].items() if value != ""}
        assert refusal == {"status": answer.status_code, **answer.json}


def prepared(api: Api, token: str, state: str) -> str:
    """Make a record in a state and return its id."""
    if state in ("missing", "bad"):
        return str(uuid.uuid4()) if state == "missing" else "nonsense"
    if state == "foreign":
        return made(api, api.backends.tokens["pro"])
    if state in ("open", "active"):
        job_id = queued(api, token)
        if state == "active":
            claim(api, job_id)
            api.directus("PATCH", f"/items/media_jobs/{job_id}", json={"status": "processing"})
        return job_id
    if state == "used up":
        for _ in range(3):
            queued(api, token)
    status = {"failed": "failed", "completed": "completed", "odd": "archived"}.get(state)
    return made(api, token, **({"status": status} if status else {}))
