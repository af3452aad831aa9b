"""The speech recognition engines, behind one call: `hear(engine, sound, language, work)`.

`pocketsphinx` is built in: it works offline, with draft quality. `whisper` (faster-whisper) needs the operator's model folder;
`transcribe` (Amazon Transcribe) needs the operator's bucket. The first two run in the sandbox and print one word a line.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from aws_lambda_powertools import Logger

from chalicelib.errors import AttemptFailed, MediaRejected
from workers.captions import transcribe
from workers.captions.cues import Word
from workers.captions.lines import Line
from workers.sandbox import isolated, sandbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from workers.context.work import Work

logger = Logger(service="mediaq", child=True)


@dataclass(frozen=True)
class Engine:
    """One engine: its description in `result`, and its function."""

    draft: bool
    hear: Callable[[Path, str, float, Work], list[Word]]


def _whisper(sound: Path, language: str, seconds: float, work: Work) -> list[Word]:
    model = work.tools.speech.whisper_model
    if model is None or not (model / "model.bin").is_file():
        raise MediaRejected("The engine whisper is not available: WHISPER_MODEL must name a folder with a faster-whisper model")
    if importlib.util.find_spec("faster_whisper") is None:
        raise MediaRejected("The engine whisper is not available: the Python package faster-whisper is not installed")
    return _isolated("whisper", [str(sound), language, str(model)], seconds, work)


def _pocketsphinx(sound: Path, language: str, seconds: float, work: Work) -> list[Word]:
    return _isolated("pocketsphinx", [str(sound), language], seconds, work)


def _transcribe(sound: Path, language: str, seconds: float, work: Work) -> list[Word]:
    del seconds
    return transcribe.hear(sound, language, work)


def _isolated(name: str, arguments: list[str], seconds: float, work: Work) -> list[Word]:
    words: list[Word] = []
    finished = isolated.run(
        f"workers.captions.{name}",
        arguments,
        folder=work.folder,
        limits=sandbox.Limits(
            seconds=work.seconds_left, memory_bytes=32 * sandbox.GIB, data_bytes=16 * sandbox.GIB, file_bytes=0
        ),
        on_line=partial(_read, words, seconds, work),
        check=work.check,
    )
    if finished.code != 0:
        logger.error("an engine failed", extra={"engine": name, "code": finished.code, "said": finished.stderr[-2000:]})
        raise AttemptFailed(f"The engine {name} failed; see the log of the worker")
    return words


def _read(words: list[Word], seconds: float, work: Work, text: str) -> None:
    try:
        line = msgspec.json.decode(text, type=Line)
    except msgspec.MsgspecError:
        return  # messages of the library
    if line.at is not None:
        work.progress(min(1.0, line.at / seconds) if seconds else 1.0)
    elif line.text:
        words.append(Word(line.text, round(line.start * 1000), round(line.end * 1000), round(line.confidence, 3)))


ENGINES = {
    "pocketsphinx": Engine(draft=True, hear=_pocketsphinx),
    "whisper": Engine(draft=False, hear=_whisper),
    "transcribe": Engine(draft=False, hear=_transcribe),
}
