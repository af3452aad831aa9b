"""The cost model: what it multiplies, and the published prices."""

from __future__ import annotations

import pytest

from bench import cost


def test_the_control_plane_is_its_parts() -> None:
    figures = cost.control_plane(api_ms=5, sqs_calls=5, log_bytes=1000)["control plane, dollars a million jobs"]
    assert figures["API Gateway"] == 3.5
    assert figures["SQS"] == 2.0  # 5 million calls at 0.40
    assert figures["logs"] == 0.5  # a GB
    assert figures["API Lambda time"] == pytest.approx(0.05 * 0.5 * 16.6667, abs=0.01)  # 50 ms of half a GB
    parts = sum(value for name, value in figures.items() if name not in ("together", "behind a function URL"))
    assert figures["together"] == pytest.approx(parts, abs=0.02)
    assert figures["together"] - figures["behind a function URL"] == pytest.approx(3.5)
    assert figures["together"] <= 8


def test_a_second_of_work() -> None:
    figures = cost.compute({"analysis": 1.0})
    dollars = figures["compute, dollars a million jobs (20 s of 720p)"]
    assert dollars["analysis on Lambda"] == pytest.approx(13.3334 * 3008 / 1024 + 0.2, abs=0.01)
    assert dollars["analysis on Fargate, always busy"] == pytest.approx((2 * 32380 + 8 * 3560) / 3600, abs=0.01)
