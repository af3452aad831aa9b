"""Unusual files through the operations: outputs and warnings."""

from __future__ import annotations

import re
import subprocess
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import av
import pytest

from chalicelib.errors import MediaRejected
from tests import inputs
from tests.media import make_work, run
from tests.sampling import sampled
from workers.attempt.attempt import RUN
from workers.context import programs
from workers.media import probe

if TYPE_CHECKING:
    from pathlib import Path

    from workers.context.work import Done

FAST = {"preset": "ultrafast"}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {}


@pytest.fixture
def recipe(made: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a function that makes a file by its name, once."""

    def make(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp("recipe") / name
            inputs.RECIPES[name](made[name])
        return made[name]

    return make


def warned(operation: str, file: Path, folder: Path, params: dict[str, Any] | None = None) -> tuple[Done, list[str]]:
    """Run an operation; return what it gives, and the codes of its warnings."""
    work = make_work(operation, file, folder, params)
    done = RUN[operation](work)
    return done, [warning.code for warning in work.warnings.items]


def pitch(file: Path) -> float:
    """Return the frequency of a sound in Hz, by counting its zero crossings."""
    command = [
        programs.find().ffmpeg,
        "-v",
        "error",
        "-i",
        str(file),
        "-map",
        "0:a:0",
        "-ac",
        "1",
        "-ar",
        "16000",
        "-f",
        "s8",
        "-",
    ]
    data = subprocess.run(command, check=True, capture_output=True).stdout
    signs = [byte < 128 for byte in data if byte]
    return sum(one != two for one, two in pairwise(signs)) / 2 / (len(data) / 16000)


OPERATIONS = ["transcoding", "thumbnail", "analysis", "upload", "caption_generation"]


class TestStreamsThatNobodyDecodes:
    @pytest.mark.parametrize("operation", OPERATIONS)
    @pytest.mark.parametrize("name", sampled(["unknown_sound.mov", "unknown_sound_first.mov"], lambda name: "first" in name))
    def test_a_phones_second_sound(self, recipe: Any, tmp_path: Path, operation: str, name: str) -> None:
        params = {"preset": "ultrafast"} if operation == "transcoding" else None
        work = make_work(operation, recipe(name), tmp_path / "job", params)
        done = RUN[operation](work)
        [warning] = [one for one in work.warnings.items if one.code == "stream_ignored"]
        assert "(apac)" in warning.message
        if operation == "transcoding":
            with av.open(str(done.outputs[0].path)) as film:
                assert [stream.type for stream in film.streams] == ["video", "audio"]
            assert done.result["audio_track"] == (0 if name == "unknown_sound.mov" else 1)

    @pytest.mark.parametrize("name", ["garbage_sound.mkv", "empty_sound.mkv"])
    @pytest.mark.parametrize("operation", ["transcoding", "analysis"])
    def test_the_other_sound_is_taken(self, recipe: Any, tmp_path: Path, operation: str, name: str) -> None:
        done, codes = warned(operation, recipe(name), tmp_path / "job", FAST if operation == "transcoding" else None)
        assert codes == ["stream_ignored"]
        assert done.result["audio_track"] == 1

    def test_when_nothing_is_left_the_codec_is_named(self, tmp_path: Path) -> None:
        inputs.only_unknown_sound(tmp_path / "only.m4a")
        for operation in ("caption_generation", "transcoding"):
            with pytest.raises(MediaRejected, match=r"sound \(apac\) is of a codec that cannot be decoded here"):
                run(
                    operation,
                    tmp_path / "only.m4a",
                    tmp_path / operation,
                    {"format": "mp3"} if operation == "transcoding" else None,
                )

    def test_a_picture_beyond_the_limits_does_not_cost_the_sound(self, tmp_path: Path) -> None:
        from tests.security.images import cover_bomb

        cover_bomb(tmp_path / "song.mp3", None)
        done, codes = warned("transcoding", tmp_path / "song.mp3", tmp_path / "job", {"format": "ogg"})
        assert codes == ["stream_ignored"]
        assert done.result["audio_codec"] == "opus"
        with pytest.raises(MediaRejected, match="no picture"):
            run("thumbnail", tmp_path / "song.mp3", tmp_path / "thumbnail")


class TestTheRightStreams:
    def test_the_default_and_no_commentary(self, recipe: Any, tmp_path: Path) -> None:
        done, _ = warned("transcoding", recipe("commentary_first.mkv"), tmp_path / "job", FAST)
        assert abs(pitch(done.outputs[0].path) - 3000) < 50
        assert done.result["audio_track"] == 1
        assert run("analysis", recipe("commentary_first.mkv"), tmp_path / "analysis").result["audio_track"] == 1

    @pytest.mark.parametrize(
        ("track", "hertz"), [(0, 300), (1, 3000), ("de", 3000), ("en", 300), ("en-US", 300), ("ger", 3000)]
    )
    def test_a_track_that_a_caller_names(self, recipe: Any, tmp_path: Path, track: Any, hertz: int) -> None:
        done, _ = warned(
            "transcoding", recipe("commentary_first.mkv"), tmp_path / "job", {"format": "m4a", "audio_track": track}
        )
        assert abs(pitch(done.outputs[0].path) - hertz) < 50

    @pytest.mark.parametrize("params", [{"audio_track": 2}, {"audio_track": "fr"}, {"video_track": 1}])
    def test_a_wrong_one_lists_what_there_is(self, recipe: Any, tmp_path: Path, params: dict[str, Any]) -> None:
        with pytest.raises(MediaRejected, match=r"params\.(audio|video)_track .*It has: 0 \(") as wrong:
            run("transcoding", recipe("commentary_first.mkv"), tmp_path / "job", params)
        if "audio_track" in params:
            assert "0 (aac, mono, eng, commentary); 1 (aac, mono, ger, default)" in str(wrong.value)

    def test_the_order_of_preference(self) -> None:
        def stream(index: int, **values: Any) -> probe.Stream:
            return probe.Stream("audio", "aac", index=index, channels=2, **values)

        streams = [
            stream(0, problem="is empty", default=True), stream(1), stream(2, commentary=True), stream(3, impaired=True),
            stream(4), stream(5, default=True),
        ]  # fmt: skip
        streams[4].channels = 6
        order = []
        while streams:
            media = probe.Media("mov", 1, 1, 1, streams)
            best = media.track("audio")
            if best is None:
                break
            order.append(best.index)
            streams.remove(best)
        assert order == [5, 4, 1, 3, 2]


SUFFIXES = ("mp4", "mkv", "avi", "flv", "ts", "mpg", "wav", "mp3", "flac", "ogg", "gif")


class TestBrokenInputs:
    @pytest.mark.parametrize("name", sampled(["broken_off.mp4", "broken_off.mkv"], lambda name: "mp4" in name))
    @pytest.mark.parametrize("operation", ["transcoding", "analysis", "caption_generation", "upload", "download"])
    def test_one_that_breaks_off_is_said_to(self, recipe: Any, tmp_path: Path, operation: str, name: str) -> None:
        _, codes = warned(operation, recipe(name), tmp_path / "job", FAST if operation == "transcoding" else None)
        assert "input_truncated" in codes

    def test_kept_as_it_is_it_is_read_to_its_end(self, recipe: Any, tmp_path: Path) -> None:
        _, codes = warned("upload", recipe("broken_off.mkv"), tmp_path / "job", {"strip_metadata": False})
        assert codes == ["input_truncated"]

    def test_a_late_thumbnail(self, recipe: Any, tmp_path: Path) -> None:
        _, codes = warned("thumbnail", recipe("broken_off.mkv"), tmp_path / "job", {"at": "100%"})
        assert codes == ["input_truncated"]

    def test_errors_are_counted(self, recipe: Any, tmp_path: Path) -> None:
        work = make_work("transcoding", recipe("damaged.mp4"), tmp_path / "job", FAST)
        RUN["transcoding"](work)
        [warning] = [one for one in work.warnings.items if one.code == "decode_errors"]
        assert re.search(r": [1-9]\d* errors? while decoding it$", warning.message)

    @pytest.mark.parametrize("name", ["broken_off.mp4", "damaged.mp4"])
    def test_strict_refuses_it(self, recipe: Any, tmp_path: Path, name: str) -> None:
        work = make_work("transcoding", recipe(name), tmp_path / "job", {**FAST, "strict": True})
        RUN["transcoding"](work)
        with pytest.raises(MediaRejected, match="strict"):
            work.warnings.check_strict()

    @pytest.mark.parametrize("suffix", sampled(SUFFIXES, lambda suffix: suffix in ("mp4", "mp3")))
    @pytest.mark.parametrize("params", [{}, {"start": 0.5}, {"start": 0.5, "duration": 0.7}], ids=["whole", "start", "cut"])
    def test_whole_ones_have_no_warning(self, tmp_path: Path, suffix: str, params: dict[str, Any]) -> None:
        file = tmp_path / f"whole.{suffix}"
        sound = suffix in ("wav", "mp3", "flac", "ogg")
        codec = ["-c:v", "mpeg2video"] if suffix == "mpg" else [] if suffix == "gif" else list(inputs.H264)
        inputs.run_ffmpeg(
            *([] if sound else inputs.PICTURE), *(inputs.TONE if suffix != "gif" else ()), *([] if sound else codec), file
        )
        _, codes = warned("transcoding", file, tmp_path / "job", {"format": "m4a" if sound else "mp4", **params, **FAST})
        assert codes == []
        for operation in ("upload", "analysis"):
            assert "input_truncated" not in warned(operation, file, tmp_path / operation)[1]


class TestWhatLeaks:
    @pytest.mark.parametrize("operation", ["transcoding", "upload"])
    def test_a_time_code(self, recipe: Any, tmp_path: Path, operation: str) -> None:
        params = {"strip_metadata": True, **({"format": "mov", **FAST} if operation == "transcoding" else {})}
        done, codes = warned(operation, recipe("time_code.mov"), tmp_path / "job", params)
        data = done.outputs[0].path.read_bytes()
        assert b"tmcd" not in data
        with av.open(str(done.outputs[0].path)) as film:
            assert [stream.type for stream in film.streams] == ["video", "audio"]
            assert not any("timecode" in stream.metadata for stream in film.streams)
        assert ("metadata_dropped" in codes) == (operation == "upload")

    @pytest.mark.parametrize("suffix", ["mp4", "mp3", "png"])
    def test_what_stands_behind_the_end(self, tmp_path: Path, suffix: str) -> None:
        file = tmp_path / f"given.{suffix}"
        made_of = inputs.TONE if suffix == "mp3" else inputs.PICTURE
        inputs.run_ffmpeg(*made_of, *(["-frames:v", "1", "-update", "1"] if suffix == "png" else []), file)
        file.write_bytes(file.read_bytes() + b"SECRET PLACE 52.5 13.4 " * 40)
        assert b"SECRET" not in run("upload", file, tmp_path / "job").outputs[0].path.read_bytes()
