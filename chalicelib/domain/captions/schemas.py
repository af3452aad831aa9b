"""The requests and responses of `/captions`."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from chalicelib.domain.captions.limits import Exceeded  # noqa: TC001 - msgspec reads the annotations
from chalicelib.domain.captions.parse import CaptionsBody
from chalicelib.domain.jobs import DEFAULT_PRIORITY
from chalicelib.domain.params.caption_generation import CaptionParams, CaptionStyle, Format, Term
from chalicelib.domain.params.common import AudioTrack, meta
from chalicelib.domain.requests import URL_MAX
from chalicelib.domain.schemas import Answer, JobId, Time
from chalicelib.domain.validation import FieldError, is_web_address, validate, without_empty

_URL = f"an http or https URL of at most {URL_MAX} characters"
NO_STYLE: dict[str, Any] = {}


class CaptionsRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /captions`: the film, and the parameters of `caption_generation`."""

    input_file_id: Annotated[UUID, meta("the UUID of a directus_files record")] | None = None
    input_url: Annotated[str, meta(_URL, max_length=URL_MAX)] | None = None
    language: Annotated[str, meta("a language tag such as en or en-US, or auto")] = "en"
    formats: Annotated[list[Format], meta("a list of vtt, srt, ttml, json, txt, each once")] = msgspec.field(
        default_factory=lambda: ["vtt"]
    )
    style: Annotated[dict[str, Any], meta("an object of limits, such as max_line_length")] = NO_STYLE
    vocabulary: Annotated[list[Term], meta("a list of at most 100 names and terms of 1 to 64 characters")] = msgspec.field(
        default_factory=list
    )
    use_taxonomy: Annotated[bool, meta("true or false: whether to expect the names of the taxonomy")] = False
    engine: Annotated[str, meta("one of whisper, transcribe (if the deployment has it)")] = "whisper"
    audio_track: AudioTrack | None = None
    priority: Annotated[int, meta("an integer from 1 to 100, lower first", ge=1, le=100)] = DEFAULT_PRIORITY
    callback_url: Annotated[str, meta(_URL, max_length=URL_MAX)] | None = None

    def __post_init__(self) -> None:
        """Check fields that depend on each other."""
        if (self.input_file_id is None) == (self.input_url is None):
            raise FieldError("input_file_id", "given, or input_url: exactly one of them")
        if self.input_url is not None and not is_web_address(self.input_url):
            raise FieldError("input_url", _URL)

    def params(self) -> dict[str, Any]:
        """Return the parameters of `caption_generation`. JSON is always written: it is what an editor reads.

        Raises:
            BadRequest: the message names the field and what it must be.
        """
        validate(self.style, CaptionStyle, "style")
        formats = [*self.formats, *(["json"] if "json" not in self.formats else [])]
        names = ("language", "vocabulary", "use_taxonomy", "engine", "audio_track")
        params = {"formats": formats, **{name: getattr(self, name) for name in names}, **self.style}
        params = without_empty(params, CaptionParams)
        validate(params, CaptionParams)
        return params


def parse_request(data: dict[str, Any]) -> CaptionsRequest:
    """Parse the body of `POST /captions`."""
    return validate(without_empty(data, CaptionsRequest), CaptionsRequest)


class CueView(msgspec.Struct, omit_defaults=True):
    """One cue. Times are in s. Words of low confidence have `check`."""

    start: float
    end: float
    lines: list[str]
    words: list[dict[str, Any]] = []


class Version(msgspec.Struct):
    """One version of the captions: 1 is what was recognised."""

    version: int
    created_at: Time | None
    files: Annotated[dict[str, str], msgspec.Meta(description="format -> the id of its file")]


class CaptionsAnswer(Answer):
    """The captions of a job. `cues` is null until it is completed."""

    jobId: JobId  # noqa: N815
    state: Annotated[str, msgspec.Meta(description="the state of the job")]
    progress: int
    error: str | None
    language: str | None
    version: int
    files: Annotated[dict[str, str], msgspec.Meta(description="format -> the id of its file")]
    versions: Annotated[list[Version], msgspec.Meta(description="the earlier versions")]
    cues: list[CueView] | None


class ReplacedAnswer(Answer):
    """The new version of the captions, and which cues exceed the limits."""

    jobId: JobId  # noqa: N815
    version: int
    files: dict[str, str]
    warnings: list[Exceeded]


class DeletedAnswer(Answer):
    """The captions are deleted."""

    jobId: JobId  # noqa: N815
    status: Literal["deleted"] = "deleted"


__all__ = ["CaptionsAnswer", "CaptionsBody", "CaptionsRequest", "DeletedAnswer", "ReplacedAnswer", "parse_request"]
