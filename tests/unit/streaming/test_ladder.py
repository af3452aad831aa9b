"""The ladder of a film: what is there, never more."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.domain.params.transcoding import TranscodingParams
from chalicelib.domain.validation import validate
from workers.media.probe import Stream
from workers.streaming import ladder
from workers.streaming.package import reduced_rate


def choose(
    width: int, height: int, fps: float = 25, aspect: float = 1, **params: Any
) -> tuple[list[ladder.Rendition], list[int]]:
    picture = Stream("video", "h264", width=width, height=height, fps=fps, pixel_aspect=aspect)
    return ladder.choose(validate({"format": "hls", **params}, TranscodingParams), picture)


@pytest.mark.parametrize(
    ("width", "height", "aspect", "heights"),
    [
        (1920, 1080, 1, [1080, 720, 480, 360, 240]),
        (1080, 1920, 1, [1080, 720, 480, 360, 240]),
        (3840, 2160, 1, [2160, 1440, 1080, 720, 480, 360, 240]),
        (7680, 4320, 1, [2160, 1440, 1080, 720, 480, 360, 240]),
        (1920, 800, 1, [1080, 720, 480, 360, 240]),  # wider than 16:9: the box counts
        (1280, 800, 1, [720, 480, 360, 240]),
        (1440, 900, 1, [900, 720, 480, 360, 240]),  # much larger than 720: a rendition of its own size
        (720, 576, 64 / 45, [576, 480, 360, 240]),  # PAL, wide
        (1440, 1080, 4 / 3, [1080, 720, 480, 360, 240]),
        (320, 180, 1, [180]),
        (64, 36, 1, [36]),
        (17, 33, 1, [18]),
    ],
)
def test_the_heights_are_those_that_the_film_has(width: int, height: int, aspect: float, heights: list[int]) -> None:
    assert [one.height for one in choose(width, height, aspect=aspect)[0]] == heights


def test_a_named_ladder_is_cut_to_the_film() -> None:
    found, left_out = choose(1280, 720, ladder=[{"height": 480, "crf": 20}, {"height": 1080}, {"height": 720, "bitrate": "2M"}])
    assert [(one.height, one.quality.crf, one.quality.bitrate) for one in found] == [(720, None, 2_000_000), (480, 20, None)]
    assert left_out == [1080]
    found, left_out = choose(320, 180, ladder=[{"height": 1080}, {"height": 720}])
    assert [(one.height, one.resolution) for one in found] == [(720, None)]  # the size of the film


def test_a_second_codec_has_the_same_heights() -> None:
    found, _ = choose(640, 360, second_codec="av1")
    assert [one.name for one in found] == ["h264-360", "h264-240", "av1-360", "av1-240"]


def test_qualities() -> None:
    plain, _ = choose(1920, 1080)
    assert plain[0].quality.crf == 23
    assert plain[0].quality.ceiling == 7_000_000
    assert choose(1920, 1080, fps=60)[0][0].quality.ceiling == 9_800_000
    assert choose(1920, 1080, crf=20)[0][0].quality == (20, None, None)  # a factor that the caller names has no ceiling
    aimed, _ = choose(
        640, 360, target_vmaf=90, ladder=[{"height": 360, "target_vmaf": 95}, {"height": 240}, {"height": 144, "crf": 30}]
    )
    assert [one.target_vmaf for one in aimed] == [95, 90, None]


@pytest.mark.parametrize(
    ("fps", "rate"), [(24, None), (60, None), (59.94, None), (120, 60), (100, 50), (144, 48), (240, 60), (0, None)]
)
def test_a_fast_film_gets_a_whole_fraction_of_its_rate(fps: float, rate: float | None) -> None:
    assert reduced_rate(fps) == rate
