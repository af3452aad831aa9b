"""What the command prints of a job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mediaq.cli import show
from mediaq.models import Job

RUNNING = {"jobId": "a", "bullJobId": "b", "user": None, "operation": "transcoding", "state": "active", "progress": 40}
RUNNING |= dict.fromkeys(("created_at", "finished_at", "output_file_id", "error"))


def test_finished_parts_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    show.job(Job.read({**RUNNING, "parts": {"count": 8, "finished": 3, "parts": []}}))
    assert "active, 3 of 8 parts finished" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("usd", "text"), [(0, "$0.00"), (12.345, "$12.35"), (0.5, "$0.50"), (0.0042345, "$0.0042"), (0.0000068, "$0.0000068")]
)
def test_dollars(usd: float, text: str) -> None:
    assert show.dollars(usd) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (12_345, "12.3 kB"), (150_000_000, "150 MB"), (2e9, "2 GB")]
)
def test_sizes(count: float, text: str) -> None:
    assert show.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "0 s"), (5, "5 s"), (119, "119 s"), (120, "2 min"), (7300, "2 h"), (200_000, "2 d")]
)
def test_ago(seconds: int, text: str) -> None:
    assert show.ago((datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()) == text


def test_what_a_month_cost(capsys: pytest.CaptureFixture[str]) -> None:
    show.spent({"usd": 0.5, "max_usd": None, "remaining_usd": None})
    show.spent({"usd": 0.5, "max_usd": 20, "remaining_usd": 19.5})
    assert capsys.readouterr().out == "cost so far $0.50\ncost so far $0.50 of $20.00\n"
