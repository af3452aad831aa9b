"""`GET /health` and its alarms."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from chalicelib import settings
from chalicelib.maintenance.alarms import MINUTE_MS
from chalicelib.maintenance.maintenance import Report
from chalicelib.maintenance.monitor import Monitor
from infra.local.process import LOOPBACK
from tests.conftest import PREFIX
from tests.contract.conftest import serve

if TYPE_CHECKING:
    from chalicelib.settings import Settings
    from tests.contract.conftest import Api, Backends

NOTHING = f"{LOOPBACK}:1"
QUIET = Report(tickets=0, revived=0, dead=0, seeded=False)


def test_all_is_well(api: Api) -> None:
    answer = api.call("GET", "/health")
    assert answer.status_code == 200
    assert answer.json == {
        "ok": True,
        "dependencies": {"redis": "ok", "sqs": "ok", "directus": "ok"},
        "alarms": [],
        "programs": [],
    }


@pytest.mark.parametrize(
    ("name", "away"),
    [
        ("redis", {"REDIS_URL": f"redis://{NOTHING}/0"}),
        ("directus", {"DIRECTUS_URL": f"http://{NOTHING}"}),
        ("sqs", {"QUEUE_URL_CONTAINER": "http://sqs/000000000000/no-such-queue"}),
    ],
)
def test_what_is_away_is_named(backends: Backends, name: str, away: dict[str, str]) -> None:
    for api in serve(backends, **away):
        answer = api.call("GET", "/health")
        assert answer.status_code == 503
        assert answer.json is not None
        assert answer.json["ok"] is False
        assert {one for one, word in answer.json["dependencies"].items() if word != "ok"} == {name}


def test_many_askers_cost_the_others_one_question(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    ping = api.services.directus.ping
    monkeypatch.setattr(api.services.directus, "ping", lambda: (asked.append("directus"), ping()))
    for _ in range(20):
        assert api.call("GET", "/health").status_code == 200
    assert asked == ["directus"]


def _monitor(api: Api, current: Settings, minute_ms: int = MINUTE_MS) -> Monitor:
    return Monitor(api.services.ledger, api.services.parts, api.services.workers_ledger, current, minute_ms)


def test_an_alarm_is_shown_and_takes_no_server_out_of_service(api: Api) -> None:
    current = settings.load(api.backends.environment | {"ALARM_OVER": "waiting=1,oldest-waiting=1000000,no-workers=1000000"})
    monitor = _monitor(api, current, minute_ms=1)
    for _ in range(2):
        api.enqueue({"jobId": api.record(), "operation": "transcoding"})
    monitor.run(QUIET)
    time.sleep(0.02)
    monitor.run(QUIET)
    answer = api.call("GET", "/health")
    assert answer.status_code == 200
    assert answer.json is not None
    [alarm] = answer.json["alarms"]
    assert alarm["name"] == "waiting"
    assert alarm["says"].startswith("More jobs are waiting")


def test_the_stopped_maintenance_task_is_reported(api: Api) -> None:
    _monitor(api, api.services.settings).run(QUIET)
    assert api.call("GET", "/health").json["alarms"] == []
    api.services.scripts.redis.hincrby(f"{PREFIX}:meta", "observed_ms", -300_000)
    api.services.health_checker._known = None
    assert [alarm["name"] for alarm in api.call("GET", "/health").json["alarms"]] == ["maintenance-silent"]
    assert 'mediaq_alarm_on{alarm="maintenance-silent"} 1\n' in api.call("GET", "/metrics").data.decode()


def test_gauges(api: Api) -> None:
    current = settings.load(api.backends.environment | {"WORKER_CONCURRENCY": "2"})
    for _ in range(3):
        api.enqueue({"jobId": api.record(), "operation": "transcoding"})
    gauges = _monitor(api, current).run(QUIET._replace(dead=4))
    assert gauges["waiting"] == gauges["waiting_container"] == 3
    assert gauges["container_workers_wanted"] == 2
    assert gauges["dead_letters"] == 4
    api.services.ledger.pause("container", True)
    assert _monitor(api, current).run(QUIET)["container_workers_wanted"] == 0  # none could do anything
    api.services.ledger.pause("container", False)
    assert gauges["oldest_waiting_minutes"] < 1
    assert "dead_letters" not in _monitor(api, current).run(None)


@pytest.mark.parametrize(("ended", "ratio"), [((8, 1), 0.0), ((8, 2), 0.2), ((0, 10), 1.0)])
def test_a_ratio_needs_ten(api: Api, ended: tuple[int, int], ratio: float) -> None:
    monitor = _monitor(api, api.services.settings)
    monitor.run(QUIET)
    api.services.scripts.redis.hset(f"{PREFIX}:totals", mapping={"completed": ended[0], "failed": ended[1]})
    assert monitor.run(QUIET)["failure_ratio"] == ratio
