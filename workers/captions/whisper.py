"""Recognises speech with faster-whisper. Runs in the sandbox, without network; `main()` prints one word a line.

The sound is read in blocks that end in a silence, so that memory does not grow with its length. Silero's voice detector leaves
out what is not speech. Whisper invents text in music, noise and loops: a segment is dropped if the model itself takes it for
silence, if its text compresses like a loop, or if it repeats the segments before it.
"""

from __future__ import annotations

import os
import sys
import wave
from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec

from workers.captions.lines import Line, say

if TYPE_CHECKING:
    from collections.abc import Iterator

os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
"""Idle threads sleep. Threads that spin take the processor from ffmpeg, and from the thread that they wait for."""

RATE = 16_000
BLOCK_SECONDS = 240
"""The length of a block; it ends at the last silence of its last TAIL_SECONDS."""
TAIL_SECONDS = 60
NO_SPEECH_MAX = 0.6
LOG_PROBABILITY_MIN = -1.0
COMPRESSION_MAX = 2.4
"""The thresholds of OpenAI's implementation: no-speech probability, mean log probability, compression ratio."""
SILENCE_SECONDS = 2.0
"""Words on both sides of a silence of this length are suspected to be invented, and checked again."""
JOINED = ("-", "'", "’", "%")  # noqa: RUF001 - an apostrophe
REPEATS_MAX = 2
"""A text is kept this often in a row."""


class Request(msgspec.Struct):
    """The argument: paths, the model's settings, and what the caller knows of the speech."""

    sound: str
    model: str
    language: str
    """A language code, or `auto`."""
    threads: int
    beam_size: int
    compute_type: str
    terms: list[str]
    """Names and terms to expect."""


def main() -> None:
    """Print the words of a 16 kHz mono WAV file. The last argument is a Request in JSON."""
    from faster_whisper import WhisperModel  # noqa: PLC0415 - only this process pays for it

    request = msgspec.json.decode(sys.argv[-1], type=Request)
    model = WhisperModel(
        request.model,
        device="cpu",
        compute_type=request.compute_type,
        cpu_threads=request.threads,
        num_workers=1,
        local_files_only=True,
    )
    known = model.supported_languages
    if request.language not in ("auto", *known):
        names = "English only" if known == ["en"] else f"{len(known)} languages, and not {request.language}"
        say(Line(refused=f"The Whisper model of this deployment knows {names}"))
        return
    _recognise(model, request)


def _recognise(model: Any, request: Request) -> None:
    language = None if request.language == "auto" else request.language
    recent: deque[str] = deque(maxlen=REPEATS_MAX)
    for start, samples, end in _blocks(request.sound):
        if samples is not None:
            segments, info = _segments(model, samples, language, request)
            if language is None:
                language = info.language
                say(Line(language=info.language, probability=round(float(info.language_probability), 3)))
            for segment in segments:
                for word in _words(segment) if _is_speech(segment, recent) else []:
                    say(Line(word.text, start + word.start, start + word.end, word.confidence))
                say(Line(at=start + float(segment.end)))
        say(Line(at=end))


def _segments(model: Any, samples: Any, language: str | None, request: Request) -> Any:
    return model.transcribe(
        samples,
        language=language,
        beam_size=request.beam_size,
        word_timestamps=True,
        vad_filter=True,
        vad_parameters={"min_silence_duration_ms": 500, "min_speech_duration_ms": 100},
        condition_on_previous_text=False,  # one invented sentence would lead to the next
        no_speech_threshold=NO_SPEECH_MAX,
        log_prob_threshold=LOG_PROBABILITY_MIN,
        compression_ratio_threshold=COMPRESSION_MAX,
        hallucination_silence_threshold=SILENCE_SECONDS,
        hotwords=", ".join(request.terms) or None,
    )


def _words(segment: Any) -> list[Line]:
    """Return the words of a segment. The second part of a compound such as "ill-disposed" belongs to the first."""
    found: list[Line] = []
    for word in segment.words or []:
        text = word.word.strip()
        if found and len(text) > 1 and text.startswith(JOINED):
            before = found[-1]
            found[-1] = Line(before.text + text, before.start, float(word.end), min(before.confidence, float(word.probability)))
        elif text:
            found.append(Line(text, float(word.start), float(word.end), float(word.probability)))
    return found


def _is_speech(segment: Any, recent: deque[str]) -> bool:
    text = segment.text.strip()
    repeated = len(recent) == REPEATS_MAX and all(text == other for other in recent)
    recent.append(text)
    if segment.no_speech_prob > NO_SPEECH_MAX and segment.avg_logprob < LOG_PROBABILITY_MIN / 2:
        return False
    return bool(text) and not repeated and segment.compression_ratio <= COMPRESSION_MAX


def _blocks(path: str) -> Iterator[tuple[float, Any, float]]:
    """Yield blocks of sound: start in s, samples from -1 to 1 (None: no speech), end in s."""
    import numpy as np  # noqa: PLC0415
    from faster_whisper.vad import get_speech_timestamps  # noqa: PLC0415

    with wave.open(path, "rb") as sound:
        total, at = sound.getnframes(), 0
        while at < total:
            sound.setpos(at)
            data = sound.readframes(BLOCK_SECONDS * RATE)
            samples = np.frombuffer(data, dtype=np.int16).astype(np.float32) / 32768
            if not samples.size:
                return
            spoken = get_speech_timestamps(samples, sampling_rate=RATE, min_silence_duration_ms=500)
            length = _cut(samples.size, spoken) if at + samples.size < total else samples.size
            has_speech = any(part["start"] < length for part in spoken)
            yield at / RATE, samples[:length] if has_speech else None, (at + length) / RATE
            at += length


def _cut(size: int, spoken: list[dict[str, int]]) -> int:
    """Return where a block of `size` samples ends: in the middle of its last silence, if that is late enough."""
    edges = [0, *(edge for part in spoken for edge in (part["start"], part["end"])), size]
    silences = zip(edges[::2], edges[1::2], strict=True)
    cuts = [(start + end) // 2 for start, end in silences if end > start]
    late = [cut for cut in cuts if cut >= size - TAIL_SECONDS * RATE]
    return late[-1] if late else size
