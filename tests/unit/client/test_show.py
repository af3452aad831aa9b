"""What the command prints of a job."""

from __future__ import annotations

import pytest

from mediaq.cli import show
from mediaq.models import Job

RUNNING = {"jobId": "a", "bullJobId": "b", "user": None, "operation": "transcoding", "state": "active", "progress": 40}
RUNNING |= dict.fromkeys(("created_at", "finished_at", "output_file_id", "error"))


def test_finished_parts_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    show.job(Job.read({**RUNNING, "parts": {"count": 8, "finished": 3, "parts": []}}))
    assert "active, 3 of 8 parts finished" in capsys.readouterr().out
