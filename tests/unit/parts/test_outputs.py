"""The output of a film in parts is that of one pass: sound, captions, tags, chapters, quality and size."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import av
import pytest

from tests.media import make_work, run_ffmpeg
from tests.sampling import sampled
from tests.unit.parts.films import FILMS
from tests.unit.parts.team import Alone
from tests.unit.streaming import rules
from workers.attempt.attempt import RUN
from workers.parts import join

if TYPE_CHECKING:
    from pathlib import Path

    from workers.context.work import Done

SOUNDS = [
    (form, kind)
    for form in ("mp4", "mkv", "webm", "mov")
    for kind in ("edit list", "late sound", "starts later", "negative times")
]
CAPTIONS = b"WEBVTT\n\n00:01.000 --> 00:03.500\nFirst\n\n00:04.000 --> 00:07.500\nSecond\n"


def both(source: Path, folder: Path, params: dict[str, Any], parts_wanted: int = 4, **given: Any) -> tuple[Done, Done]:
    """The job in one pass and in parts."""
    whole = RUN["transcoding"](make_work("transcoding", source, folder / "whole", params, **given))
    work = replace(make_work("transcoding", source, folder / "parts", params, **given), team=Alone(parts_wanted))
    done = RUN["transcoding"](work)
    assert done.result["parts"]["count"] > 1, done.result["parts"]
    return whole, done


def heard(file: Path) -> tuple[Any, str]:
    """The first time of the sound, and its samples."""
    with av.open(str(file)) as opened:
        frames = list(opened.decode(audio=0))
    data = hashlib.sha256(b"".join(one.to_ndarray().tobytes() for one in frames)).hexdigest()
    return frames[0].pts * frames[0].time_base, data


def shown(file: Path) -> list[Any]:
    with av.open(str(file)) as opened:
        return [one.pts * one.time_base for one in opened.decode(video=0)]


@pytest.mark.parametrize(("form", "kind"), sampled(SOUNDS, lambda case: case[0] == "mp4"))
def test_the_sound_is_the_same_to_the_sample(form: str, kind: str, tmp_path: Path) -> None:
    source = FILMS[kind](tmp_path)
    params = {"format": form, "preset": "ultrafast", "resolution": "144p"}
    whole, parts = both(source, tmp_path, params)
    one, other = whole.outputs[0].path, parts.outputs[0].path
    assert heard(other) == heard(one)
    assert shown(other) == shown(one)
    assert parts.result["duration"] == whole.result["duration"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short film with sound."""
    target = tmp_path_factory.mktemp("films") / "clip.mp4"
    picture = ["-f", "lavfi", "-i", "testsrc2=s=256x144:r=25:d=12", "-f", "lavfi", "-i", "sine=duration=12"]
    run_ffmpeg(*picture, "-vf", "noise=alls=8:allf=t", "-c:v", "libx264", "-preset", "ultrafast", "-g", "25", target)
    return target


HEVC = {"format": "mp4", "codec": "h265"}
ENCODERS: dict[str, dict[str, Any]] = {
    "h264": {"format": "mp4"},
    "h265": HEVC,
    "h265 mkv": {"format": "mkv", "codec": "h265"},
    "av1": {"format": "mp4", "codec": "av1"},
    "vp9": {"format": "webm"},
    "mov": {"format": "mov"},
}


@pytest.fixture(scope="module")
def zoom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film with detail and motion, and sound.

    Its length is no multiple of 6.44 s, after which the AV1 encoder begins a new group: a last group of a few frames costs as
    much as a second of film, and the parts may not have it.
    """
    target = tmp_path_factory.mktemp("films") / "zoom.mp4"
    picture = ["-f", "lavfi", "-i", "mandelbrot=s=256x144:r=25:end_scale=0.02", "-f", "lavfi", "-i", "sine=duration=24"]
    run_ffmpeg(*picture, "-t", "24", "-c:v", "libx264", "-crf", "12", "-preset", "fast", "-g", "50", target)
    return target


@pytest.mark.parametrize("name", sampled(ENCODERS, lambda name: name == "h264"))
def test_frames_quality_and_size_are_those_of_one_pass(name: str, tmp_path: Path, zoom: Path) -> None:
    whole, parts = both(zoom, tmp_path, {"preset": "fast", "quality": "full", "deinterlace": "off", **ENCODERS[name]}, 2)
    assert shown(parts.outputs[0].path) == shown(whole.outputs[0].path)
    one, other = (done.result["quality"]["vmaf"]["mean"] for done in (whole, parts))
    assert other == pytest.approx(one, abs=0.1)
    assert parts.result["bytes"] == pytest.approx(whole.result["bytes"], rel=0.01)


OPTIONS: dict[str, dict[str, Any]] = {
    "captions": {"captions_file_id": "7b2c0d0e-8c1f-4c1e-9a55-0d3b7d3f0c11", "captions_language": "de"},
    "burned in": {"captions_file_id": "7b2c0d0e-8c1f-4c1e-9a55-0d3b7d3f0c11", "burn_in": True},
    "a part": {"start": 2.2, "duration": 7.1},
    "a part with captions": {"start": 2.2, "duration": 7.1, "captions_file_id": "7b2c0d0e-8c1f-4c1e-9a55-0d3b7d3f0c11"},
    "stripped": {"strip_metadata": True},
    "loudness": {"loudness": -20},
    "frame rate": {"fps": 30},
    "target": {"target_vmaf": 85},
    "no sound": {"audio_codec": "none"},
}
"""Options -> parameters."""
QUICK = ("captions", "a part with captions", "loudness", "burned in")


def tags(found: dict[str, str]) -> dict[str, str]:
    """All but the name of the encoder."""
    return {name: value for name, value in found.items() if name.lower() != "encoder"}


def content(file: Path) -> dict[str, Any]:
    """What a player sees of a file, without its picture and sound."""
    with av.open(str(file)) as opened:
        streams = [(one.type, one.codec_context and one.codec_context.name, tags(one.metadata)) for one in opened.streams]
        cues = [(one.pts, bytes(one)) for one in opened.demux(*opened.streams.subtitles)] if opened.streams.subtitles else []
        chapters = [(float(one["start"] * one["time_base"]), one["metadata"]) for one in opened.chapters()]
        return {"streams": streams, "tags": tags(opened.metadata), "chapters": chapters, "cues": cues}


@pytest.mark.parametrize("option", sampled(OPTIONS, lambda option: option in QUICK))
def test_every_option_works_in_parts(option: str, tmp_path: Path, clip: Path) -> None:
    chapters = tmp_path / "chapters.txt"
    chapters.write_text(
        ";FFMETADATA1\ntitle=A zoom\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=4000\ntitle=Out\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=4000\nEND=12000\ntitle=In\n"
    )
    source = tmp_path / "film.mp4"
    run_ffmpeg("-i", clip, "-i", chapters, "-map_metadata", "1", "-map_chapters", "1", "-c", "copy", source)
    params = {"preset": "ultrafast", "resolution": "144p", **OPTIONS[option]}
    whole, parts = both(source, tmp_path, params, captions=CAPTIONS if "captions_file_id" in params else None)
    one, other = whole.outputs[0].path, parts.outputs[0].path
    assert content(other) == content(one)
    assert shown(other) == shown(one)
    if params.get("audio_codec") != "none":
        assert heard(other) == heard(one)
    varying = ("parts", "bytes", "seconds", "speed", "target_vmaf")
    assert {k: v for k, v in parts.result.items() if k not in varying} == {
        k: v for k, v in whole.result.items() if k not in varying
    }


PACKAGES: list[dict[str, Any]] = [{}, {"second_codec": "h265", "fps": 20}, {"start": 1.5, "duration": 8}]


@pytest.mark.parametrize("params", sampled(PACKAGES, bool), ids=str)
def test_packages_in_parts_are_those_of_one_pass(params: dict[str, Any], tmp_path: Path, clip: Path) -> None:
    ladder = [{"height": 144}]
    whole, parts = both(clip, tmp_path, {"format": "hls", "preset": "ultrafast", "ladder": ladder, **params})
    one, other = rules.check(whole), rules.check(parts)
    for picture in one.pictures:
        film = picture.uri.replace("m3u8", "mp4")
        assert shown(other.folder / film) == shown(one.folder / film)
        times = [segment.duration for segment in one.playlist(picture.uri).segments]
        assert [segment.duration for segment in other.playlist(picture.uri).segments] == times
    for name in ("sound-1.mp4", "thumbnails.jpg"):
        assert (other.folder / name).read_bytes() == (one.folder / name).read_bytes()


@pytest.mark.parametrize("form", ["mp4", "hls"])
def test_a_frame_that_is_missing_makes_the_film_run_whole(
    form: str, tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No such input is known. If there is one, nothing is lost silently."""
    really = join.run
    monkeypatch.setattr(join, "run", lambda *given: [one._replace(frames=one.frames - 1) for one in really(*given)])
    params = {"format": form, "preset": "ultrafast", "thumbnails": False}
    work = replace(make_work("transcoding", clip, tmp_path / "job", params), team=Alone())
    done = RUN["transcoding"](work)
    assert done.result["parts"] == {"count": 1, "reason": "The film has 300 frames, and its parts 299"}
    film = next(one.path for one in done.outputs if one.path.suffix == ".mp4")
    assert len(shown(film)) == 300


@pytest.mark.parametrize(
    ("params", "from_seconds", "reason"),
    [
        ({}, 60.0, None),
        ({"parts": False}, 0.001, None),
        ({"format": "hls", "parts": False}, 0.001, None),
        ({"bitrate": "500k"}, 0.001, "A bit rate is kept over the whole film"),
        ({"format": "gif"}, 0.001, None),
        ({"format": "mp3"}, 0.001, None),
    ],
    ids=str,
)
def test_what_runs_whole_asks_no_team(
    params: dict[str, Any], from_seconds: float, reason: str | None, tmp_path: Path, clip: Path
) -> None:
    """And says why only if it is long enough to be split."""
    team = Alone()
    team.from_seconds = from_seconds
    given = {"duration": 1, **({} if params.get("format") in ("gif", "mp3") else {"preset": "ultrafast"}), **params}
    done = RUN["transcoding"](replace(make_work("transcoding", clip, tmp_path / "job", given), team=team))
    assert not team.used
    assert done.result.get("parts") == (reason and {"count": 1, "reason": reason})
