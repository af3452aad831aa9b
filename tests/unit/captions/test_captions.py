"""Captions of real speech, and the engines behind one interface."""

from __future__ import annotations

import json
import sys
import textwrap
from typing import TYPE_CHECKING

import av
import pytest
import webvtt

from bench.media import speech
from chalicelib.errors import JobCancelled, MediaRejected
from tests.media import make_tools, run, run_ffmpeg, synthesise
from workers.captions import transcribe
from workers.context.work import Speech

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film in which somebody counts."""
    folder = tmp_path_factory.mktemp("spoken")
    speech.synthesise("Hello world. One, two, three, four, five.", folder / "speech.wav")
    run_ffmpeg(
        "-f", "lavfi", "-i", "color=size=64x64:duration=6", "-i", folder / "speech.wav", "-shortest", folder / "film.mp4"
    )
    return folder / "film.mp4"


def test_a_film_becomes_a_webvtt_file(spoken: Path, tmp_path: Path) -> None:
    shares: list[float] = []
    done = run("caption_generation", spoken, tmp_path / "job", progress=shares.append)
    cues = list(webvtt.read(str(done.outputs[0].path)))
    assert cues
    assert len(cues) == done.result["cues"]
    assert cues[-1].end_in_seconds < done.result["input_duration"] + 1
    assert (done.result["engine"], done.result["draft"]) == ("pocketsphinx", True)
    assert "Draft" in done.result["note"]
    words = done.result["words"]
    assert len(words) == done.result["word_count"] > 3
    assert all(0 <= start < end for _, start, end, _ in words)
    assert {word for word, *_ in words} & {"one", "two", "three", "four", "five", "hello", "world"}
    assert shares == sorted(shares)
    assert [path.name for path in done.outputs[0].path.parent.iterdir()] == ["output.vtt"]


def test_srt_and_json(spoken: Path, tmp_path: Path) -> None:
    srt = run("caption_generation", spoken, tmp_path / "srt", {"format": "srt"}).outputs[0].path
    with av.open(str(srt)) as media:
        assert media.format.name == "srt"
        assert sum(1 for packet in media.demux() if packet.size) >= 1
    words = json.loads(run("caption_generation", spoken, tmp_path / "json", {"format": "json"}).outputs[0].path.read_text())
    assert {"text", "start", "end", "confidence"} == set(words["cues"][0]["words"][0])
    assert "Draft" in words["note"]


def test_silence_makes_an_empty_file_that_is_valid(tmp_path: Path) -> None:
    run_ffmpeg("-f", "lavfi", "-i", "anullsrc=d=2", tmp_path / "silent.wav")
    done = run("caption_generation", tmp_path / "silent.wav", tmp_path / "job")
    assert list(webvtt.read(str(done.outputs[0].path))) == []
    assert done.result["word_count"] == 0


def test_no_sound(tmp_path: Path) -> None:
    with pytest.raises(MediaRejected, match="nothing to caption"):
        run("caption_generation", synthesise(tmp_path / "clip.mp4", sound=False), tmp_path / "job")


@pytest.mark.parametrize(
    ("engine", "text"), [("whisper", "WHISPER_MODEL must name a folder"), ("transcribe", "TRANSCRIBE_BUCKET must name")]
)
def test_an_engine_that_is_not_set_up_says_so(spoken: Path, tmp_path: Path, engine: str, text: str) -> None:
    with pytest.raises(MediaRejected, match=text):
        run("caption_generation", spoken, tmp_path / "job", {"engine": engine})


def test_whisper_without_its_package(spoken: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.bin").write_bytes(b"weights")
    tools = make_tools(tmp_path, speech=Speech(whisper_model=tmp_path / "model"))
    with pytest.raises(MediaRejected, match="faster-whisper is not installed"):
        run("caption_generation", spoken, tmp_path / "job", {"engine": "whisper"}, tools=tools)


def test_whisper_is_called_as_its_documentation_says(spoken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of the package, one that answers in the form of faster-whisper 1.2: segments with words, made lazily."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.bin").write_bytes(b"weights")
    (tmp_path / "faster_whisper.py").write_text(
        textwrap.dedent("""
        from collections import namedtuple
        Word = namedtuple("Word", "start end word probability")
        Segment = namedtuple("Segment", "start end text words")
        class WhisperModel:
            def __init__(self, model_size_or_path, device="auto", compute_type="default", local_files_only=False):
                assert model_size_or_path.endswith("model") and local_files_only
            def transcribe(self, audio, language=None, word_timestamps=False, vad_filter=False):
                assert word_timestamps and language == "fr" and audio.endswith(".wav")
                yield_from = iter([Segment(0, 1, " Bonjour.", [Word(0.1, 0.8, " Bonjour.", 0.9)])])
                return yield_from, None
        """)
    )
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    tools = make_tools(tmp_path, speech=Speech(whisper_model=tmp_path / "model"))
    done = run("caption_generation", spoken, tmp_path / "job", {"engine": "whisper", "language": "fr-FR"}, tools=tools)
    assert done.result["words"] == [["Bonjour.", 0.1, 0.8, 0.9]]
    assert done.result["draft"] is False


def test_a_transcript_of_transcribe() -> None:
    """The example of the developer guide: items of two types, times as strings, none with punctuation."""
    items = [
        {
            "type": "pronunciation",
            "start_time": "0.04",
            "end_time": "0.56",
            "alternatives": [{"confidence": "0.99", "content": "Hi"}],
        },
        {"type": "punctuation", "alternatives": [{"confidence": "0.0", "content": "."}]},
    ]
    body = json.dumps(
        {"jobName": "j", "results": {"transcripts": [{"transcript": "Hi."}], "items": items}, "status": "COMPLETED"}
    )
    words = transcribe.read(body.encode())
    assert [(word.text, word.start_ms, word.end_ms, word.confidence) for word in words] == [("Hi.", 40, 560, 0.99)]


def test_a_cancel_is_heard_while_an_engine_listens(spoken: Path, tmp_path: Path) -> None:
    calls: list[int] = []

    def check() -> None:
        calls.append(1)
        if len(calls) > 6:
            raise JobCancelled("Cancelled")

    with pytest.raises(JobCancelled):
        run("caption_generation", spoken, tmp_path / "job", check=check)
