"""Captions of human speech, and the engines behind one interface."""

from __future__ import annotations

import json
import sys
import textwrap
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import av
import pytest
import webvtt

from bench.media.captions import NO_SPEECH, error_rate, recordings
from chalicelib.errors import JobCancelled, MediaRejected
from tests.media import make_tools, run, run_ffmpeg, synthesise
from workers.captions import transcribe
from workers.context.terms import TermMatcher, words
from workers.context.work import Speech

if TYPE_CHECKING:
    from pathlib import Path

    from workers.context.work import Done, Tools

ADDRESS, NOVEL = recordings()
"""Name, sound and text of each recording."""


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of the shorter recording."""
    film = tmp_path_factory.mktemp("spoken") / "film.mp4"
    run_ffmpeg("-f", "lavfi", "-i", "color=size=64x64:duration=12", "-i", ADDRESS[1], "-shortest", film)
    return film


@pytest.fixture(scope="module")
def done(spoken: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """One job with all formats."""
    return run(
        "caption_generation",
        spoken,
        tmp_path_factory.mktemp("all") / "job",
        {"formats": ["vtt", "srt", "ttml", "json", "txt"], "max_line_length": 30},
    )


def test_human_speech_becomes_right_words_without_a_setting(spoken: Path, tmp_path: Path) -> None:
    shares: list[float] = []
    done = run("caption_generation", spoken, tmp_path / "job", progress=shares.append)
    cues = list(webvtt.read(str(done.outputs[0].path)))
    assert len(cues) == done.result["cues"] >= 2
    assert cues[-1].end_in_seconds < done.result["input_duration"] + 1
    assert (done.result["engine"], done.result["language"], done.result["formats"]) == ("whisper", "en", ["vtt"])
    heard = done.result["words"]
    assert len(heard) == done.result["word_count"]
    assert error_rate(words(ADDRESS[2]), words(" ".join(word for word, *_ in heard))) <= 0.05
    assert all(0 <= start < end for _, start, end, _ in heard)
    assert shares == sorted(shares)
    assert [path.name for path in done.outputs[0].path.parent.iterdir()] == ["output.vtt"]


def test_every_format_holds_the_same_text(done: Done) -> None:
    vtt, srt, ttml, as_json, txt = (output.path for output in done.outputs)
    texts = [cue.text for cue in webvtt.read(str(vtt))]
    with av.open(str(srt)) as media:
        assert media.format.name == "srt"
        assert sum(1 for packet in media.demux() if packet.size) == len(texts)
    paragraphs = ET.parse(ttml).getroot().iter("{http://www.w3.org/ns/ttml}p")
    assert ["\n".join(one.itertext()) for one in paragraphs] == texts
    held = json.loads(as_json.read_text())
    assert ["\n".join(cue["lines"]) for cue in held["cues"]] == texts
    assert {"text", "start", "end", "confidence"} <= set(held["cues"][0]["words"][0])
    assert txt.read_text().split() == " ".join(texts).split()
    assert [output.mime for output in done.outputs] == [
        "text/vtt",
        "application/x-subrip",
        "application/ttml+xml",
        "application/json",
        "text/plain",
    ]


def test_words_of_low_confidence_are_marked(done: Done) -> None:
    held = json.loads(done.outputs[3].path.read_text())
    all_words = [word for cue in held["cues"] for word in cue["words"]]
    marked = [word for word in all_words if word.get("check")]
    assert all((word["confidence"] < 0.5) == (word in marked) for word in all_words)
    assert done.result["low_confidence_words"] == len(marked)


@pytest.mark.parametrize("source", NO_SPEECH.values(), ids=NO_SPEECH)
def test_what_is_no_speech_makes_no_cue(tmp_path: Path, source: str) -> None:
    run_ffmpeg("-f", "lavfi", "-i", source, "-t", "60", tmp_path / "sound.wav")
    done = run("caption_generation", tmp_path / "sound.wav", tmp_path / "job")
    assert list(webvtt.read(str(done.outputs[0].path))) == []
    assert (done.result["word_count"], done.result["note"]) == (0, "No speech was recognised.")


def test_no_sound(tmp_path: Path) -> None:
    with pytest.raises(MediaRejected, match="nothing to caption"):
        run("caption_generation", synthesise(tmp_path / "clip.mp4", sound=False), tmp_path / "job")


def test_a_language_that_the_model_does_not_know_is_refused(spoken: Path, tmp_path: Path) -> None:
    with pytest.raises(MediaRejected, match=r"knows English only; params\.language is de-DE"):
        run("caption_generation", spoken, tmp_path / "job", {"language": "de-DE"})


@pytest.mark.parametrize(
    ("engine", "tools", "text"),
    [("whisper", Speech(), "WHISPER_MODEL must name a folder"), ("transcribe", Speech(), "TRANSCRIBE_BUCKET must name")],
)
def test_an_engine_that_is_not_set_up_says_so(
    spoken: Path, tmp_path: Path, engine: str, tools: Speech, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.captions.engines.bundled_model", lambda: None)
    with pytest.raises(MediaRejected, match=text):
        run("caption_generation", spoken, tmp_path / "job", {"engine": engine}, tools=make_tools(tmp_path, speech=tools))


MULTILINGUAL = """
import os
from collections import namedtuple
Word = namedtuple("Word", "start end word probability")
Segment = namedtuple("Segment", "start end text words no_speech_prob avg_logprob compression_ratio")
Info = namedtuple("Info", "language language_probability")
assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
class WhisperModel:
    supported_languages = ["en", "fr"]
    def __init__(self, model_size_or_path, device, compute_type, cpu_threads, num_workers, local_files_only):
        assert model_size_or_path.endswith("model") and local_files_only
        assert (device, compute_type, cpu_threads) == ("cpu", "float32", 3)
    def transcribe(self, audio, language=None, word_timestamps=False, vad_filter=False, hotwords=None, beam_size=0, **_):
        assert word_timestamps and vad_filter and beam_size == 2
        def split(text, *parts):
            return Segment(0, 1, text, [Word(0.1, 0.8, part, 0.9) for part in parts], 0.1, -0.2, 1.2)
        good = dict(no_speech_prob=0.1, avg_logprob=-0.2, compression_ratio=1.2)
        said = lambda text, **odd: Segment(0, 1, text, [Word(0.1, 0.8, " " + text, 0.9)], **(good | odd))
        segments = [said("Bonjour."), said(f"{hotwords}/{language}")]
        segments += [said("Merci.")] * 5
        segments += [said("Silence.", no_speech_prob=0.9, avg_logprob=-0.9), said("Lalala", compression_ratio=3.0)]
        segments += [split("It is ill-disposed, 50 %.", " It", " ill", " -disposed,", " 50", " %.")]
        return iter(segments), Info("fr", 0.87)
"""


@pytest.fixture
def multilingual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    """In place of the package, one that answers in the form of faster-whisper 1.2: no multilingual weights are at hand."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.bin").write_bytes(b"weights")
    package = tmp_path / "packages" / "faster_whisper"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(textwrap.dedent(MULTILINGUAL))
    (package / "vad.py").write_text("def get_speech_timestamps(samples, **_): return [{'start': 0, 'end': len(samples)}]\n")
    monkeypatch.setattr(sys, "path", [str(package.parent), *sys.path])
    speech = Speech(tmp_path / "model", whisper_threads=3, whisper_beam_size=2, whisper_compute_type="float32")
    return make_tools(tmp_path, speech=speech, term_matcher=lambda: TermMatcher([{"id": 1, "name": "Roquefort"}]))


def test_a_detected_language_and_its_probability_are_in_the_result(spoken: Path, tmp_path: Path, multilingual: Tools) -> None:
    params = {"language": "auto", "vocabulary": ["Camembert"], "use_taxonomy": True}
    result = run("caption_generation", spoken, tmp_path / "job", params, tools=multilingual).result
    assert (result["language"], result["language_probability"]) == ("fr", 0.87)
    texts = [text for text, *_ in result["words"]]
    assert texts[1] == "Camembert, Roquefort/None"


def test_loops_and_segments_of_silence_are_dropped(spoken: Path, tmp_path: Path, multilingual: Tools) -> None:
    result = run("caption_generation", spoken, tmp_path / "job", {"language": "fr-FR"}, tools=multilingual).result
    assert [text for text, *_ in result["words"]] == ["Bonjour.", "None/fr", "Merci.", "Merci.", "It", "ill-disposed,", "50%."]
    assert "language_probability" not in result


def test_recognition_needs_no_network(tmp_path: Path) -> None:
    """In a network namespace without an interface: nothing is downloaded."""
    from workers.captions.engines import bundled_model
    from workers.captions.whisper import Request
    from workers.sandbox import isolated, sandbox

    run_ffmpeg("-i", ADDRESS[1], "-ac", "1", "-ar", "16000", tmp_path / "sound.wav")
    request = Request(str(tmp_path / "sound.wav"), str(bundled_model()), "en", 1, 1, "int8", [])
    lines: list[str] = []
    sandbox.use_namespace("required")
    try:
        finished = isolated.run(
            "workers.captions.whisper",
            [json.dumps({name: getattr(request, name) for name in request.__struct_fields__})],
            folder=tmp_path,
            limits=sandbox.Limits(memory_bytes=32 << 30, data_bytes=16 << 30),
            on_line=lines.append,
            check=lambda: None,
        )
    finally:
        sandbox.use_namespace("auto")
    assert finished.code == 0, finished.stderr
    assert sum('"text"' in line for line in lines) > 15


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
    found = transcribe.read(body.encode())
    assert [(word.text, word.start_ms, word.end_ms, word.confidence) for word in found] == [("Hi.", 40, 560, 0.99)]


def test_a_cancel_is_heard_while_an_engine_listens(spoken: Path, tmp_path: Path) -> None:
    calls: list[int] = []

    def check() -> None:
        calls.append(1)
        if len(calls) > 6:
            raise JobCancelled("Cancelled")

    with pytest.raises(JobCancelled):
        run("caption_generation", spoken, tmp_path / "job", check=check)
