"""What a job in parts costs: the work of helpers as well, and once."""

from __future__ import annotations

from typing import Any

import pytest

from workers.sandbox import accounting


def test_the_work_of_helpers_is_counted_once(encoding: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the run in which it was done, and not by the next one, which uses the same parts."""
    others = []
    with accounting.metered() as meter:
        done = encoding()
        others.append(meter._others_cpu_seconds)
    helped = [row for row in encoding.parts.read(encoding.job.job_id, encoding.job.id).rows if row.cpu_ms]
    assert done.result["parts"]["workers"] == 2
    assert others[0] == pytest.approx(sum(row.cpu_ms for row in helped) / 1000)
    assert others[0] > 0
    with accounting.metered() as meter:
        encoding(alone=True)
        assert meter._others_cpu_seconds == 0
