"""Captions: word accuracy and speed of an engine.

By default the input is a synthetic voice. For a meaningful figure, set BENCH_SPEECH to a recording and BENCH_TRANSCRIPT to its
text. BENCH_ENGINE names the engine (pocketsphinx); WHISPER_MODEL or TRANSCRIBE_BUCKET configure it like a worker's.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.media import speech
from bench.media.thumbnails import make_tools
from chalicelib.domain.params.caption_generation import CaptionParams
from chalicelib.domain.validation import validate
from workers.context.terms import words
from workers.context.work import Speech, Work
from workers.operations import caption_generation

if TYPE_CHECKING:
    from bench import Figures

TEXT = (
    "The meeting is moved to Thursday at three. Please bring the drawings of the new house. "
    "Two men walked along the river and talked about the weather. She bought bread, milk and seven apples. "
    "The train from the north is late again. Nobody knows when the music will begin."
)
VOICES = ("en-us", "en-gb")


def run() -> Figures:
    """Recognise the speech, and compare word by word."""
    engine = os.environ.get("BENCH_ENGINE", "pocketsphinx")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = {voice: _hear(engine, sound, text, folder) for voice, sound, text in _recordings(folder)}
    return {f"captions_{engine}_{voice}": measured for voice, measured in figures.items()}


def accuracy(said: list[str], heard: list[str]) -> float:
    """Return 1 minus the word error rate (Levenshtein). It can be negative."""
    row = list(range(len(heard) + 1))
    for number, word in enumerate(said, 1):
        previous, row[0] = row[0], number
        for at, other in enumerate(heard, 1):
            previous, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, previous + (word != other))
    return 1 - row[-1] / max(1, len(said))


def _recordings(folder: Path) -> list[tuple[str, Path, str]]:
    own, transcript = os.environ.get("BENCH_SPEECH"), os.environ.get("BENCH_TRANSCRIPT")
    if own and transcript:
        return [("own", Path(own), Path(transcript).read_text())]
    return [(voice, speech.synthesise(TEXT, folder / f"{voice}.wav", voice), TEXT) for voice in VOICES]


def _hear(engine: str, sound: Path, text: str, folder: Path) -> dict[str, float]:
    model = os.environ.get("WHISPER_MODEL")
    speaking = Speech(Path(model) if model else None, os.environ.get("TRANSCRIBE_BUCKET", ""))
    params = validate({"engine": engine, "format": "json"}, CaptionParams)
    with tempfile.TemporaryDirectory(dir=folder) as out:
        tools = replace(make_tools(folder), speech=speaking)
        started = time.perf_counter()
        done = caption_generation.run(Work(params, sound, Path(out), time.monotonic() + 3600, tools))
        took = time.perf_counter() - started
    heard = words(" ".join(word for word, *_ in done.result["words"]))
    return {
        "word accuracy": round(accuracy(words(text), heard), 3),
        "words": len(words(text)),
        "seconds per second of sound": round(took / done.result["input_duration"], 3),
    }
