"""The checker finds a violation of each invariant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.chaos.checker import broken_rules
from tests.chaos.recorder import Event, Recorder

if TYPE_CHECKING:
    from pathlib import Path

ROW = {"status": "completed", "error": None, "result": {"outputs": [{"file_id": "f1"}]}}
STATS = {"waiting": 0, "active": 0, "delayed": 0, "completed": 1, "failed": 0}


def patch(at: float, status: str, who: str = "worker-1", *, changed: bool = True) -> Event:
    return Event(at, "patch", "j", who, {"status": status, "changed": changed})


def stats(at: float, completed: int) -> Event:
    return Event(at, "stats", "", "", {"completed": completed, "failed": 0})


GOOD = [patch(1, "processing"), patch(2, "completed"), patch(3, "completed", "worker-2", changed=False), stats(4, 1)]


def check(tmp_path: Path, events: list[Event], **changes: Any) -> list[str]:
    recorder = Recorder(tmp_path / "history.jsonl")
    recorder.events = events
    row = {**ROW, **changes.get("row", {})}
    found = broken_rules(
        recorder, {"j"}, {"j": row}, changes.get("files", {"j": ["f1"]}), {**STATS, **changes.get("stats", {})}
    )
    return [text for _, text in found]


def test_a_good_history(tmp_path: Path) -> None:
    assert check(tmp_path, GOOD) == []


@pytest.mark.parametrize(
    ("events", "changes", "said"),
    [
        (GOOD, {"row": {"status": "processing"}, "stats": {"completed": 0}, "files": {}}, "was accepted and is processing"),
        ([*GOOD, patch(5, "failed", "worker-2")], {}, "worker-2 set it to failed at 5, after worker-1 had closed it at 2"),
        ([*GOOD, patch(5, "pending", "api")], {}, "api set it to pending at 5, after worker-1 had closed it at 2"),
        ([*GOOD, Event(5, "cancel", "j", "client", {"status": 200})], {}, "was cancelled, its caller was told so, and it is completed"),
        ([*GOOD, patch(5, "processing", "worker-2")], {}, "worker-2 set it to processing at 5"),
        (GOOD[:1], {}, "is completed, which nobody was seen to write"),
        (GOOD, {"files": {"j": ["f1", "f2"]}}, "names 1 outputs, but Directus has 2"),
        (GOOD, {"files": {}}, "names 1 outputs, but Directus has 0"),
        (GOOD, {"stats": {"completed": 2}}, "completed is 2, with 1 outcomes seen and 1 records"),
        (GOOD, {"stats": {"active": 1}}, "active is 1 at the end"),
        ([*GOOD, stats(6, 0)], {}, "completed fell from 1 to 0 at 6"),
        (
            [Event(7, "api without redis", "", ""), Event(9, "accepted", "j", "client", {"asked_at": 8}),
             Event(10, "api with redis", "", ""), *GOOD],
            {}, "was accepted at 9, with Redis out of reach",
        ),
    ],
    ids=["lost", "twice", "admitted anew", "cancelled", "reopened", "unseen", "strays", "no output", "miscounted", "left over", "fell", "without Redis"],
)  # fmt: skip
def test_each_rule_can_be_broken(tmp_path: Path, events: list[Event], changes: dict[str, Any], said: str) -> None:
    found = check(tmp_path, events, **changes)
    assert any(said in text for text in found), found


def test_a_retry_and_a_wipe_are_no_breach(tmp_path: Path) -> None:
    events = [
        patch(1, "failed"),
        patch(2, "pending", "api"),
        *GOOD,
    ]
    assert check(tmp_path, events, stats={"failed": 1}) == []
    assert check(tmp_path, events, stats={"failed": 0}) == ["failed is 0, with 1 outcomes seen and 0 records"]
    wiped = [*events, Event(5, "fault", "", "", {"name": "flushall"}), stats(6, 0)]
    assert check(tmp_path, wiped, stats={"failed": 0}) == []


def test_a_redis_that_was_started_anew_answers_although_the_one_before_it_was_frozen(tmp_path: Path) -> None:
    frozen, anew = Event(6, "api without redis", "", "freeze"), Event(7, "api with redis", "", "freeze")
    accepted = Event(9, "accepted", "j", "client", {"asked_at": 8})
    thawed = Event(10, "api with redis", "", "freeze")
    assert not any("out of reach" in text for text in check(tmp_path, [frozen, anew, accepted, thawed, *GOOD]))
    assert any("out of reach" in text for text in check(tmp_path, [frozen, accepted, thawed, *GOOD]))
