"""Parameters of `caption_generation`. The defaults follow the style guides of large broadcasters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from chalicelib.domain.params.common import AudioTrack, Strict, meta
from chalicelib.domain.validation import FieldError

if TYPE_CHECKING:
    from chalicelib.domain.captions.cues import Style

Format = Literal["vtt", "srt", "ttml", "json", "txt"]
_FORMATS = "vtt, srt, ttml, json, txt"
Term = Annotated[str, meta("a name or a term of 1 to 64 characters", min_length=1, max_length=64)]


class CaptionStyle(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The limits of a cue."""

    max_line_length: Annotated[int, meta("an integer from 16 to 80 characters", ge=16, le=80)] = 42
    max_lines: Annotated[int, meta("an integer from 1 to 4 lines a cue", ge=1, le=4)] = 2
    max_reading_speed: Annotated[float, meta("a number from 8 to 40 characters a second", ge=8, le=40)] = 20
    min_gap: Annotated[float, meta("a number of seconds from 0 to 1 between two cues", ge=0, le=1)] = 0.08
    min_duration: Annotated[float, meta("a number of seconds from 0.2 to 3", ge=0.2, le=3)] = 0.833
    max_duration: Annotated[float, meta("a number of seconds from 2 to 20", ge=2, le=20)] = 7

    def __post_init__(self) -> None:
        """Check fields that depend on each other."""
        if self.max_duration <= self.min_duration:
            raise FieldError("max_duration", "longer than min_duration")

    @property
    def style(self) -> Style:
        """The limits in characters and ms."""
        from chalicelib.domain.captions.cues import Style  # noqa: PLC0415 - only captions need it

        return Style(
            line_length=self.max_line_length,
            lines=self.max_lines,
            reading_speed=self.max_reading_speed,
            gap_ms=round(self.min_gap * 1000),
            min_ms=round(self.min_duration * 1000),
            max_ms=round(self.max_duration * 1000),
        )


class CaptionParams(CaptionStyle, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of `caption_generation`."""

    format: Annotated[Format, meta(f"one of {_FORMATS}")] | None = None
    formats: Annotated[list[Format], meta(f"a list of {_FORMATS}, each once", min_length=1, max_length=5)] | None = None
    engine: Annotated[Literal["whisper", "transcribe"], meta("one of whisper, transcribe (if the deployment has it)")] = (
        "whisper"
    )
    language: Annotated[
        str, meta("a language tag such as en or en-US, or auto", pattern=r"^([a-z]{2,3}(-[A-Z]{2})?|auto)$(?!\n)")
    ] = "en"
    vocabulary: Annotated[list[Term], meta("a list of at most 100 names and terms of 1 to 64 characters", max_length=100)] = (
        msgspec.field(default_factory=list)
    )
    use_taxonomy: Annotated[bool, meta("true or false: whether to expect the names of the taxonomy")] = False
    audio_track: AudioTrack | None = None
    strict: Strict = False

    def __post_init__(self) -> None:
        """Check fields that depend on each other."""
        super().__post_init__()
        if self.format is not None and self.formats is not None:
            raise FieldError("formats", "absent when format is given: use only one of them")
        if len(set(self.formats or ())) < len(self.formats or ()):
            raise FieldError("formats", f"a list of {_FORMATS}, each once")
        if self.engine == "transcribe" and (self.vocabulary or self.use_taxonomy):
            raise FieldError("vocabulary" if self.vocabulary else "use_taxonomy", "absent when engine is transcribe")

    @property
    def wanted(self) -> list[Format]:
        """The formats to write, the main one first."""
        return self.formats or [self.format or "vtt"]
