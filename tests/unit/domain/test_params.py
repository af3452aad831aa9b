"""Parameters of every operation: accepted values, and the error of every other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.domain.jobs import LAMBDA_INPUT_MAX_BYTES, OPERATIONS, pool_of
from chalicelib.domain.presets import expand, load_presets
from chalicelib.domain.validation import validate
from chalicelib.errors import BadRequest, SettingsError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_default_is_accepted(operation: str) -> None:
    validate({}, OPERATIONS[operation].params, "params")


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("thumbnail", {"at": 1.5}),
        ("thumbnail", {"at": 3}),
        ("thumbnail", {"at": "33.3%"}),
        ("thumbnail", {"count": 100, "sprite": True, "width": 160}),
        ("caption_generation", {"language": "de-DE", "engine": "transcribe"}),
        ("caption_generation", {"language": "auto", "formats": ["vtt", "srt", "ttml", "json", "txt"], "vocabulary": ["Ada"]}),
        ("download", {"sha256": "a" * 64, "max_bytes": 1}),
        ("upload", {"deliver_url": "https://bucket.s3.amazonaws.com/key?X-Amz-Signature=abc"}),
        ("analysis", {"transcript": "hello", "scene_threshold": 5}),
        ("transcoding", {"resolution": "100x100", "fit": "cover"}),
        ("transcoding", {"format": "ogg", "audio_bitrate": "64k"}),
    ],
)
def test_accepted(operation: str, params: dict[str, Any]) -> None:
    validate(params, OPERATIONS[operation].params, "params")


@pytest.mark.parametrize(
    ("operation", "params", "error"),
    [
        ("thumbnail", {"at": "1"}, "params.at must be seconds (a number), a percentage such as 25%, or best"),
        ("thumbnail", {"at": "101%"}, "params.at must be seconds"),
        ("thumbnail", {"at": "best\n"}, "params.at must be seconds"),
        ("thumbnail", {"at": -1}, "params.at must be seconds"),
        ("thumbnail", {"at": 1, "count": 2}, "params.at must be absent when count is more than 1"),
        ("thumbnail", {"fit": "cover", "width": 100}, "params.fit must be contain unless width and height are given"),
        ("thumbnail", {"sprite": True}, "params.count must be an integer from 2"),
        ("thumbnail", {"sprite": True, "count": 100, "width": 2000}, "params.width must be smaller"),
        ("thumbnail", {"format": "bmp"}, "params.format must be one of jpg, png, webp"),
        ("thumbnail", {"width": "100"}, "params.width must be an integer from 16 to 8192 pixels"),
        ("caption_generation", {"engine": "pocketsphinx"}, "params.engine must be one of whisper, transcribe"),
        (
            "caption_generation",
            {"formats": ["vtt", "vtt"]},
            "params.formats must be a list of vtt, srt, ttml, json, txt, each once",
        ),
        ("caption_generation", {"formats": []}, "params.formats must be a list of vtt"),
        ("caption_generation", {"formats": ["srt"], "format": "vtt"}, "params.formats must be absent when format is given"),
        ("caption_generation", {"language": "English"}, "params.language must be a language tag"),
        ("caption_generation", {"vocabulary": ["x" * 65]}, "params.vocabulary must be a list of at most 100 names"),
        ("caption_generation", {"engine": "transcribe", "vocabulary": ["a"]}, "params.vocabulary must be absent when engine"),
        (
            "caption_generation",
            {"engine": "transcribe", "use_taxonomy": True},
            "params.use_taxonomy must be absent when engine",
        ),
        ("caption_generation", {"language": "en; rm"}, "params.language must be a language tag"),
        (
            "caption_generation",
            {"max_duration": 2, "min_duration": 2.5},
            "params.max_duration must be longer than min_duration",
        ),
        ("download", {"sha256": "xyz"}, "params.sha256 must be 64 hexadecimal digits"),
        ("download", {"max_bytes": 1 << 60}, "params.max_bytes must be an integer from 1 to"),
        ("upload", {"deliver_url": "http://example.com/"}, "params.deliver_url must be an https URL"),
        ("upload", {"deliver_url": "https://user:pw@example.com/"}, "params.deliver_url must be an https URL"),
        ("analysis", {"silence_below": 5}, "params.silence_below must be a number of dB"),
        ("analysis", {"x": 5}, "params.x is not a parameter; it must be one of transcript"),
        ("transcoding", {"fit": "pad"}, "params.fit must be contain unless resolution is WIDTHxHEIGHT"),
        ("transcoding", {"codec": "h264 -f tee"}, "params.codec must be one of h264"),
        ("transcoding", {"resolution": "720p,movie=/etc/passwd"}, "params.resolution must be a height"),
        ("transcoding", {"bitrate": "1M\n-y"}, "params.bitrate must be a video bitrate"),
        ("transcoding", {"preset": "drawtext=textfile=/etc/passwd"}, "params.preset must be one of ultrafast"),
        ("transcoding", {"fps": float("nan")}, "params.fps must be a number"),
    ],
)
def test_refused(operation: str, params: dict[str, Any], error: str) -> None:
    with pytest.raises(BadRequest) as caught:
        validate(params, OPERATIONS[operation].params, "params")
    assert str(caught.value).startswith(error)


def test_what_is_large_or_of_unknown_size_is_no_work_for_a_lambda() -> None:
    assert pool_of("thumbnail", 1000) == "lambda"
    assert pool_of("thumbnail", LAMBDA_INPUT_MAX_BYTES + 1) == pool_of("thumbnail", None) == "container"
    assert pool_of("transcoding", 1000) == "container"


class TestPresets:
    @pytest.mark.parametrize("name", ["web-1080p", "web-720p", "mobile", "podcast"])
    def test_shipped(self, name: str) -> None:
        params = expand({"preset": name}, load_presets())
        validate(params, OPERATIONS["transcoding"].params)
        assert params["format"]

    def test_the_caller_s_own_word_wins(self) -> None:
        params = expand({"preset": "web-720p", "resolution": "480p", "bitrate": "1M"}, load_presets())
        assert (params["resolution"], params["bitrate"], params["codec"]) == ("480p", "1M", "h264")
        assert "crf" not in params
        validate(params, OPERATIONS["transcoding"].params)

    @pytest.mark.parametrize(
        "own",
        [
            {"preset": "web-720p", "format": "webm"},
            {"preset": "web-720p", "format": "mp3"},
            {"preset": "social-square", "audio_codec": "none"},
            {"preset": "social-square", "resolution": "720p"},
        ],
        ids=str,
    )
    def test_what_the_caller_s_word_makes_impossible_is_left_out(self, own: dict[str, Any]) -> None:
        params = expand(own, load_presets())
        validate(params, OPERATIONS["transcoding"].params)
        assert own.items() - {("preset", own["preset"])} <= params.items()

    def test_a_caller_s_mistake_is_told_as_theirs(self) -> None:
        with pytest.raises(BadRequest, match="fps must be"):
            validate(expand({"preset": "web-720p", "fps": 0}, load_presets()), OPERATIONS["transcoding"].params)

    def test_a_speed_is_no_preset(self) -> None:
        assert expand({"preset": "slow"}, load_presets()) == {"preset": "slow"}
        assert expand({}, load_presets()) == {}

    def test_an_unknown_name_lists_what_there_is(self) -> None:
        with pytest.raises(BadRequest, match=r"params.preset must be one of ultrafast.*web-1080p"):
            expand({"preset": "web-9000p"}, load_presets())

    def test_an_operator_s_own_file_adds_and_replaces(self, tmp_path: Path) -> None:
        (tmp_path / "own.json").write_text('{"archive": {"format": "mkv", "codec": "av1"}, "mobile": {"resolution": "360p"}}')
        presets = load_presets(tmp_path / "own.json")
        assert presets["mobile"] == {"resolution": "360p"}
        assert {"archive", "web-1080p"} <= set(presets)

    @pytest.mark.parametrize(
        ("text", "error"),
        [
            ("{", "must be JSON such as"),
            ('{"Web": {}}', "must be a name of a-z"),
            ('{"slow": {}}', "none of ultrafast"),
            ('{"mine": {"format": "exe"}}', "mine.format must be one of mp4"),
            ('{"mine": {"bitrate": "1M", "crf": 20}}', "mine.bitrate must be absent"),
        ],
    )
    def test_a_wrong_file_stops_the_start(self, tmp_path: Path, text: str, error: str) -> None:
        (tmp_path / "own.json").write_text(text)
        with pytest.raises(SettingsError) as caught:
            load_presets(tmp_path / "own.json")
        assert error in str(caught.value)
