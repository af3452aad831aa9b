"""The search for a factor: few probes, short samples, and the target on curves of any shape."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.params.transcoding import TranscodingParams
from tests.unit.parts.team import Alone
from workers.context.work import Work
from workers.quality import search
from workers.quality.search import Probe, Samples

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CURVES: dict[str, Callable[[float], float]] = {
    "gentle": lambda crf: 100 - 0.4 * crf,
    "steep": lambda crf: 100 / (1 + math.exp((crf - 28) / 3)),
    "flat, then steep": lambda crf: 99.5 if crf < 20 else max(0.0, 99.5 - 1.9 * (crf - 20)),
    "hard": lambda crf: max(0.0, 99 - 1.4 * crf),
    "easy": lambda crf: 100 - 0.004 * crf**2.2,
    "noisy": lambda crf: 100 - 0.012 * crf**2 + 0.15 * math.sin(crf * 7),
}


@pytest.mark.parametrize("curve", CURVES.values(), ids=CURVES.keys())
@pytest.mark.parametrize("codec", ["h264", "h265", "vp9", "av1"])
@pytest.mark.parametrize("target", [70, 93, 97])
def test_six_probes_are_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, curve: Callable[[float], float], codec: str, target: float
) -> None:
    """Unless no factor reaches the target."""
    monkeypatch.setattr(search, "_try", lambda *given: Probe(given[4], curve(given[4]), 1000))
    work: Any = Work(TranscodingParams(), tmp_path, tmp_path, 0, None)  # type: ignore[arg-type]
    found = search.find(work, Samples(tmp_path, 640, 360, 6, 25), codec, target)
    assert len(found.probes) <= 6
    steps = [
        number * search.STEPS[codec]
        for number in range(int(search.CRF_LEAST / search.STEPS[codec]), int(51 / search.STEPS[codec]))
    ]
    best = min(abs(curve(crf) - target) for crf in steps)
    assert abs(curve(found.crf) - target) <= best + 0.6


@given(st.floats(min_value=0.04, max_value=43_200))
def test_samples_are_at_most_a_tenth_of_the_film(seconds: float) -> None:
    count, length = search.clips(seconds)
    assert 1 <= count <= search.CLIPS_MAX
    assert count * length <= max(seconds * 0.1, min(seconds, 0.2)) + 1e-6
    assert count * length <= 40


@pytest.mark.parametrize("codec", ["h264", "h265", "vp9", "av1"])
def test_the_samples_of_a_job_in_parts_are_the_same_on_all_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str
) -> None:
    """Alone, the encoder chooses its threads."""
    commands: list[list[str]] = []
    monkeypatch.setattr(search.ffmpeg, "run", lambda work, command, **given: commands.append(command))
    monkeypatch.setattr(search.measure, "compare", lambda *given, **named: SimpleNamespace(mean=90))
    (tmp_path / "probe.mkv").write_bytes(b"x")
    for team in (None, Alone(4)):
        work: Any = Work(TranscodingParams(), tmp_path, tmp_path, 0, None, team=team)  # type: ignore[arg-type]
        search._try(work, Samples(tmp_path, 640, 360, 6, 25), tmp_path / "probe.mkv", codec, 23, "medium", 0)
    alone, together = commands
    fixed = {"-threads 4", "-svtav1-params lp=4", "-x265-params log-level=error:pools=4:frame-threads=2"}
    assert [any(one in " ".join(command) for one in fixed) for command in (alone, together)] == [False, True]
