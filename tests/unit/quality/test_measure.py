"""Quality: the output is compared with the input as it was meant to look, frame by frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.errors import MediaRejected
from tests.media import make_work, run, run_ffmpeg, synthesise
from workers.encoding.video import Quality
from workers.media import ffmpeg
from workers.operations import transcoding
from workers.quality import check, measure
from workers.streaming import targets
from workers.streaming.ladder import Rendition

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {"crf": 10, "preset": "ultrafast", "quality": True}
CAPTIONS = {"captions_file_id": "7b2c0d0e-8c1f-4c1e-9a55-0d3b7d3f0c11", "burn_in": True}
CUES = b"WEBVTT\n\n00:00.000 --> 00:03.000\nHello there\n"


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film in which every frame differs from the next."""
    return synthesise(tmp_path_factory.mktemp("film") / "film.mp4", size="320x240", seconds=3)


def hdr(target: Path) -> Path:
    tagged = ["-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc", "-color_range", "tv"]
    picture = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=2", "-pix_fmt", "yuv420p10le"]
    run_ffmpeg(*picture, *tagged, "-c:v", "libx265", "-x265-params", "log-level=none", "-preset", "ultrafast", target)
    return target


def interlaced(target: Path) -> Path:
    lined = ["-vf", "tinterlace=interleave_top,fieldorder=tff", "-flags", "+ilme+ildct", "-c:v", "mpeg2video", "-b:v", "8M"]
    run_ffmpeg("-f", "lavfi", "-i", "testsrc2=size=352x288:rate=50:duration=3", *lined, target)
    return target


def variable(target: Path) -> Path:
    times = ["-vf", "setpts='(N+0.4*mod(N,3))/25/TB'", "-fps_mode", "vfr"]
    return synthesise(target, *times, size="320x240", seconds=3)


def stream(target: Path) -> Path:
    return synthesise(target, size="320x240", seconds=4)


def turned(target: Path) -> Path:
    flat = synthesise(target.with_name("flat.mp4"), size="320x240", seconds=2)
    run_ffmpeg("-display_rotation", "90", "-i", flat, "-c", "copy", target)
    return target


CASES: list[tuple[Any, dict[str, Any]]] = [
    ("film.mp4", {}),
    ("film.mp4", {"resolution": "144p"}),
    ("film.mp4", {"start": 1.23, "duration": 1.1}),
    ("film.mp4", {"fps": 10}),
    ("film.mp4", {"resolution": "100x200", "fit": "pad"}),
    ("film.mp4", {"format": "webm", "crf": 10}),
    ("film.mp4", {"format": "mkv", "codec": "h265", "crf": 10}),
    ("film.mp4", CAPTIONS),
    (hdr, {}),
    (interlaced, {}),
    (variable, {}),
    (turned, {}),
    (stream, {"start": 1.23, "duration": 1.1}),
]
SUFFIXES = {interlaced: "mpg", stream: "ts", variable: "mkv"}


@pytest.mark.parametrize(("make", "params"), CASES)
def test_a_good_output_has_a_good_score(moving: Path, tmp_path: Path, make: Any, params: dict[str, Any]) -> None:
    """A score this high needs the same frames: scaled, cut, turned, deinterlaced and mapped like the output's."""
    file = moving if isinstance(make, str) else make(tmp_path / f"film.{SUFFIXES.get(make, 'mp4')}")
    done = run("transcoding", file, tmp_path / "job", {**GOOD, **params}, captions=CUES if params is CAPTIONS else None)
    quality = done.result["quality"]
    assert quality["vmaf"]["mean"] > 93
    assert quality["vmaf"]["lowest"] <= quality["vmaf"]["harmonic_mean"] <= quality["vmaf"]["mean"]
    assert quality["ssim"] > 0.97
    assert quality["xpsnr"]["y"] > 35
    assert quality["model"] == "vmaf_v0.6.1"
    assert quality["seconds"] > 0


def test_another_frame_has_a_bad_score(moving: Path, tmp_path: Path) -> None:
    """So that the cases above can fail."""
    made = run("transcoding", moving, tmp_path / "job", {"crf": 10, "preset": "ultrafast"}).outputs[0].path
    work = make_work("transcoding", moving, tmp_path / "other")
    late = measure.Reference(ffmpeg.input_arguments(work.input), 0, ["trim=start_frame=2"])
    assert measure.compare(work, late, made, 240, fps=25, seconds=3).mean < 85


def test_a_sample_looks_at_every_fifth_frame(moving: Path, tmp_path: Path) -> None:
    sample = run("transcoding", moving, tmp_path / "sample", GOOD).result["quality"]
    full = run("transcoding", moving, tmp_path / "full", {**GOOD, "quality": "full"}).result["quality"]
    assert (sample["frames"], sample["every"]) == (15, 5)
    assert (full["frames"], full["every"]) == (75, 1)
    assert sample["vmaf"]["mean"] == pytest.approx(full["vmaf"]["mean"], abs=1)
    assert 10 <= len(full["curve"]) <= 101
    assert full["curve"][0][0] == 0
    assert min(value for _, value in full["curve"]) == pytest.approx(full["vmaf"]["lowest"], abs=0.01)


def test_a_worse_output_has_a_worse_score(moving: Path, tmp_path: Path) -> None:
    scores = [
        run("transcoding", moving, tmp_path / f"crf-{crf}", {**GOOD, "crf": crf}).result["quality"] for crf in (10, 32, 48)
    ]
    for name in ("mean", "lowest"):
        assert scores[0]["vmaf"][name] > scores[1]["vmaf"][name] > scores[2]["vmaf"][name]
    assert scores[0]["ssim"] > scores[1]["ssim"] > scores[2]["ssim"]
    assert scores[0]["xpsnr"]["y"] > scores[1]["xpsnr"]["y"] > scores[2]["xpsnr"]["y"]


def test_the_model_follows_the_size(tmp_path: Path) -> None:
    film = synthesise(tmp_path / "film.mp4", size="3840x2160", seconds=0.2)
    work = make_work("transcoding", film, tmp_path / "job")
    reference = measure.Reference(ffmpeg.input_arguments(work.input), 0, [])
    assert measure.compare(work, reference, work.input, 2160, fps=25, seconds=0.2).model == "vmaf_4k_v0.6.1"


def test_an_identical_film_has_no_noise(moving: Path, tmp_path: Path) -> None:
    work = make_work("transcoding", moving, tmp_path / "job")
    reference = measure.Reference(ffmpeg.input_arguments(work.input), 0, [])
    score = measure.compare(work, reference, work.input, 240, fps=25, seconds=3)
    assert score.xpsnr == (None, None, None)  # infinite, which JSON does not have
    assert score.ssim == 1


def test_renditions_of_a_package_have_their_own_scores(moving: Path, tmp_path: Path) -> None:
    ladder = [{"height": 240, "crf": 20}, {"height": 144, "crf": 40}]
    done = run(
        "transcoding", moving, tmp_path / "job", {"format": "hls", "preset": "ultrafast", "quality": True, "ladder": ladder}
    )
    good, bad = (one["quality"]["vmaf"]["mean"] for one in done.result["renditions"])
    assert good > 85 > bad


@pytest.mark.parametrize("params", [{"quality": True}, {"target_vmaf": 80}])
def test_a_tiny_picture_has_a_clear_error(tmp_path: Path, params: dict[str, Any]) -> None:
    film = synthesise(tmp_path / "film.mkv", size="64x16", seconds=1)
    with pytest.raises(MediaRejected, match="a side of 16 pixels cannot be measured; 32 are needed"):
        run("transcoding", film, tmp_path / "job", params)


@pytest.mark.parametrize("seconds", [0.04, 0.2, 1])
def test_a_very_short_film_has_a_target(tmp_path: Path, seconds: float) -> None:
    film = synthesise(tmp_path / "film.mp4", size="128x72", seconds=seconds)
    result = run("transcoding", film, tmp_path / "job", {"target_vmaf": 80, "preset": "ultrafast"}).result
    assert result["target_vmaf"]["probes"]


def test_a_missed_target_is_a_warning(moving: Path, tmp_path: Path) -> None:
    from workers.quality.search import Found, Probe

    work = make_work("transcoding", moving, tmp_path / "job")
    found = Found(22.5, 93.1, [Probe(22.5, 93.1, 1000)])
    assert check.reached(work, found, 93, 92.5) == {
        "target": 93, "crf": 22.5, "predicted": 93.1, "reached": 92.5, "probes": [{"crf": 22.5, "vmaf": 93.1, "bitrate": 1000}],
    }  # fmt: skip
    assert work.warnings.items == []
    check.reached(work, found, 93, 91.2)
    assert [one.code for one in work.warnings.items] == ["target_missed"]


def test_a_target_is_aimed_at(tmp_path: Path) -> None:
    film = synthesise(tmp_path / "film.mp4", "-crf", "10", size="320x240", seconds=12)
    for target in (80, 93):
        work = make_work("transcoding", film, tmp_path / f"job-{target}", {"preset": "veryfast", "target_vmaf": target})
        result = transcoding.run(work).result["target_vmaf"]
        assert result["reached"] == pytest.approx(target, abs=2)
        assert result["predicted"] == pytest.approx(target, abs=0.5)
        assert 1 <= len(result["probes"]) <= 6
        assert not list(work.folder.glob("probe*")) + list(work.folder.glob("samples*"))


def test_a_title_is_not_taken_for_a_measurement(tmp_path: Path) -> None:
    """ffmpeg prints the tags of a file too."""
    for number, text in enumerate(
        ("XPSNR  y: a  u: b  v: c", "[Parsed_xpsnr_1 @ 0x1] [info] XPSNR  y: 99.0  u: 99.0  v: 99.0")
    ):
        film = synthesise(tmp_path / "film.mp4", "-metadata", f"title=x\n{text}", size="160x120", seconds=1)
        quality = run(
            "transcoding", film, tmp_path / f"job-{number}", {"crf": 30, "preset": "ultrafast", "quality": True}
        ).result["quality"]
        assert 20 < quality["xpsnr"]["y"] < 60


@pytest.mark.parametrize("params", [{"target_vmaf": 80}, {"format": "hls", "target_vmaf": 80, "thumbnails": False}])
def test_a_target_in_a_part_of_a_stream(tmp_path: Path, params: dict[str, Any]) -> None:
    film = synthesise(tmp_path / "film.ts", size="160x120", seconds=6)
    result = run("transcoding", film, tmp_path / "job", {"preset": "ultrafast", "start": 4, **params}).result
    found = result["renditions"][0]["target_vmaf"] if "renditions" in result else result["target_vmaf"]
    assert found["reached"] == pytest.approx(80, abs=8)


@pytest.mark.parametrize(
    ("looks", "kept"),
    [
        ((95, 93.5, 92, 90.5, 89), [1080, 480, 240]),
        ((95, 95, 95, 95, 95), [240]),
        ((95, 90, 80, 70, 60), [1080, 720, 480, 360, 240]),
        ((95, 94, 80, 79, 60), [720, 360, 240]),
    ],
)
def test_a_rendition_is_compared_with_one_that_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looks: Any, kept: list[int]
) -> None:
    heights = (1080, 720, 480, 360, 240)
    seen = dict(zip(heights, looks, strict=True))
    monkeypatch.setattr(targets, "_look_enlarged", lambda work, one, largest: seen[one.height])
    renditions = [Rendition("h264", height, Quality(23)) for height in heights]
    left_out = [one["name"] for one in targets._without_gain(None, renditions, None)]  # type: ignore[arg-type]
    assert [height for height in heights if f"h264-{height}" not in left_out] == kept


def test_renditions_that_bring_no_quality_are_left_out(tmp_path: Path) -> None:
    """A film that was enlarged from a small one looks the same in half the size."""
    blurred = ["-vf", "scale=40:22,scale=640:360:flags=bicubic"]
    film = synthesise(tmp_path / "film.mp4", *blurred, "-crf", "10", size="640x360", seconds=20, rate=10, sound=False)
    done = run(
        "transcoding", film, tmp_path / "job", {"format": "hls", "preset": "veryfast", "target_vmaf": 90, "thumbnails": False}
    )
    assert done.result["left_out"] == [{"name": "h264-360", "gain": done.result["left_out"][0]["gain"], "over": "h264-240"}]
    assert done.result["left_out"][0]["gain"] < 2
    assert [one["name"] for one in done.result["renditions"]] == ["h264-240"]
    assert not (tmp_path / "job" / "out" / "h264-360.mp4").exists()


def test_a_named_ladder_is_kept_whole(tmp_path: Path) -> None:
    blurred = ["-vf", "scale=96:54,scale=640:360:flags=bicubic"]
    film = synthesise(tmp_path / "film.mp4", *blurred, size="640x360", seconds=6, sound=False)
    ladder = [{"height": 360, "target_vmaf": 85}, {"height": 240}]
    done = run(
        "transcoding", film, tmp_path / "job", {"format": "hls", "preset": "ultrafast", "ladder": ladder, "thumbnails": False}
    )
    first, second = done.result["renditions"]
    assert first["target_vmaf"]["target"] == 85
    assert "target_vmaf" not in second
    assert "left_out" not in done.result


@pytest.mark.parametrize("params", [{}, {"format": "hls", "thumbnails": False}])
def test_progress_grows_through_search_encoding_and_comparison(tmp_path: Path, params: dict[str, Any]) -> None:
    film = synthesise(tmp_path / "film.mp4", size="160x120", seconds=8)
    shares: list[float] = []
    run("transcoding", film, tmp_path / "job", {"preset": "ultrafast", "target_vmaf": 80, **params}, progress=shares.append)
    highest = [max(shares[: number + 1]) for number in range(len(shares))]
    for low, high in ((0.01, 0.35), (0.36, 0.75), (0.76, 1.0)):
        assert any(low <= one <= high for one in highest), (low, high)
    assert 0.95 <= max(shares) <= 1
