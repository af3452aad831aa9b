"""Captions in a film: the track as other programs read it, and the picture with drawn text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest

from chalicelib.domain.captions.cues import Cue
from chalicelib.errors import BadRequest, MediaRejected
from tests.media import make_work, run, run_ffmpeg
from workers.attempt.attempt import RUN
from workers.captions import subtitles

if TYPE_CHECKING:
    from pathlib import Path

FILE = {"captions_file_id": "7b2c0d0e-8c1f-4c1e-9a55-0d3b7d3f0c11"}
CAPTIONS = (
    b"WEBVTT\nLanguage: de\n\n00:00.500 --> 00:01.500\nHello {\\b1}<i>you</i> &lt;3\n\n00:02.500 --> 00:03.500\nGoodbye\n"
)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four black seconds with sound."""
    target = tmp_path_factory.mktemp("film") / "film.mp4"
    picture = ["-f", "lavfi", "-i", "color=black:size=640x360:rate=10:duration=4", "-f", "lavfi", "-i", "sine=duration=4"]
    run_ffmpeg(*picture, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", target)
    return target


def transcode(film: Path, folder: Path, params: dict[str, Any], captions: bytes = CAPTIONS) -> tuple[Path, dict[str, Any]]:
    done = run("transcoding", film, folder, {"preset": "ultrafast", **FILE, **params}, captions=captions)
    return done.outputs[0].path, done.result


def track_of(file: Path) -> tuple[str, str, list[tuple[float, float, str]]]:
    """The codec, the language and the cues of the caption track."""
    with av.open(str(file)) as media:
        [stream] = media.streams.subtitles
        cues = []
        for packet in media.demux(stream):
            for subtitle in packet.decode():
                start = float(packet.pts * packet.time_base)
                text = subtitle.dialogue.decode() if subtitle.dialogue else subtitle.ass.decode().rpartition(",,")[2]
                cues.append(
                    (round(start, 2), round(start + float(packet.duration * packet.time_base), 2), text.replace("\\N", "\n"))
                )
        return stream.codec_context.name, stream.metadata.get("language", ""), cues


@pytest.mark.parametrize(("kind", "codec"), subtitles.CODECS.items())
def test_a_track_of_its_own(film: Path, tmp_path: Path, kind: str, codec: str) -> None:
    made, result = transcode(film, tmp_path / "job", {"format": kind})
    found, language, cues = track_of(made)
    assert found == {"subrip": "srt"}.get(codec, codec)
    assert language in ("deu", "ger")
    assert [(start, end) for start, end, text in cues if text] == [(0.5, 1.5), (2.5, 3.5)]
    assert result["captions"] == {"cues": 2, "burned_in": False, "language": "deu"}
    with av.open(str(made)) as media:
        assert len(media.streams.video) == len(media.streams.audio) == 1


def test_markup_is_text_and_special_characters_stay(film: Path, tmp_path: Path) -> None:
    made, _ = transcode(film, tmp_path / "job", {"format": "mkv"})
    run_ffmpeg("-i", made, "-map", "0:s", tmp_path / "out.srt")
    assert "Hello you <3" in (tmp_path / "out.srt").read_text()


def test_times_follow_the_part_that_is_taken(film: Path, tmp_path: Path) -> None:
    made, result = transcode(film, tmp_path / "job", {"format": "mkv", "start": 1, "duration": 2, "captions_language": "fr"})
    _, language, cues = track_of(made)
    assert [(start, end) for start, end, _ in cues] == [(0.0, 0.5), (1.5, 2.0)]
    assert (result["captions"]["language"], language in ("fre", "fra")) == ("fra", True)


@pytest.mark.parametrize("container", ["mpegts", "mp4"])
@pytest.mark.parametrize("burn_in", [False, True])
def test_a_part_of_a_film_with_and_without_an_index(film: Path, tmp_path: Path, container: str, burn_in: bool) -> None:
    """The options that cut the film must not be those of the captions."""
    run_ffmpeg("-i", film, "-c", "copy", "-f", container, tmp_path / "film")
    made, _ = transcode(tmp_path / "film", tmp_path / "job", {"format": "mkv", "start": 1, "duration": 2, "burn_in": burn_in})
    with av.open(str(made)) as media:
        assert abs(media.duration / av.time_base - 2) < 0.3
    if not burn_in:
        assert [round(start, 1) for start, _, _ in track_of(made)[2]][-1] == 1.5


def test_captions_after_the_end_do_not_lengthen_the_film(film: Path, tmp_path: Path) -> None:
    text = b"WEBVTT\n\n00:01.000 --> 00:02.000\nin\n\n01:00:00.000 --> 01:00:01.000\nout\n"
    work = make_work("transcoding", film, tmp_path / "job", {"preset": "ultrafast", "format": "mkv", **FILE}, captions=text)
    made = RUN["transcoding"](work)
    assert made.result["duration"] < 5
    assert [one.code for one in work.warnings.items] == ["captions_outside"]


def white_pixels(file: Path) -> list[int]:
    """The number of bright pixels of each frame."""
    with av.open(str(file)) as media:
        return [int(np.sum(frame.to_ndarray(format="gray") > 100)) for frame in media.decode(video=0)]


@pytest.mark.parametrize("params", [{}, {"format": "webm"}, {"resolution": "144p"}, {"fps": 5}], ids=str)
def test_burned_in_text_is_seen_while_its_cue_lasts(film: Path, tmp_path: Path, params: dict[str, Any]) -> None:
    made, result = transcode(film, tmp_path / "job", {"burn_in": True, **params})
    white = white_pixels(made)
    rate = len(white) / 4
    assert white[int(2 * rate)] == white[0] == 0
    assert white[int(1 * rate)] > 30
    assert white[int(3 * rate)] > 30
    assert result["captions"]["burned_in"] is True
    with av.open(str(made)) as media:
        assert len(media.streams.subtitles) == 0


def test_burned_in_a_portrait_stays_inside(tmp_path: Path) -> None:
    run_ffmpeg("-f", "lavfi", "-i", "color=black:size=180x320:rate=5:duration=2", "-c:v", "libx264", tmp_path / "tall.mp4")
    text = b"WEBVTT\n\n00:00.000 --> 00:02.000\nForty-two characters are a line of captions\n"
    made, _ = transcode(tmp_path / "tall.mp4", tmp_path / "job", {"burn_in": True}, text)
    with av.open(str(made)) as media:
        picture = next(media.decode(video=0)).to_ndarray(format="gray")
    assert picture[:, :4].max() < 60
    assert picture[:, -4:].max() < 60
    assert picture.max() > 150


@pytest.mark.parametrize("text", ["{\\fnArial\\fs400}big", "\\N\\h{\\p1}m 0 0 l 999 0 999 999", "a\\b}{"])
def test_text_is_never_a_command_of_the_renderer(text: str, tmp_path: Path) -> None:
    subtitles.write_picture([Cue(0, 1000, (text,))], tmp_path, 640, 360)
    event = (tmp_path / "captions.ass").read_text().splitlines()[-1]
    shown = event.partition("Default,")[2]
    for at, char in enumerate(shown):
        if char == "{":
            assert shown[at - 1] == "\\"
        if char == "\\":
            assert shown[at + 1] in "{}" + subtitles.WORD_JOINER


@pytest.mark.parametrize("text", ["привет", "γειά", "مرحبا", "שלום", "नमस्ते", "สวัสดี"])
def test_scripts_with_a_font_are_drawn(film: Path, tmp_path: Path, text: str) -> None:
    made, _ = transcode(film, tmp_path / "job", {"burn_in": True}, f"WEBVTT\n\n00:00.000 --> 00:04.000\n{text}\n".encode())
    assert max(white_pixels(made)) > 20


def test_a_script_without_a_font_says_so(film: Path, tmp_path: Path) -> None:
    with pytest.raises(MediaRejected, match="Cue 1 cannot be drawn: there is no font for cjk letters"):
        transcode(film, tmp_path / "job", {"burn_in": True}, "WEBVTT\n\n00:00.000 --> 00:04.000\n你好\n".encode())


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"burn_in": True}, "params.burn_in must be absent without captions_file_id"),
        ({"captions_language": "de"}, "params.captions_language must be absent without captions_file_id"),
        ({**FILE, "format": "mp3"}, "params.captions_file_id must be absent when format is mp3"),
        ({**FILE, "format": "gif"}, "params.burn_in must be true when format is gif"),
        ({"captions_file_id": "nonsense"}, "params.captions_file_id must be the UUID"),
    ],
)
def test_wrong_parameters(film: Path, tmp_path: Path, params: dict[str, Any], says: str) -> None:
    with pytest.raises(BadRequest) as refused:
        make_work("transcoding", film, tmp_path / "job", params)
    assert says in str(refused.value)
