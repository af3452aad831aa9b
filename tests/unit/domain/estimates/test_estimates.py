"""Estimates: sane before the first job, right after a few, and an interval that holds four of five."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.estimates import model as regression
from chalicelib.domain.estimates.estimator import Learned, decoded, encoded, estimate, learn, names
from chalicelib.domain.estimates.model import Model
from chalicelib.domain.estimates.shape import MEASURES, Facts, Shape, shapes_of
from chalicelib.domain.jobs import OPERATIONS
from chalicelib.domain.params.transcoding import TranscodingParams

if TYPE_CHECKING:
    from collections.abc import Callable

FILM = Facts(duration=60, width=1920, height=1080, fps=25, bytes=60_000_000)


def params(operation: str, **given: Any) -> msgspec.Struct:
    return msgspec.convert(given, OPERATIONS[operation].params)


def shape(operation: str, facts: Facts = FILM, **given: Any) -> Shape:
    return shapes_of(operation, params(operation, **given), facts)[0]


class TestShapes:
    @pytest.mark.parametrize(
        ("operation", "given", "kind"),
        [
            ("transcoding", {}, "transcoding/mp4/h264/medium"),
            ("transcoding", {"codec": "av1", "preset": "slow", "target_vmaf": 90}, "transcoding/mp4/av1/slow/target_vmaf"),
            ("transcoding", {"format": "hls", "second_codec": "av1"}, "transcoding/hls/h264/av1/medium"),
            ("transcoding", {"format": "mp3"}, "transcoding:sound/mp3"),
            ("transcoding", {"format": "gif"}, "transcoding/gif/h264/medium"),
            ("thumbnail", {}, "thumbnail/best"),
            ("thumbnail", {"at": 3}, "thumbnail/at"),
            ("thumbnail", {"count": 9, "sprite": True}, "thumbnail/sprite"),
            ("caption_generation", {}, "caption_generation/whisper"),
            ("analysis", {}, "analysis"),
            ("upload", {}, "upload"),
        ],
    )  # fmt: skip
    def test_kinds(self, operation: str, given: dict[str, Any], kind: str) -> None:
        assert shape(operation, **given).kind == kind

    def test_less_is_known(self) -> None:
        kinds = [
            [one.kind for one in shapes_of("upload", params("upload"), facts)] for facts in (FILM, Facts(bytes=5), Facts())
        ]
        assert kinds == [["upload", "upload:size", "upload:any"], ["upload:size", "upload:any"], ["upload:any"]]

    @pytest.mark.parametrize(
        ("given", "share"),
        [
            ({}, 1), ({"resolution": "540p"}, 0.25), ({"resolution": "2160p"}, 1), ({"resolution": "2160p", "upscale": True}, 4),
            ({"duration": 15}, 0.25), ({"start": 45}, 0.25), ({"start": 90}, 0), ({"fps": 12.5}, 0.5), ({"fps": 50}, 1),
            ({"resolution": "960x1080", "fit": "pad"}, 0.5),
        ],
    )  # fmt: skip
    def test_the_work_of_an_encoder(self, given: dict[str, Any], share: float) -> None:
        assert shape("transcoding", **given).measures[1] == pytest.approx(
            share * shape("transcoding").measures[1], rel=0.02, abs=0.1
        )

    def test_a_sound_with_a_picture(self) -> None:
        assert shape("transcoding", Facts(duration=60), visual="waveform").measures[1] > 1
        assert shape("transcoding", Facts(duration=60)).kind == "transcoding:sound/mp4"

    @given(st.builds(Facts, duration=st.floats(0, 43_200), width=st.integers(0, 99_999), height=st.integers(0, 99_999), fps=st.floats(0, 1000), bytes=st.integers(0, 1 << 44)),
           st.sampled_from([{}, {"format": "hls"}, {"resolution": "720p"}, {"format": "gif", "fps": 10}, {"start": 100, "duration": 5}, {"format": "wav"}]))  # fmt: skip
    def test_any_input_has_finite_measures(self, facts: Facts, given: dict[str, Any]) -> None:
        for one in shapes_of("transcoding", msgspec.convert(given, TranscodingParams), facts):
            assert len(one.measures) == MEASURES
            assert all(math.isfinite(measure) and measure >= 0 for measure in one.measures)


class TestBeforeTheFirstJob:
    @pytest.mark.parametrize("operation", OPERATIONS)
    @pytest.mark.parametrize("facts", [FILM, Facts(bytes=60_000_000), Facts()])
    def test_it_is_sane(self, operation: str, facts: Facts) -> None:
        found = estimate({}, shape(operation, facts))["seconds"]
        assert 0.1 < found.low < found.value < found.high < 600
        assert found.jobs == 0

    def test_more_work_takes_longer(self) -> None:
        def seconds(**given: Any) -> float:
            return estimate({}, shape("transcoding", **given))["seconds"].value

        assert seconds(preset="veryfast") < seconds() < seconds(preset="slow")
        assert seconds(resolution="360p") < seconds(resolution="720p") < seconds()


def trained(
    jobs: int, seconds: Callable[[Shape], float], seed: int = 1, **given: Any
) -> tuple[dict[str, Model], list[tuple[float, float, float, float]]]:
    """Learn from random films; return the models and, for each, what was predicted before and what was."""
    dice, models, seen = random.Random(seed), {}, []
    for _ in range(jobs):
        facts = Facts(duration=dice.uniform(5, 600), width=1280, height=720, fps=25, bytes=dice.randrange(10**6, 10**8))
        one = shape("transcoding", facts, **given)
        truth = seconds(one) * dice.lognormvariate(0, 0.1)
        guess = estimate(models, one)["seconds"]
        seen.append((guess.low, guess.value, guess.high, truth))
        models |= learn(models, Learned([one], truth, 1.0))
    return models, seen


class TestLearning:
    def test_a_machine_of_another_speed(self) -> None:
        """Five times slower than the prior, with a noise of a tenth."""
        _, seen = trained(200, lambda one: 5 * one.measures[1] + 3)
        errors = sorted(abs(math.log(truth / value)) for _, value, _, truth in seen[10:])
        assert errors[len(errors) // 2] < 0.12
        within = sum(low <= truth <= high for low, _, high, truth in seen[20:]) / len(seen[20:])
        assert 0.7 <= within <= 0.9

    def test_a_change_of_speed_is_followed(self) -> None:
        models, _ = trained(100, lambda one: one.measures[1] + 1)
        for _ in range(60):
            one = shape("transcoding", Facts(duration=100, width=1280, height=720, fps=25, bytes=10**7))
            models |= learn(models, Learned([one], 3 * (one.measures[1] + 1), 1.0))
        assert estimate(models, one)["seconds"].value == pytest.approx(3 * (one.measures[1] + 1), rel=0.25)

    def test_another_kind_begins_with_what_the_operation_learned(self) -> None:
        models, _ = trained(50, lambda one: 5 * one.measures[1] + 3)
        other = shape("transcoding", Facts(duration=100, width=1280, height=720, fps=25, bytes=10**7), codec="h265")
        assert f"seconds|{other.kind}" not in models
        assert estimate(models, other)["seconds"].value == pytest.approx(5 * other.measures[1] + 3, rel=0.3)

    def test_one_wild_job_does_not_spoil_it(self) -> None:
        models, _ = trained(50, lambda one: one.measures[1] + 1)
        one = shape("transcoding", Facts(duration=100, width=1280, height=720, fps=25, bytes=10**7))
        before = estimate(models, one)["seconds"].value
        for wild in (1e-9, 1e5):
            after = estimate(models | learn(models, Learned([one], wild, 1.0)), one)["seconds"]
            if wild > 1:
                assert after.value == pytest.approx(before, rel=0.2)
            assert math.isfinite(after.value)

    def test_no_output_teaches_nothing_of_outputs(self) -> None:
        assert {name.partition("|")[0] for name in learn({}, Learned([shape("analysis")], 5.0, 0.0))} == {"seconds"}

    @given(st.lists(st.tuples(*[st.floats(0, 1e4)] * MEASURES, st.floats(1e-6, 1e5)), max_size=30))
    def test_whatever_is_learned_predictions_are_finite_and_in_order(self, jobs: list[tuple[float, ...]]) -> None:
        prior, model = (1.0, 1.0, 0.5, 20.0), Model()
        for *measures, value in jobs:
            model = regression.learn(model, prior, measures, value)
        found = regression.predict(model, prior, (1.0, 1.0, 1.0, 1.0))
        assert 0 < found.low <= found.value <= found.high < math.inf
        assert min(regression.coefficients(model, prior)) >= 0
        assert decoded(encoded(model)) == model

    def test_what_another_release_wrote(self) -> None:
        assert [decoded(text) for text in ("", "nonsense", '{"jobs": "x"}')] == [Model()] * 3

    def test_names(self) -> None:
        assert names([Shape("upload", ()), Shape("upload:any", ())]) == [
            "seconds|upload", "seconds|upload:any", "megabytes|upload", "megabytes|upload:any"
        ]  # fmt: skip
