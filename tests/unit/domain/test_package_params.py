"""Parameters of packages, target qualities and pictures of sounds: what does not go together has a precise error."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from chalicelib.domain.params.thumbnail import ThumbnailParams
from chalicelib.domain.params.transcoding import TranscodingParams
from chalicelib.domain.presets import expand, load_presets
from chalicelib.domain.validation import validate
from chalicelib.errors import BadRequest

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"quality": "best"}, "quality must be true, false, or full: whether the output is compared"),
    ({"quality": True, "format": "mp3"}, "quality must be absent when format is mp3"),
    ({"target_vmaf": 100}, "target_vmaf must be a VMAF score from 1 to 99"),
    ({"target_vmaf": 93, "crf": 20}, "target_vmaf must be absent when crf is given"),
    ({"target_vmaf": 93, "format": "gif"}, "target_vmaf must be absent when format is gif"),
    ({"ladder": [{"height": 720}]}, "ladder must be absent unless format is hls"),
    ({"format": "hls", "ladder": []}, "ladder must be a list of 1 to 8 renditions"),
    (
        {"format": "hls", "ladder": [{"height": 720}] * 2},
        "ladder must be a list of renditions with different heights",
    ),
    ({"format": "hls", "ladder": [{"height": 100}]}, "ladder must be a list of 1 to 8 renditions"),
    (
        {"format": "hls", "ladder": [{"height": 144, "crf": 3, "bitrate": "1M"}]},
        "ladder must be a list of renditions with at most one",
    ),
    (
        {"format": "hls", "ladder": [{"height": 144, "crf": 60}]},
        "ladder must be a list of renditions whose crf is at most 51 for h264",
    ),
    (
        {"format": "hls", "ladder": [{"height": 144, "bitrate": "1k"}]},
        "ladder must be a list of renditions whose bitrate is from 50k",
    ),
    ({"format": "hls", "ladder": [{"height": 144, "name": "x"}]}, "ladder must be a list of 1 to 8 renditions"),
    ({"format": "hls", "resolution": "720p"}, "resolution must be absent when format is hls: name heights"),
    ({"format": "hls", "bitrate": "1M"}, "bitrate must be absent when format is hls: name heights"),
    ({"format": "hls", "codec": "vp9"}, "codec must be one of h264, h265, av1 when format is hls"),
    ({"format": "hls", "second_codec": "h264"}, "second_codec must be another codec than the first"),
    ({"format": "hls", "fps": 90}, "fps must be a number of frames a second from 1 to 60 when format is hls"),
    ({"format": "hls", "audio_codec": "opus"}, "audio_codec must be one of aac, none when format is hls"),
    ({"captions_file_ids": {"en": str(uuid.uuid4())}}, "captions_file_ids must be absent unless format is hls"),
    (
        {"format": "hls", "captions_file_ids": {"e\n": str(uuid.uuid4())}},
        "captions_file_ids must be an object of 1 to 20 languages",
    ),
    (
        {"format": "hls", "captions_file_ids": {"en": "x"}},
        "captions_file_ids must be an object of 1 to 20 languages",
    ),
    (
        {"visual": "waveform", "format": "mp3"},
        "visual must be absent unless format is one of mp4, mov, mkv, webm",
    ),
    ({"visual": "waveform", "audio_codec": "none"}, "visual must be absent when there is no sound"),
    ({"visual": "waveform", "quality": True}, "quality must be absent when visual is given"),
    ({"waveform_color": "#ff0000"}, "waveform_color must be absent without visual"),
    ({"visual": "waveform", "waveform_color": "red"}, "waveform_color must be a colour such as #1d4ed8"),
    (
        {"format": "hls", "codec": "av1", "second_codec": "h265", "crf": 60},
        "crf must be an integer from 0 to 51 when codecs are av1 and h265",
    ),
]


@pytest.mark.parametrize(("params", "error"), WRONG)
def test_what_does_not_go_together(params: dict[str, Any], error: str) -> None:
    with pytest.raises(BadRequest) as raised:
        validate(params, TranscodingParams, "params")
    assert str(raised.value).startswith(f"params.{error}")


@pytest.mark.parametrize(
    "params",
    [{"at": 5, "waveform": True}, {"count": 2, "waveform": True}, {"waveform_color": "#12345"}, {"background_color": "red"}],
)
def test_wrong_waveforms(params: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        validate(params, ThumbnailParams, "params")


@pytest.mark.parametrize("own", [{"target_vmaf": 93}, {"crf": 30}, {"bitrate": "1M"}])
def test_the_quality_of_a_preset_gives_way(own: dict[str, Any]) -> None:
    params = expand({"preset": "web-720p", **own}, load_presets())
    assert {name: params[name] for name in ("crf", "bitrate", "target_vmaf") if name in params} == own
    validate(params, TranscodingParams)


@pytest.mark.parametrize("name", ["web-hls", "web-hls-av1"])
def test_presets_of_packages_can_be_changed(name: str) -> None:
    params = expand({"preset": name, "target_vmaf": 90, "ladder": [{"height": 720}]}, load_presets())
    assert validate(params, TranscodingParams).format == "hls"
    assert expand({"preset": name, "format": "mp4"}, load_presets())["format"] == "mp4"
