"""Transcoding for real: what is asked for is what comes out, read by PyAV and not by our own probe."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import av
import pytest

from chalicelib.errors import MediaRejected
from chalicelib.params import TranscodingParams
from chalicelib.validation import validate
from workers import ffmpeg, probe
from workers.operations import Work, transcoding

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of 640x360 at 25 frames a second, with sound and a title."""
    return synthesise(tmp_path_factory.mktemp("source") / "source.mp4", "-metadata", "title=secret place")


def synthesise(target: Path, *extra: str, size: str = "640x360", sound: bool = True) -> Path:
    tone = ["-f", "lavfi", "-i", "sine=frequency=440:duration=3"] if sound else []
    picture = ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate=25:duration=3"]
    command = [ffmpeg.executable(), "-v", "error", "-y", *picture, *tone, "-pix_fmt", "yuv420p", "-preset", "ultrafast", *extra]
    subprocess.run([*command, str(target)], check=True, stdin=subprocess.DEVNULL)
    return target


def transcode(source: Path, folder: Path, params: dict[str, Any]) -> tuple[Path, dict[str, Any], list[float]]:
    shares: list[float] = []
    work = Work(validate(params, TranscodingParams), source, folder, 60, ffmpeg.executable(), shares.append, lambda: None)
    done = transcoding.run(work)
    return done.outputs[0].path, done.result, shares


@pytest.mark.parametrize(
    ("params", "video", "audio"),
    [
        ({}, ("h264", 640, 360), "aac"),
        ({"resolution": "180p"}, ("h264", 320, 180), "aac"),
        ({"resolution": "1080p"}, ("h264", 640, 360), "aac"),  # never enlarged unless asked
        ({"resolution": "720p", "upscale": True}, ("h264", 1280, 720), "aac"),
        ({"resolution": "200x200"}, ("h264", 200, 112), "aac"),
        ({"codec": "h265", "preset": "ultrafast"}, ("hevc", 640, 360), "aac"),
        ({"codec": "av1", "preset": "ultrafast", "resolution": "144p"}, ("av1", 256, 144), "aac"),
        ({"format": "webm", "preset": "ultrafast", "resolution": "144p"}, ("vp9", 256, 144), "opus"),
        (
            {"format": "mkv", "codec": "vp9", "preset": "ultrafast", "bitrate": "300k", "audio_codec": "mp3"},
            ("vp9", 640, 360),
            "mp3",
        ),
        ({"format": "mov", "audio_codec": "none"}, ("h264", 640, 360), None),
        ({"format": "gif", "resolution": "144p"}, ("gif", 256, 144), None),
        ({"format": "mp3"}, None, "mp3"),
        ({"format": "m4a", "loudness": -14, "audio_bitrate": "96k"}, None, "aac"),
        ({"format": "wav"}, None, "pcm_s16le"),
    ],
    ids=str,
)
def test_formats(source: Path, tmp_path: Path, params: dict[str, Any], video: Any, audio: str | None) -> None:
    output, result, shares = transcode(source, tmp_path, {"preset": "veryfast", **params})
    with av.open(str(output)) as media:
        found = [(one.codec_context.codec.canonical_name, one.width, one.height) for one in media.streams.video]
        assert found == ([video] if video else [])
        assert [one.codec_context.codec.canonical_name for one in media.streams.audio] == ([audio] if audio else [])
        assert abs(media.duration / av.time_base - 3) < 0.1
    assert result["bytes"] == output.stat().st_size
    assert shares == sorted(shares)
    assert shares[-1] > 0.9


def test_trim_and_frame_rate_to_the_frame(source: Path, tmp_path: Path) -> None:
    output, result, _ = transcode(source, tmp_path, {"start": 1, "duration": 1.2, "fps": 10, "preset": "ultrafast"})
    with av.open(str(output)) as media:
        assert media.streams.video[0].average_rate == 10
        assert sum(1 for _ in media.decode(video=0)) == 12
    assert result["input_duration"] == 3


def test_metadata_goes_when_asked(source: Path, tmp_path: Path) -> None:
    for strip, title in ((False, "secret place"), (True, None)):
        folder = tmp_path / str(strip)
        folder.mkdir()
        output, _, _ = transcode(source, folder, {"strip_metadata": strip, "preset": "ultrafast"})
        with av.open(str(output)) as media:
            assert media.metadata.get("title") == title


def test_a_portrait_picture_is_measured_by_its_width(tmp_path: Path) -> None:
    output, _, _ = transcode(synthesise(tmp_path / "p.mp4", size="360x640"), tmp_path, {"resolution": "180p"})
    with av.open(str(output)) as media:
        assert (media.streams.video[0].width, media.streams.video[0].height) == (180, 320)


def test_odd_sides_become_even(tmp_path: Path) -> None:
    odd = synthesise(tmp_path / "odd.mkv", "-c:v", "ffv1", size="321x179")
    output, _, _ = transcode(odd, tmp_path, {"preset": "ultrafast"})
    with av.open(str(output)) as media:
        assert media.streams.video[0].width % 2 == media.streams.video[0].height % 2 == 0


def test_no_sound_where_only_sound_is_asked_for(tmp_path: Path) -> None:
    silent = synthesise(tmp_path / "silent.mp4", sound=False)
    with pytest.raises(MediaRejected, match="The input has no sound"):
        transcode(silent, tmp_path, {"format": "mp3"})
    assert transcode(silent, tmp_path, {"preset": "ultrafast"})[1].get("audio_codec") is None


def test_a_start_beyond_the_end(source: Path, tmp_path: Path) -> None:
    with pytest.raises(MediaRejected, match=r"params.start is 10 s, but the input is 3 s long"):
        transcode(source, tmp_path, {"start": 10})


class TestHostile:
    """Files that are not what they are called: nothing but the file itself is opened."""

    @pytest.mark.parametrize(
        "text",
        [
            "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10.0,\nfile://{secret}\n#EXT-X-ENDLIST\n",
            "ffconcat version 1.0\nfile '{secret}'\n",
            "ffconcat version 1.0\nfile secret.mp4\n",
            "<svg xmlns='http://www.w3.org/2000/svg'><image href='file://{secret}'/></svg>",
            "",
            "PK\x03\x04 not a film",
            "\x7fELF not a film",
        ],
        ids=["hls", "concat", "concat relative", "svg", "empty", "zip", "elf"],
    )
    def test_disguises(self, source: Path, tmp_path: Path, text: str) -> None:
        (tmp_path / "secret.mp4").write_bytes(source.read_bytes())
        (tmp_path / "clip.mp4").write_text(text.format(secret=tmp_path / "secret.mp4"))
        with pytest.raises(MediaRejected, match="not a media file that can be read"):
            transcode(tmp_path / "clip.mp4", tmp_path, {})

    def test_ffmpeg_itself_refuses_them_too(self, source: Path, tmp_path: Path) -> None:
        """Were the probe to be fooled, the white-lists of ffmpeg would still hold."""
        from workers import sandbox

        (tmp_path / "clip.mp4").write_text(f"ffconcat version 1.0\nfile '{source}'\n")
        with pytest.raises(MediaRejected):
            ffmpeg.run(
                [*ffmpeg.input_arguments(tmp_path / "clip.mp4"), "-f", "null", "-"],
                program=ffmpeg.executable(), folder=tmp_path, limits=sandbox.Limits(seconds=30), seconds=1,
                on_progress=lambda share: None, check=lambda: None,
            )  # fmt: skip

    @pytest.mark.parametrize("name", ["-y.mp4", "a;rm -rf b.mp4", "100%d.mp4", "new\nline.mp4", "ü" * 60 + ".mp4"])
    def test_names(self, source: Path, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_bytes(source.read_bytes())
        assert probe.probe(tmp_path / name).first("video")

    def test_a_truncated_file(self, source: Path, tmp_path: Path) -> None:
        (tmp_path / "cut.mp4").write_bytes(source.read_bytes()[:2000])
        with pytest.raises(MediaRejected):
            transcode(tmp_path / "cut.mp4", tmp_path, {})

    def test_a_module_in_the_job_s_folder_is_not_imported(self, source: Path, tmp_path: Path) -> None:
        (tmp_path / "av.py").write_text("raise SystemExit('taken over')")
        (tmp_path / "clip.mp4").write_bytes(source.read_bytes())
        assert probe.probe(tmp_path / "clip.mp4").first("audio")
