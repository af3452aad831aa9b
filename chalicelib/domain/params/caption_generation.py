"""Parameters of `caption_generation`. The defaults follow the style guides of large broadcasters."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from chalicelib.domain.params.common import AudioTrack, Strict, meta
from chalicelib.domain.validation import FieldError

ENGLISH_ONLY = ("pocketsphinx",)


class CaptionParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of `caption_generation`."""

    format: Annotated[Literal["vtt", "srt", "json"], meta("one of vtt, srt, json")] = "vtt"
    engine: Annotated[
        Literal["pocketsphinx", "whisper", "transcribe"],
        meta("one of pocketsphinx (a draft), whisper, transcribe, as the deployment has them"),
    ] = "pocketsphinx"
    language: Annotated[str, meta("a language tag such as en or en-US", pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$(?!\n)")] = "en"
    max_line_length: Annotated[int, meta("an integer from 16 to 80 characters", ge=16, le=80)] = 42
    max_lines: Annotated[int, meta("an integer from 1 to 4 lines a cue", ge=1, le=4)] = 2
    max_reading_speed: Annotated[float, meta("a number from 8 to 40 characters a second", ge=8, le=40)] = 20
    min_gap: Annotated[float, meta("a number of seconds from 0 to 1 between two cues", ge=0, le=1)] = 0.08
    min_duration: Annotated[float, meta("a number of seconds from 0.2 to 3", ge=0.2, le=3)] = 0.833
    max_duration: Annotated[float, meta("a number of seconds from 2 to 20", ge=2, le=20)] = 7
    audio_track: AudioTrack | None = None
    strict: Strict = False

    def __post_init__(self) -> None:
        """Check fields that depend on each other."""
        if self.max_duration <= self.min_duration:
            raise FieldError("max_duration", "longer than min_duration")
        if self.engine in ENGLISH_ONLY and self.language.split("-")[0] != "en":
            raise FieldError("language", f"en when engine is {self.engine}: it knows no other")
