"""How often a job calls SQS, and very many jobs with workers killed on the way: the benchmarks, with few jobs."""

from __future__ import annotations

import pytest

from bench import noop, queues
from bench.soak import soak


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "SHUFFLED", 60)
    monkeypatch.setattr(queues, "ALONE", 3)


def test_a_job_costs_few_calls_of_sqs(few: None) -> None:
    """With a deep queue of random priorities, and alone: send, receive, delete."""
    with noop.system() as system:
        figures = queues.our_calls(system)
    assert figures["mediaq SendMessage"] == 1
    assert figures["mediaq"] < 1.5
    assert figures["mediaq shuffled"] < 1.5
    assert figures["mediaq, alone"] == 3


@pytest.mark.slow
def test_every_one_of_very_many_jobs_ends_once() -> None:
    """`soak` itself raises if one did not end, or was counted twice."""
    figures = soak.soak(50_000)
    assert figures["drain"]["workers killed"] >= 3
    assert figures["memory"]["MB after"] - figures["memory"]["MB before"] < 30
