"""Pictures of sounds: waveforms and covers, still and moving."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest

from chalicelib.errors import MediaRejected
from tests.media import run, run_ffmpeg, synthesise
from workers.encoding import visual

if TYPE_CHECKING:
    from pathlib import Path

BLUE, WHITE = (0x25, 0x63, 0xEB), (255, 255, 255)
RED, BLACK = (255, 0, 0), (0, 0, 0)
COLOURS = {"waveform_color": "#ff0000", "background_color": "#000000"}
CAPTIONS = {"captions_file_id": "7b2c0d0e-8c1f-4c1e-9a55-0d3b7d3f0c11"}
CUES = b"WEBVTT\n\n00:00.000 --> 00:01.900\nHello\n"


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of a faint tone, then a second of silence."""
    target = tmp_path_factory.mktemp("song") / "song.wav"
    run_ffmpeg("-f", "lavfi", "-i", "aevalsrc='0.01*sin(2*PI*440*t)*lt(t,1)':d=2", target)
    return target


def pixels(file: Path, number: int = 0) -> Any:
    with av.open(str(file)) as media:
        for _, frame in zip(range(number + 1), media.decode(video=0), strict=False):
            found = frame.to_ndarray(format="rgb24")
    return found


def is_near(found: Any, colour: tuple[int, int, int]) -> bool:
    return bool(np.abs(found.astype(int) - colour).max() < 40)


@pytest.mark.parametrize(
    ("params", "size", "colours"),
    [
        ({}, (320, 1280), (BLUE, WHITE)),
        ({"width": 400, "height": 100, "format": "png", **COLOURS}, (100, 400), (RED, BLACK)),
        ({"format": "webp", "waveform": True}, (320, 1280), (BLUE, WHITE)),
    ],
)
def test_a_sound_is_drawn(song: Path, tmp_path: Path, params: dict[str, Any], size: tuple[int, int], colours: Any) -> None:
    """From left to right, however faint it is."""
    done = run("thumbnail", song, tmp_path / "job", params)
    found = pixels(done.outputs[0].path)
    height, width = size
    assert found.shape[:2] == size
    assert is_near(found[height // 2, width // 4], colours[0])
    assert is_near(found[height // 4, width // 4], colours[0]), "the loudest sample nearly fills the height"
    assert is_near(found[height // 4, 3 * width // 4], colours[1]), "silence"
    assert is_near(found[2, 2], colours[1])
    assert done.result["waveform"] is True


def test_a_film_has_a_waveform_on_request(tmp_path: Path) -> None:
    film = synthesise(tmp_path / "film.mp4", seconds=1)
    assert pixels(run("thumbnail", film, tmp_path / "job", {"waveform": True}).outputs[0].path).shape == (320, 1280, 3)
    silent = synthesise(tmp_path / "silent.mp4", seconds=1, sound=False)
    with pytest.raises(MediaRejected, match=r"no sound; params\.waveform draws it"):
        run("thumbnail", silent, tmp_path / "other", {"waveform": True})


@pytest.mark.parametrize(("seconds", "rate"), [(0, 1000), (10, 8000), (36_000, 1667), (12 * 3600, 1389)])
def test_a_long_sound_is_drawn_from_fewer_samples(seconds: float, rate: int) -> None:
    from workers.media.probe import Stream

    graph = visual.still_waveform(Stream("audio", "aac"), seconds, (100, 10), ("0x000000", "0xffffff"), 0)
    assert f"aresample={rate}," in graph


def test_a_moving_waveform_is_the_picture_of_a_sound(song: Path, tmp_path: Path) -> None:
    params = {"visual": "waveform", "preset": "ultrafast", "resolution": "400x200", **COLOURS}
    done = run("transcoding", song, tmp_path / "job", params)
    loud, silent = pixels(done.outputs[0].path, 10), pixels(done.outputs[0].path, 45)
    assert loud.shape == (200, 400, 3)
    assert (loud[60:140, :, 0] > 150).mean() > 0.3
    assert (silent[60:95, :, 0] > 150).mean() < 0.05
    assert done.result["duration"] == pytest.approx(2, abs=0.1)
    assert (done.result["visual"], done.result["video_track"], done.result["audio_codec"]) == ("waveform", None, "aac")


@pytest.mark.parametrize("extra", [{}, CAPTIONS, {**CAPTIONS, "burn_in": True}])
def test_a_cover_is_shown_for_as_long_as_the_sound(tmp_path: Path, extra: dict[str, Any]) -> None:
    run_ffmpeg("-f", "lavfi", "-i", "color=red:size=100x100", "-frames:v", "1", tmp_path / "red.png")
    cover = ["-map", "0", "-map", "1", "-c:v", "copy", "-disposition:v", "attached_pic"]
    run_ffmpeg("-f", "lavfi", "-i", "sine=duration=2", "-i", tmp_path / "red.png", *cover, tmp_path / "song.mp3")
    params = {"visual": "cover", "preset": "ultrafast", "resolution": "320x180", **extra}
    done = run("transcoding", tmp_path / "song.mp3", tmp_path / "job", params, captions=CUES if extra else None)
    found = pixels(done.outputs[0].path, 5)
    assert is_near(found[90, 160], RED)
    assert is_near(found[90, 10], BLACK), "bars beside it"
    assert done.result["duration"] == pytest.approx(2, abs=0.25)
    with av.open(str(done.outputs[0].path)) as media:
        assert len(media.streams.subtitles) == (1 if extra == CAPTIONS else 0)
    if "burn_in" in extra:
        assert (found[150:175, 100:220, 1] > 100).any(), "white letters on red, whose colour has half the resolution"


@pytest.mark.parametrize("extra", [{}, CAPTIONS])
def test_a_part_of_a_stream_has_its_picture_as_cover(tmp_path: Path, extra: dict[str, Any]) -> None:
    stream = synthesise(tmp_path / "film.ts", size="160x120", seconds=5)
    params = {"visual": "cover", "preset": "ultrafast", "resolution": "160x120", "start": 3, **extra}
    done = run(
        "transcoding",
        stream,
        tmp_path / "job",
        params,
        captions=b"WEBVTT\n\n00:03.500 --> 00:04.500\nHello\n" if extra else None,
    )
    assert done.result["duration"] == pytest.approx(2, abs=0.3)
    with av.open(str(done.outputs[0].path)) as media:
        assert len(media.streams.subtitles) == len(extra)


def test_a_title_is_not_taken_for_a_volume(song: Path, tmp_path: Path) -> None:
    titled = tmp_path / "song.mka"
    run_ffmpeg("-i", song, "-metadata", "title=max_volume: . dB", titled)
    assert run("thumbnail", titled, tmp_path / "job").outputs[0].path.exists()


def test_without_a_cover_there_is_an_error(song: Path, tmp_path: Path) -> None:
    with pytest.raises(MediaRejected, match=r"no cover; use params\.visual waveform"):
        run("transcoding", song, tmp_path / "job", {"visual": "cover"})
