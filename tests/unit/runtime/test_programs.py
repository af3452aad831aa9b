"""ffmpeg is inspected at start: the pinned build first, old ones rejected, missing features named."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.domain.jobs import OPERATIONS
from chalicelib.errors import AttemptFailed, SettingsError
from tests import inputs
from tests.media import make_tools, make_work, run_ffmpeg, synthesise
from workers.attempt.attempt import RUN
from workers.context import programs

if TYPE_CHECKING:
    from pathlib import Path


FAKE = """#!/bin/sh
case "$*" in
  *-version*) echo "ffmpeg version {version} Copyright" ;;
  *-encoders*) echo " V....D libx264  x" ; echo " A....D aac  x" ;;
  *-filters*) echo " ... scale V->V x" ;;
  *-muxers*) echo "  E  mp4  x" ;;
esac
"""


def fake(folder: Path, version: str) -> str:
    file = folder / "ffmpeg"
    file.write_text(FAKE.format(version=version))
    file.chmod(0o755)
    return str(file)


def test_the_pinned_one_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine has on its PATH, or in the environment of imageio-ffmpeg."""
    other = fake(tmp_path, "5.1.9")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", other)
    programs.find.cache_clear()
    try:
        assert programs.find().ffmpeg != other
        assert "imageio_ffmpeg" in programs.find().ffmpeg
        assert programs.find().missing == {}
    finally:
        programs.find.cache_clear()


def test_an_old_one_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"FFMPEG is version 5\.1\.9-0\+deb12u1; 9\.0 or later is needed"):
        programs.find(fake(tmp_path, "5.1.9-0+deb12u1"))
    with pytest.raises(SettingsError, match="FFMPEG must be the path"):
        programs.find(str(tmp_path / "missing"))
    (tmp_path / "text").write_text("no program")
    (tmp_path / "text").chmod(0o755)
    with pytest.raises(SettingsError, match="does not run"):
        programs.find(str(tmp_path / "text"))


@pytest.mark.parametrize("version", ["9.0-static", "n9.0.2-17-g2a571b6068", "N-118000-gabcdef", "git-2026-01-01"])
def test_others_are_taken_on_purpose_and_what_they_lack_is_named(tmp_path: Path, version: str) -> None:
    found = programs.find(fake(tmp_path, version))
    assert found.version == version
    assert "encoder libsvtav1" in found.missing["transcoding"]
    assert "encoder libx264" not in found.missing["transcoding"]
    assert "filter ebur128" in found.missing["analysis"]


def test_only_the_operation_that_needs_it_fails_with_its_name(tmp_path: Path) -> None:
    whole = programs.find()
    lacking = programs.Programs(whole.ffmpeg, "9.0", {**whole.has, "encoder": whole.has["encoder"] - {"libsvtav1"}})
    clip = synthesise(tmp_path / "clip.mp4", seconds=0.4)
    tools = make_tools(tmp_path, programs=lacking)
    with pytest.raises(AttemptFailed, match=r"ffmpeg of this worker \(9\.0\) has no encoder libsvtav1"):
        RUN["transcoding"](make_work("transcoding", clip, tmp_path / "av1", {"codec": "av1"}, tools=tools))
    RUN["transcoding"](make_work("transcoding", clip, tmp_path / "h264", {"preset": "ultrafast"}, tools=tools))


CAPTIONS = {"captions_file_id": "7b2c0d0e-8c1f-4c1e-9a55-0d3b7d3f0c11"}
JOBS: list[tuple[str, dict[str, Any]]] = [
    *[("transcoding", {"format": name, "preset": "ultrafast"}) for name in ("mp4", "webm", "mkv", "mov", "mp3", "m4a", "ogg", "wav", "gif")],
    ("transcoding", {"format": "hls", "preset": "ultrafast", "second_codec": "h265", "deinterlace": "on"}),
    ("transcoding", {"preset": "ultrafast", "target_vmaf": 90, "quality": True}),
    *[("transcoding", {"visual": visual, "preset": "ultrafast"}) for visual in ("waveform", "cover")],
    ("thumbnail", {"waveform": True}),
    *[("transcoding", {"codec": codec, "preset": "ultrafast"}) for codec in ("h265", "av1")],
    ("transcoding", {"resolution": "64x64", "fit": "pad", "fps": 10, "loudness": -20, "preset": "ultrafast", "deinterlace": "on"}),
    *[("transcoding", {"format": name, "preset": "ultrafast", **CAPTIONS}) for name in ("mp4", "webm", "mkv", "mov")],
    ("transcoding", {"burn_in": True, "preset": "ultrafast", **CAPTIONS}),
    ("transcoding", {"resolution": "64x64", "fit": "cover", "audio_codec": "opus", "preset": "ultrafast"}),
    *[("thumbnail", {"format": name, "deinterlace": "on"}) for name in ("jpg", "png", "webp")],
    ("thumbnail", {"count": 4, "sprite": True, "width": 32, "height": 32, "fit": "pad"}), ("analysis", {}), ("upload", {}), ("download", {}),
    ("caption_generation", {}),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "params"), JOBS)
def test_the_table_names_all_that_operations_ask_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str, params: dict[str, Any]
) -> None:
    asked: set[tuple[str, str]] = set()
    require = programs.Programs.require

    def noting(self: programs.Programs, arguments: list[str]) -> None:
        asked.update(programs.asked_for(arguments))
        require(self, arguments)

    monkeypatch.setattr(programs.Programs, "require", noting)
    notes = tmp_path / "words.srt"
    notes.write_text("1\n00:00:00,000 --> 00:00:00,400\nhello\n")
    clip = tmp_path / "clip.mkv"
    tagged = ["-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc", "-color_range", "tv"]
    picture = ["-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=0.6", "-f", "lavfi", "-i", "sine=440:d=0.6"]
    run_ffmpeg(*picture, "-i", notes, *inputs.H264, *(tagged if operation != "upload" else []), "-c:a", "aac", clip)
    captions = b"WEBVTT\n\n00:00.000 --> 00:00.400\nhello\n" if "captions_file_id" in params else None
    RUN[operation](make_work(operation, clip, tmp_path / "job", params, captions=captions))
    needs = programs.NEEDS[operation]
    assert {(kind, name) for kind, name in asked if name not in needs[kind]} == set()


def test_every_operation_is_in_the_table() -> None:
    assert set(programs.NEEDS) == set(OPERATIONS)
    assert list(programs.asked_for(["-i", "a,b", "-vf", "scale=w='min(1,2)':h=3,setsar=1", "-c:v", "copy", "-f", "mp4"])) == [
        ("filter", "scale"), ("filter", "setsar"), ("muxer", "mp4"),
    ]  # fmt: skip
