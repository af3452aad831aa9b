"""Films that are not worth splitting, or would harm a worker, run whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.media import make_work, run_ffmpeg
from tests.unit.parts.films import FILMS
from tests.unit.parts.test_frames import prepared
from workers.parts import plan
from workers.parts.index import Index

if TYPE_CHECKING:
    from pathlib import Path


def index(times: list[int], keys: list[int]) -> Index:
    """An index in units of a millisecond."""
    return Index((1, 1000), (25, 1), 0, list(times), list(times), [40] * len(times), [100] * len(times), keys)


def test_times_that_are_too_far_apart() -> None:
    """A small file may claim to last for years, and its grid would fill the memory."""
    times = [*range(0, 4000, 40), 10**12]
    with pytest.raises(plan.NotSplittable, match="too far apart"):
        plan.Timeline(index(times, [0, 50]), 0, None)


@pytest.mark.parametrize(("duration", "before", "shown"), [(40, 40, 40), (40, 120, 40), (0, 120, 120), (1, 2, 1), (1, 3, 3)])
def test_how_long_the_last_frame_is_shown(duration: int, before: int, shown: int) -> None:
    found = index([0, 40, 80, 80 + before], [0])
    found.durations[-1] = duration
    assert plan.Timeline(found, 0, None).last_frame_us == shown * 1000


def test_every_packet_marked_as_a_keyframe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from workers.parts import film

    marked = index(list(range(0, 4000, 40)), list(range(100)))
    monkeypatch.setattr(film.index, "read", lambda *given: marked)
    work = make_work("transcoding", FILMS["h264 closed"](tmp_path), tmp_path / "job", {})
    with pytest.raises(plan.NotSplittable, match="marked as a keyframe"):
        prepared(work)


def test_one_keyframe_for_a_package(tmp_path: Path) -> None:
    """Every part would decode the film from its start."""
    source = tmp_path / "film.mp4"
    run_ffmpeg(
        "-f", "lavfi", "-i", "testsrc2=s=64x36:r=60:d=60", "-c:v", "libx264", "-preset", "ultrafast", "-g", "9999", source
    )
    work = make_work("transcoding", source, tmp_path / "job", {"format": "hls"})
    with pytest.raises(plan.NotSplittable, match="too few keyframes"):
        prepared(work, 24, keyframes_every=2.0)
