"""Interlaced films: detected, deinterlaced, and compared with their progressive source."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests import inputs
from tests.media import make_work, run, run_ffmpeg, synthesise
from tests.sampling import sampled
from workers.attempt.attempt import RUN
from workers.context import programs
from workers.media import interlacing, probe

if TYPE_CHECKING:
    from pathlib import Path

FAST = {"preset": "ultrafast", "crf": 10}


def idet(file: Path) -> dict[str, int]:
    """Count frames as ffmpeg's own filter sees them."""
    command = [programs.find().ffmpeg, "-i", str(file), "-vf", "idet=intl_thres=1.3", "-f", "null", "-"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    line = re.findall(r"Multi frame detection: TFF: *(\d+) BFF: *(\d+) Progressive: *(\d+)", said)[-1]
    return dict(zip(("tff", "bff", "progressive"), map(int, line), strict=True))


def ssim(file: Path, every_second_of_fifty: str) -> float:
    """Compare a film of 25 frames a second with every second frame of the film that its fields came from."""
    graph = "[1:v]select='not(mod(n,2))',setpts=N/25/TB[o];[0:v]setpts=N/25/TB[m];[m][o]ssim"
    command = [
        programs.find().ffmpeg,
        "-i",
        str(file),
        "-f",
        "lavfi",
        "-i",
        every_second_of_fifty,
        "-lavfi",
        graph,
        "-f",
        "null",
        "-",
    ]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    return float(re.findall(r"All:([0-9.]+)", said)[-1])


@pytest.mark.parametrize(
    ("recipe", "found"),
    [
        ("interlaced.mpg", "top"), ("bottom_first.mpg", "bottom"), ("marked_progressive.mp4", "top"),
        ("marked_interlaced.mpg", "progressive"),
    ],
)  # fmt: skip
def test_frames_are_believed(tmp_path: Path, recipe: str, found: str) -> None:
    file = tmp_path / recipe
    inputs.RECIPES[recipe](file)
    media = probe.probe(file, decode=True)
    picture = media.track("video")
    assert picture is not None
    assert interlacing.detect(file, media, picture) == found
    assert run("analysis", file, tmp_path / "job").result["video"]["field_order"] == found


@pytest.mark.parametrize(
    "source",
    sampled(
        ["testsrc2", "testsrc", "mandelbrot", "life", "smptebars", "color=red"], lambda source: source in ("testsrc2", "life")
    ),
)
def test_progressive_films_are_left_alone(tmp_path: Path, source: str) -> None:
    file = tmp_path / "clip.mp4"
    size = "=" if "=" not in source else ":"
    run_ffmpeg("-f", "lavfi", "-i", f"{source}{size}size=320x240:rate=25", "-t", "2", *inputs.H264, file)
    done = run("transcoding", file, tmp_path / "job", FAST)
    assert "deinterlaced" not in done.result


@pytest.mark.parametrize("first", sampled(["top", "bottom"], lambda first: first == "top"))
def test_combs_are_gone(tmp_path: Path, first: str) -> None:
    inputs.interlaced(tmp_path / "film.mpg", first)
    made = {
        how: run("transcoding", tmp_path / "film.mpg", tmp_path / how, {**FAST, "deinterlace": how})
        for how in ("auto", "on", "off")
    }
    likeness = {how: ssim(done.outputs[0].path, inputs.FIFTY) for how, done in made.items()}
    assert made["auto"].result["deinterlaced"] == made["on"].result["deinterlaced"] == first
    assert likeness["auto"] > likeness["off"] + 0.01
    assert likeness["auto"] == pytest.approx(likeness["on"], abs=0.01)
    before, after = idet(made["off"].outputs[0].path), idet(made["auto"].outputs[0].path)
    assert before["tff" if first == "top" else "bff"] > 60
    assert after["tff"] + after["bff"] < 25
    media = probe.probe(made["auto"].outputs[0].path)
    assert [one.field_order for one in media.streams] == ["progressive"]


def test_a_mark_that_is_wrong_is_taken_off(tmp_path: Path) -> None:
    inputs.marked_interlaced(tmp_path / "film.mpg")
    done = run("transcoding", tmp_path / "film.mpg", tmp_path / "job", FAST)
    assert probe.probe(done.outputs[0].path).streams[0].field_order == "progressive"
    command = [
        programs.find().ffmpeg,
        "-i",
        str(done.outputs[0].path),
        "-i",
        str(tmp_path / "film.mpg"),
        "-lavfi",
        "ssim",
        "-f",
        "null",
        "-",
    ]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    assert float(re.findall(r"All:([0-9.]+)", said)[-1]) > 0.97


def test_every_field_becomes_a_frame_when_that_is_asked_for(tmp_path: Path) -> None:
    inputs.interlaced(tmp_path / "film.mpg")
    done = run("transcoding", tmp_path / "film.mpg", tmp_path / "job", {**FAST, "fps": 50})
    assert done.result["fps"] == pytest.approx(50, abs=0.5)
    graph = "[0:v]setpts=N/50/TB[m];[1:v]setpts=N/50/TB[o];[m][o]ssim"
    command = [
        programs.find().ffmpeg,
        "-i",
        str(done.outputs[0].path),
        "-f",
        "lavfi",
        "-i",
        inputs.FIFTY,
        "-lavfi",
        graph,
        "-f",
        "null",
        "-",
    ]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    assert float(re.findall(r"All:([0-9.]+)", said)[-1]) > 0.85


@pytest.mark.parametrize(
    "params",
    sampled([{"at": 1.0}, {"count": 4, "sprite": True, "width": 640}], lambda params: "at" in params),
    ids=["one", "sprite sheet"],
)
def test_pictures_have_no_combs(tmp_path: Path, params: dict[str, object]) -> None:
    """Combs are what remains when a picture is blurred from line to line."""
    inputs.interlaced(tmp_path / "film.mpg")

    def combs(how: str) -> float:
        work = make_work("thumbnail", tmp_path / "film.mpg", tmp_path / how, {"format": "png", "deinterlace": how, **params})
        picture = RUN["thumbnail"](work).outputs[0].path
        lines = "format=gray,convolution=0m=0 -1 0 0 2 0 0 -1 0:0rdiv=1,signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-"
        command = [programs.find().ffmpeg, "-v", "error", "-i", str(picture), "-vf", lines, "-f", "null", "-"]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return float(re.findall(r"YAVG=([0-9.]+)", said)[0])

    assert combs("auto") < combs("off") * 0.8


def test_the_decision() -> None:
    def seen(*frames: tuple[str, int, float]) -> list[interlacing.FieldOrder]:
        return [interlacing.FieldOrder(order, weight) for order, count, weight in frames for _ in range(count)]

    assert interlacing.decide([]) == interlacing.decide(seen(("top", 5, 1))) == ""
    assert interlacing.decide(seen(("progressive", 9, 1), ("top", 1, 1))) == "progressive"
    assert interlacing.decide(seen(("progressive", 6, 1), ("top", 4, 1))) == "top"  # two frames in five of a telecined film
    assert interlacing.decide(seen(("bottom", 5, 1), ("top", 1, 1))) == "bottom"
    assert interlacing.decide(seen(("progressive", 8, 48), ("bottom", 4, 1.2))) == "progressive"  # chance, in noise
    assert interlacing.classify(5, 5, 5) is interlacing.classify(0, 0, 0) is None
    assert interlacing.classify(2, 4, 4.2) == ("progressive", pytest.approx(2.2))
    assert interlacing.classify(2, 2.1, 4.2) == ("top", pytest.approx(2.2))
    assert interlacing.classify(2, 4.2, 2.1) == ("bottom", pytest.approx(2.2))


def test_a_film_of_one_frame_is_no_trouble(tmp_path: Path) -> None:
    file = synthesise(tmp_path / "one.mp4", "-frames:v", "1", sound=False)
    assert "deinterlaced" not in run("transcoding", file, tmp_path / "job", FAST).result
