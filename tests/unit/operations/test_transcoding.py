"""`transcoding`: the output has what was requested, read by PyAV and not by our probe."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import av
import pytest

from chalicelib.errors import AttemptFailed, MediaRejected
from tests.media import make_work, run, run_ffmpeg, synthesise
from tests.sampling import sampled
from workers.encoding import file as output_file
from workers.media import ffmpeg, probe
from workers.operations import transcoding
from workers.sandbox import sandbox

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of 640x360 at 25 frames a second, with sound and a title."""
    return synthesise(tmp_path_factory.mktemp("source") / "source.mp4", "-metadata", "title=secret place")


def transcode(source: Path, folder: Path, params: dict[str, Any]) -> tuple[Path, dict[str, Any], list[float]]:
    shares: list[float] = []
    done = run("transcoding", source, folder / f"job-{len(list(folder.iterdir()))}", params, progress=shares.append)
    return done.outputs[0].path, done.result, shares


REPEATED = (
    {"resolution": "180p"}, {"resolution": "200x200"}, {"resolution": "800x800", "fit": "pad"}, {"format": "ogg"},
    {"format": "mov", "audio_codec": "none"}, {"resolution": "720p", "upscale": True},
)  # fmt: skip
"""What other cases show too."""


@pytest.mark.parametrize(
    ("params", "video", "audio"),
    sampled(
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
            ({"format": "ogg"}, None, "opus"),
            ({"resolution": "200x200", "fit": "cover"}, ("h264", 200, 200), "aac"),
            ({"resolution": "200x200", "fit": "pad"}, ("h264", 200, 200), "aac"),
            ({"resolution": "800x800", "fit": "pad"}, ("h264", 800, 800), "aac"),
        ],
        lambda case: case[0] not in REPEATED,
    ),
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


def loudness_of(file: Path, folder: Path) -> float:
    result = run("analysis", file, folder / "measured").result
    return float(result["audio"]["loudness"]["integrated"])


def test_loudness_in_two_passes_meets_its_target(tmp_path: Path) -> None:
    """Speech-like: a tone that comes and goes, far too quiet."""
    quiet = tmp_path / "quiet.wav"
    tone = "aevalsrc='0.02*sin(2*PI*300*t)*(0.6+0.4*sin(2*PI*0.7*t))':d=12:s=48000"
    run_ffmpeg("-f", "lavfi", "-i", tone, quiet)
    output, result, _ = transcode(quiet, tmp_path, {"format": "wav", "loudness": -23})
    assert result["loudness"]["target"] == -23
    assert result["loudness"]["input"] < -30
    assert abs(loudness_of(output, tmp_path) - -23) < 0.5


def test_silence_has_no_loudness_to_change(tmp_path: Path) -> None:
    run_ffmpeg("-f", "lavfi", "-i", "anullsrc=d=2", tmp_path / "silent.wav")
    output, result, _ = transcode(tmp_path / "silent.wav", tmp_path, {"format": "mp3", "loudness": -14})
    assert "loudness" not in result
    assert output.stat().st_size > 0


def test_rotation_is_honoured(source: Path, tmp_path: Path) -> None:
    run_ffmpeg("-display_rotation", "90", "-i", source, "-c", "copy", tmp_path / "turned.mp4")
    output, _, _ = transcode(tmp_path / "turned.mp4", tmp_path, {"resolution": "180p", "preset": "ultrafast"})
    with av.open(str(output)) as media:
        assert (media.streams.video[0].width, media.streams.video[0].height) == (180, 320)
        assert next(media.decode(video=0)).rotation == 0


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_a_high_dynamic_range_is_mapped_to_an_ordinary_picture(tmp_path: Path, transfer: str) -> None:
    colours = f"colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc:log-level=error"
    made = ["-f", "lavfi", "-i", "testsrc2=size=320x240:duration=0.4", "-pix_fmt", "yuv420p10le", "-c:v", "libx265"]
    run_ffmpeg(*made, "-x265-params", colours, tmp_path / "hdr.mkv")
    output, _, _ = transcode(tmp_path / "hdr.mkv", tmp_path, {"preset": "ultrafast"})
    with av.open(str(output)) as media:
        context = media.streams.video[0].codec_context
        assert (context.pix_fmt, context.color_trc, context.color_primaries) == ("yuv420p", 1, 1)


def test_a_variable_frame_rate_keeps_its_length_and_its_frames(source: Path, tmp_path: Path) -> None:
    run_ffmpeg("-i", source, "-vf", "select='lt(mod(n,7),3)'", "-fps_mode", "vfr", tmp_path / "uneven.mkv")
    output, _, _ = transcode(tmp_path / "uneven.mkv", tmp_path, {"preset": "ultrafast"})
    with av.open(str(tmp_path / "uneven.mkv")) as given, av.open(str(output)) as made:
        assert sum(1 for _ in made.decode(video=0)) == sum(1 for _ in given.decode(video=0))
        assert abs(made.duration / av.time_base - 3) < 0.1


@pytest.mark.parametrize(
    ("layout", "params"),
    [
        ("mono", {"format": "ogg", "audio_bitrate": "512k"}),
        ("20 channels", {"format": "mp3"}),
        ("loud", {"format": "wav", "loudness": -5}),
    ],
    ids=["more than opus takes", "more channels than a codec has", "louder than full scale"],
)
def test_sound_that_is_odd(tmp_path: Path, layout: str, params: dict[str, Any]) -> None:
    makers = {
        "mono": ["-f", "lavfi", "-i", "sine=duration=1"],
        "20 channels": ["-f", "lavfi", "-i", "aevalsrc=" + "|".join(["sin(t*3000)"] * 20) + ":d=1"],
        "loud": ["-f", "lavfi", "-i", "aevalsrc=4*sin(t*3000):d=4:s=48000", "-c:a", "pcm_f32le"],
    }
    run_ffmpeg(*makers[layout], tmp_path / "sound.wav")
    output, _, _ = transcode(tmp_path / "sound.wav", tmp_path, params)
    with av.open(str(output)) as media:
        assert abs(media.duration / av.time_base - (4 if layout == "loud" else 1)) < 0.1


@pytest.mark.parametrize(
    ("code", "stderr", "error"),
    [
        (1, "[h264 @ 0x55d0] [error] error while decoding\n[error] Conversion failed!", MediaRejected),
        (
            1,
            "    title           : No space left on device\n[error] Conversion failed!",
            MediaRejected,
        ),  # a tag does not speak for ffmpeg
        (1, "    title           : Device or resource busy\n[error] Conversion failed!", MediaRejected),
        (1, "[error] Unknown encoder 'libx265'", AttemptFailed),
        (1, "[out#0/mp4 @ 0x55d0] [error] av_interleaved_write_frame(): No space left on device", OSError),
        (1, "[warning] No space left on device\n[error] Conversion failed!", MediaRejected),
        (1, "[fatal] Cannot allocate memory", MediaRejected),
        (-signal.SIGXFSZ, "", MediaRejected),
        (-signal.SIGXCPU, "", MediaRejected),
        (-signal.SIGKILL, "", AttemptFailed),
        (-signal.SIGSEGV, "", MediaRejected),
    ],
)
def test_who_is_at_fault(tmp_path: Path, code: int, stderr: str, error: type[Exception]) -> None:
    work = make_work("transcoding", synthesise(tmp_path / "clip.mp4", seconds=0.2), tmp_path / "job")
    found = ffmpeg._failure(sandbox.Finished(code, stderr), work)
    assert type(found) is error
    assert "ended with code -" not in str(found)


def test_no_path_of_the_machine_is_in_an_error(tmp_path: Path) -> None:
    work = make_work("transcoding", synthesise(tmp_path / "clip.mp4", seconds=0.2), tmp_path / "job")
    found = ffmpeg._failure(sandbox.Finished(1, f"[error] Error opening input file file:{work.input}."), work)
    assert str(found) == "The input could not be processed: Error opening input file file:/input."


def test_time_stamps_without_end_are_cut(tmp_path: Path) -> None:
    """Whatever the time stamps say, an output is not longer than an input may be."""
    work = make_work("transcoding", synthesise(tmp_path / "clip.mp4", seconds=0.2), tmp_path / "job")
    source = probe.probe(work.input)
    shown = transcoding.picture_arguments(work.params, transcoding.look_of(work.params, source, work.input))
    command = output_file.arguments(work.params, source, work.input, work.folder / "output.mp4", shown)
    assert command[command.index(f"file:{work.input}") + 1 :].count("-t") == 1


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


@pytest.mark.parametrize("params", [{}, {"format": "gif"}])
def test_a_start_behind_the_last_frame(tmp_path: Path, params: dict[str, Any]) -> None:
    """The sound goes on, but a film without a picture is none."""
    given = ["-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=1", "-f", "lavfi", "-i", "sine=duration=3"]
    run_ffmpeg(*given, "-pix_fmt", "yuv420p", tmp_path / "film.mp4")
    with pytest.raises(MediaRejected, match=r"no picture after params.start, 2 s|could not be processed"):
        transcode(tmp_path / "film.mp4", tmp_path, {"start": 2, "preset": "ultrafast", **params})


def test_one_frame_becomes_a_gif(tmp_path: Path) -> None:
    run_ffmpeg("-f", "lavfi", "-i", "mandelbrot=size=65x49", "-frames:v", "1", tmp_path / "one.png")
    output, result, _ = transcode(tmp_path / "one.png", tmp_path, {"format": "gif"})
    assert (result["width"], result["height"]) == (65, 49)
    with av.open(str(output)) as media:
        assert sum(1 for _ in media.decode(video=0)) >= 1


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
        (tmp_path / "clip.mp4").write_text(f"ffconcat version 1.0\nfile '{source}'\n")
        work = make_work("transcoding", tmp_path / "clip.mp4", tmp_path / "job")
        with pytest.raises(MediaRejected):
            ffmpeg.run(work, [*ffmpeg.input_arguments(work.input), "-f", "null", "-"])

    @pytest.mark.parametrize("name", ["-y.mp4", "a;rm -rf b.mp4", "100%d.mp4", "new\nline.mp4", "ü" * 60 + ".mp4"])
    def test_names(self, source: Path, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_bytes(source.read_bytes())
        assert probe.probe(tmp_path / name).track("video")

    def test_a_truncated_file(self, source: Path, tmp_path: Path) -> None:
        (tmp_path / "cut.mp4").write_bytes(source.read_bytes()[:2000])
        with pytest.raises(MediaRejected):
            transcode(tmp_path / "cut.mp4", tmp_path, {})

    def test_a_module_in_the_job_s_folder_is_not_imported(self, source: Path, tmp_path: Path) -> None:
        (tmp_path / "av.py").write_text("raise SystemExit('taken over')")
        (tmp_path / "clip.mp4").write_bytes(source.read_bytes())
        assert probe.probe(tmp_path / "clip.mp4").track("audio")
