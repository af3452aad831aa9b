"""`caption_generation`: speech to captions, in one or several formats."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from chalicelib.domain.captions.cues import LOW_CONFIDENCE
from chalicelib.domain.captions.formats import MIME, WRITERS
from chalicelib.errors import MediaRejected
from workers.captions.builder import build
from workers.captions.engines import ENGINES
from workers.captions.speech import Asked
from workers.context.work import Done, Output
from workers.media import ffmpeg, probe, tracks

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.domain.params.caption_generation import CaptionParams
    from workers.context.work import Work
    from workers.media.probe import Stream

SAMPLE_RATE = 16_000  # the sample rate of all engines
WORDS_IN_RESULT = 5000
TERMS_MAX = 200
EXTRACTION = 0.1
"""The share of progress for the extraction of the audio."""


def run(work: Work) -> Done:
    """Run the operation."""
    params: CaptionParams = work.params
    source = tracks.open_input(work, "audio")
    track = source.track("audio")
    if track is None:
        raise MediaRejected(f"{source.without('audio')}: there is nothing to caption")
    started = time.monotonic()
    sound, reached = _extract(work, track, source.duration)
    work.warnings.check_length(source.promised([track]), reached)
    asked = Asked(params.language, source.duration, _terms(work))
    heard = ENGINES[params.engine](sound, asked, _later(work))
    sound.unlink()
    cues = build(heard.words, params.style, heard.language)
    outputs = []
    for kind in params.wanted:
        target = work.folder / f"output.{kind}"
        target.write_text(WRITERS[kind](cues, heard.language))
        outputs.append(Output(target, target.name, MIME[kind]))
    shown = [[word.text, word.start_ms / 1000, word.end_ms / 1000, word.confidence] for word in heard.words[:WORDS_IN_RESULT]]
    result = {
        "format": params.wanted[0],
        "formats": params.wanted,
        "language": heard.language,
        "engine": params.engine,
        "cues": len(cues),
        "word_count": len(heard.words),
        "low_confidence_words": sum(word.confidence < LOW_CONFIDENCE for word in heard.words),
        "words": shown,
        "input_duration": source.duration,
        **tracks.taken(source, "audio"),
        "seconds": round(time.monotonic() - started, 3),
    }
    if heard.probability is not None:
        result["language_probability"] = heard.probability
    if not heard.words:
        result["note"] = "No speech was recognised."
    return Done(outputs, result)


def _extract(work: Work, track: Stream, duration: float) -> tuple[Path, float]:
    """Write the sound as the engines read it; return the file and its end, in s."""
    sound = work.folder / "sound.wav"
    form = ["-vn", "-ac", "1", "-ar", str(SAMPLE_RATE), "-c:a", "pcm_s16le", "-f", "wav", f"file:{sound}"]
    command = [*ffmpeg.input_arguments(work.input), "-t", str(probe.DURATION_MAX_SECONDS), "-map", f"0:{track.index}", *form]
    return sound, ffmpeg.run(work, command, seconds=duration, share=(0, EXTRACTION)).reached


def _terms(work: Work) -> tuple[str, ...]:
    """Return the terms to expect: those of the request first, then those of the taxonomy."""
    params: CaptionParams = work.params
    names = work.tools.term_matcher().names if params.use_taxonomy else []
    return tuple(dict.fromkeys([*params.vocabulary, *names]))[:TERMS_MAX]


def _later(work: Work) -> Work:
    """Return the work, with progress after the extraction."""
    return replace(work, progress=lambda share: work.progress(EXTRACTION + (1 - EXTRACTION) * share))
