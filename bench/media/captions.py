"""Captions: word error rate on human speech, speed, memory, a long file, and what a transcode beside it costs.

The recordings are in the public domain (bench/media/recordings/README.md). For another figure, set BENCH_SPEECH to a recording
and BENCH_TRANSCRIPT to its text. BENCH_ENGINE names the engine (whisper); WHISPER_MODEL and TRANSCRIBE_BUCKET are those of a
worker.
"""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.media.thumbnails import make_tools
from chalicelib.domain.params.caption_generation import CaptionParams
from chalicelib.domain.validation import validate
from workers.context import programs
from workers.context.terms import words
from workers.context.work import Speech, Work
from workers.operations import caption_generation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench import Figures

RECORDINGS = Path(__file__).parent / "recordings"
LONG_SECONDS = int(os.environ.get("BENCH_LONG_SECONDS", "1800"))
PROBED_SECONDS = 60
"""The length of silence, tone, music and noise."""
BESIDE_SECONDS, WARM_SECONDS = 120, 3
NO_SPEECH = {
    "silence": "anullsrc=r=48000",
    "tone": "sine=frequency=440",
    "music": "aevalsrc='0.2*sin(440*PI*t*pow(2,floor(mod(t*2,8))/12))+0.1*sin(2*PI*t*55)*exp(-8*mod(t,0.5))+.1*sin(660*PI*t)'",
    "noise": "anoisesrc=color=pink:amplitude=0.3",
}


def run() -> Figures:
    """Measure all."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = {f"captions_{label}": _hear(sound, text, folder) for label, sound, text in recordings()}
        if "captions_own" in figures:
            return figures
        joined = folder / "long.wav"
        _repeat(RECORDINGS / "sense_and_sensibility.ogg", joined, LONG_SECONDS)
        figures["captions_long"] = _hear(joined, "", folder)
        figures["captions_beside_a_transcode"] = _beside(folder)
        figures["captions_without_speech"] = {label: _cues(source, folder) for label, source in NO_SPEECH.items()}
        return figures


def error_rate(said: list[str], heard: list[str]) -> float:
    """Return the word error rate (Levenshtein). It can be above 1."""
    row = list(range(len(heard) + 1))
    for number, word in enumerate(said, 1):
        previous, row[0] = row[0], number
        for at, other in enumerate(heard, 1):
            previous, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, previous + (word != other))
    return row[-1] / max(1, len(said))


def recordings() -> list[tuple[str, Path, str]]:
    """Return the recordings: name, sound, text."""
    own, transcript = os.environ.get("BENCH_SPEECH"), os.environ.get("BENCH_TRANSCRIPT")
    if own and transcript:
        return [("own", Path(own).resolve(), Path(transcript).read_text())]
    return [(sound.stem, sound, sound.with_suffix(".txt").read_text()) for sound in sorted(RECORDINGS.glob("*.ogg"))]


def _hear(sound: Path, text: str, folder: Path) -> dict[str, float]:
    shares: list[float] = []
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    took, result = _caption(sound, folder, shares)
    heard = words(" ".join(word for word, *_ in result["words"]))
    figures = {
        "words": result["word_count"],
        "seconds of sound": round(result["input_duration"], 1),
        "seconds per second of sound": round(took / result["input_duration"], 3),
        "peak memory MB": max(before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) >> 10,
        "progress reports": len(set(shares)),
    }
    return figures | ({"word error rate": round(error_rate(words(text), heard), 3)} if text else {})


def _caption(sound: Path, folder: Path, shares: list[float] | None = None) -> tuple[float, dict[str, Any]]:
    """Return the seconds that a job's operation takes, and its result."""
    model = os.environ.get("WHISPER_MODEL")
    speech = Speech(whisper_model=Path(model) if model else None, transcribe_bucket=os.environ.get("TRANSCRIBE_BUCKET", ""))
    params = validate({"engine": os.environ.get("BENCH_ENGINE", "whisper"), "format": "json"}, CaptionParams)
    with tempfile.TemporaryDirectory(dir=folder) as out:
        tools = replace(make_tools(folder), speech=speech)
        report = shares.append if shares is not None else lambda share: None
        started = time.perf_counter()
        done = caption_generation.run(Work(params, sound, Path(out), time.monotonic() + 3600, tools, report))
        return time.perf_counter() - started, done.result


def _beside(folder: Path) -> dict[str, float]:
    """Compare a recognition alone with one beside a transcode."""
    sound = folder / "beside.wav"
    _repeat(RECORDINGS / "sense_and_sensibility.ogg", sound, BESIDE_SECONDS)
    alone, _ = _caption(sound, folder)
    with _transcode():
        time.sleep(WARM_SECONDS)
        beside, _ = _caption(sound, folder)
    return {"seconds alone": round(alone, 2), "seconds beside": round(beside, 2), "ratio": round(beside / alone, 2)}


@contextmanager
def _transcode() -> Iterator[None]:
    """Encode 1080p with all cores, until the end of the block."""
    source = [
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=1920x1080:rate=25",
        "-c:v",
        "libx265",
        "-preset",
        "slow",
        "-x265-params",
        "log-level=none",
        "-f",
        "null",
        "-",
    ]
    process = subprocess.Popen([programs.find().ffmpeg, "-nostdin", "-v", "error", *source])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _cues(source: str, folder: Path) -> float:
    sound = folder / "other.wav"
    _ffmpeg("-f", "lavfi", "-i", source, "-t", str(PROBED_SECONDS), "-ac", "1", "-ar", "48000", sound)
    return float(_caption(sound, folder)[1]["cues"])


def _repeat(sound: Path, target: Path, seconds: int) -> None:
    _ffmpeg("-stream_loop", "-1", "-i", sound, "-t", str(seconds), "-ar", "16000", target)


def _ffmpeg(*arguments: str | Path) -> None:
    subprocess.run([programs.find().ffmpeg, "-nostdin", "-v", "error", "-y", *arguments], check=True)
