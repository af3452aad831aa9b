"""Settings and plans: every error names the variable and what it must be."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chalicelib.domain import plans, retry_policy
from chalicelib.errors import SettingsError
from chalicelib.services import Services
from chalicelib.settings import PLANS_FILE, POOLS, load

GOOD = {
    "DIRECTUS_TOKEN": "t", "DIRECTUS_SECRET": "s", "QUEUE_URL_LAMBDA": "https://sqs/l", "QUEUE_URL_CONTAINER": "https://sqs/c",
    "DEAD_LETTER_URL_LAMBDA": "https://sqs/ld", "DEAD_LETTER_URL_CONTAINER": "https://sqs/cd",
}  # fmt: skip


def test_defaults() -> None:
    settings = load(GOOD)
    assert (settings.redis_url, settings.taxonomy_ttl, settings.trust_loopback) == ("redis://127.0.0.1:6379/0", 3600, False)
    assert settings.plans_file == PLANS_FILE


def test_secrets_do_not_show() -> None:
    shown = repr(load({**GOOD, "DIRECTUS_SECRET": "hush", "REDIS_URL": "rediss://u:hush@h/0", "INTERNAL_TOKEN": "hush"}))
    assert "hush" not in shown


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("DIRECTUS_SECRET", "", "DIRECTUS_SECRET is not set: it must be the SECRET that Directus signs its tokens with"),
        ("DIRECTUS_TOKEN", " ", "DIRECTUS_TOKEN is not set: it must be the static token"),
        ("REDIS_URL", "http://x", "REDIS_URL must be a redis or rediss URL"),
        ("REDIS_URL", "redis://", "REDIS_URL must be a redis or rediss URL"),
        ("QUEUE_URL_LAMBDA", "", "QUEUE_URL_LAMBDA must be a http or https URL; it is not set"),
        ("TAXONOMY_TTL_SECONDS", "soon", "TAXONOMY_TTL_SECONDS must be a number from 1 to 86400, not 'soon'"),
        ("POLL_SECONDS", "20", "POLL_SECONDS must be a number from 1 to 10, not '20'"),
        ("TRUST_LOOPBACK", "yes", "TRUST_LOOPBACK must be one of 0, 1, not 'yes'"),
        ("LOG_LEVEL", "LOUD", "LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR, not 'LOUD'"),
    ],
)
def test_messages(name: str, value: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({**GOOD, name: value})
    assert str(caught.value).startswith(message)


def test_every_variable_is_documented() -> None:
    root = Path(__file__).parents[3]
    asked = set(re.findall(r'read\.\w+\("([A-Z_]+)"', (root / "chalicelib" / "settings.py").read_text()))
    asked |= {f"{kind}_URL_{pool.upper()}" for kind in ("QUEUE", "DEAD_LETTER") for pool in POOLS}
    documented = set(re.findall(r"`([A-Z_]{5,})`", (root / "docs" / "settings.md").read_text()))
    assert len(asked) > 15
    assert asked <= documented


class TestPlans:
    def test_the_shipped_ones(self) -> None:
        table = plans.load_plans(PLANS_FILE)
        assert set(table) == {"free", "pro", "enterprise"}
        assert plans.can_perform(table, "enterprise", "transcoding") == (True, -1, "", None)
        assert plans.can_perform(table, None, "transcoding") == plans.can_perform(table, "free", "transcoding")

    @pytest.mark.parametrize(("tier", "operation"), [("gold", "transcoding"), ("free", "hologram"), ("none", "transcoding")])
    def test_what_is_not_on_a_plan(self, tier: str, operation: str) -> None:
        table = {"free": {"transcoding": 5}, "none": {"transcoding": 0}}
        assert plans.can_perform(table, tier, operation) == (False, 0, "feature_unavailable", None)

    def test_a_budget_is_a_limit_and_no_operation(self) -> None:
        table = {"pro": {"transcoding": 5, "max_usd": 2.5}}
        assert plans.can_perform(table, "pro", "transcoding") == (True, 5, "", 2.5)
        assert plans.can_perform(table, "pro", "max_usd").reason == "feature_unavailable"

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('{"free": {"transcoding": 1.5}}', "free.transcoding must be -1 (unlimited), 0 or a limit, not 1.5"),
            ('{"free": {"max_usd": -1}}', "free.max_usd must be dollars, at least 0, not -1"),
            ("nonsense", "must be JSON such as {tier: {operation: limit}}"),
            ('{"free": 5}', "must be JSON such as"),
            ('{"free": {"transcoding": "5"}}', "must be JSON such as"),
            ('{"free": {"transcodign": 5}}', "free.transcodign must be one of transcoding"),
            ('{"free": {"transcoding": -2}}', "free.transcoding must be -1 (unlimited), 0 or a limit, not -2"),
        ],
    )
    def test_a_wrong_file(self, tmp_path: Path, text: str, message: str) -> None:
        (tmp_path / "plans.json").write_text(text)
        with pytest.raises(SettingsError) as caught:
            plans.load_plans(tmp_path / "plans.json")
        assert message in str(caught.value)

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="PLANS_FILE"):
            plans.load_plans(tmp_path / "none.json")

    def test_cycles_are_calendar_months_in_utc(self) -> None:
        assert plans.cycle_of(datetime(2026, 11, 30, 23, 59, tzinfo=UTC)) == "2026-11"
        late = datetime.fromisoformat("2026-11-30T23:59:00-05:00")
        assert plans.cycle_of(late) == "2026-12"
        assert plans.cycle_start("2026-12") == "2026-12-01T00:00:00Z"


def test_backoff_is_that_of_the_published_configuration() -> None:
    assert [retry_policy.backoff_ms(attempt) for attempt in (1, 2, 3)] == [2_000, 4_000, 8_000]


def test_an_unknown_alarm_stops_every_process_at_start() -> None:
    assert load({**GOOD, "ALARM_OVER": "waiting=500, failure-ratio=0.2"}).alarm_thresholds == {
        "waiting": 500,
        "failure-ratio": 0.2,
    }
    with pytest.raises(SettingsError, match="ALARM_OVER has unknown alarms: wating; alarms are waiting, "):
        Services(load({**GOOD, "ALARM_OVER": "wating=500"}))
    with pytest.raises(SettingsError, match="ALARM_OVER must be alarm=threshold pairs"):
        load({**GOOD, "ALARM_OVER": "waiting"})
