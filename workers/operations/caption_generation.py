"""`caption_generation`: speech to captions. `result` names the engine and whether its quality is a draft."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from chalicelib.errors import MediaRejected
from workers.captions.cues import Style, build
from workers.captions.engines import ENGINES
from workers.captions.formats import MIME, WRITERS
from workers.context.work import Done, Output
from workers.media import ffmpeg, probe, tracks

if TYPE_CHECKING:
    from chalicelib.domain.params.caption_generation import CaptionParams
    from workers.context.work import Work

SAMPLE_RATE = 16_000  # the sample rate of all engines
WORDS_IN_RESULT = 5000
EXTRACTION = 0.1
"""The share of progress for the extraction of the audio."""
DRAFT = "Draft by {engine}: to be corrected before it is published."


def run(work: Work) -> Done:
    """Run the operation."""
    params: CaptionParams = work.params
    source = tracks.open_input(work, "audio")
    track = source.track("audio")
    if track is None:
        raise MediaRejected(f"{source.without('audio')}: there is nothing to caption")
    started = time.monotonic()
    sound = work.folder / "sound.wav"
    take = [
        "-map",
        f"0:{track.index}",
        "-vn",
        "-ac",
        "1",
        "-ar",
        str(SAMPLE_RATE),
        "-c:a",
        "pcm_s16le",
        "-f",
        "wav",
        f"file:{sound}",
    ]
    bounded = [*ffmpeg.input_arguments(work.input), "-t", str(probe.DURATION_MAX_SECONDS), *take]
    heard = ffmpeg.run(work, bounded, seconds=source.duration, share=(0, EXTRACTION)).reached
    work.warnings.check_length(source.promised([track]), heard)
    engine = ENGINES[params.engine]
    hearing = _later(work)
    words = engine.hear(sound, params.language, source.duration, hearing)
    sound.unlink()
    cues = build(words, style_of(params))
    note = DRAFT.format(engine=params.engine) if engine.draft else ""
    target = work.folder / f"output.{params.format}"
    target.write_text(WRITERS[params.format](cues, params.language, note))
    told = [[word.text, word.start_ms / 1000, word.end_ms / 1000, word.confidence] for word in words[:WORDS_IN_RESULT]]
    result = {
        "format": params.format,
        "language": params.language,
        "engine": params.engine,
        "draft": engine.draft,
        "cues": len(cues),
        "word_count": len(words),
        "words": told,
        "input_duration": source.duration,
        **tracks.taken(source, "audio"),
        "seconds": round(time.monotonic() - started, 3),
    }
    if note or not words:
        result["note"] = note if words else "No speech was recognised."
    return Done([Output(target, target.name, MIME[params.format])], result)


def style_of(params: CaptionParams) -> Style:
    """Return the style in the parameters."""
    return Style(
        line_length=params.max_line_length,
        lines=params.max_lines,
        reading_speed=params.max_reading_speed,
        gap_ms=round(params.min_gap * 1000),
        min_ms=round(params.min_duration * 1000),
        max_ms=round(params.max_duration * 1000),
    )


def _later(work: Work) -> Work:
    """Return the work, with progress after the extraction."""
    return replace(work, progress=lambda share: work.progress(EXTRACTION + (1 - EXTRACTION) * share))
