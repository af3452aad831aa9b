"""The warnings of a finished job: `result.warnings` is a list of `{code, message}`."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

import msgspec

Code = Literal[
    "input_truncated",
    "decode_errors",
    "stream_ignored",
    "channels_mixed",
    "captions_outside",
    "renditions_skipped",
    "target_missed",
    "metadata_dropped",
    "metadata_kept",
]
MEANINGS: dict[Code, str] = {
    "input_truncated": "The input ends before its index says so. The output is shorter.",
    "decode_errors": "Parts of the input are damaged and could not be decoded, or not without visible or audible faults.",
    "stream_ignored": "A stream was left out because it cannot be decoded, is empty, or is beyond the limits.",
    "channels_mixed": "The output format has no layout for the sound channels of the input. They were mixed into fewer.",
    "captions_outside": "Captions after the end of the film were left out.",
    "renditions_skipped": "Renditions of the ladder that are larger than the film, or that bring no quality, were left out.",
    "target_missed": "The quality that target_vmaf asks for could not be reached.",
    "metadata_dropped": "Private or technical data beside the picture and the sound was removed.",
    "metadata_kept": "Private data may remain because the format cannot be cleaned without encoding.",
}
"""Code -> meaning."""
LOSSES: frozenset[Code] = frozenset({"input_truncated", "decode_errors"})
"""Codes that make a job with `"strict": true` fail."""
assert set(MEANINGS) == set(get_args(Code))


class InputWarning(msgspec.Struct, frozen=True):
    """A problem of the input that did not stop the job."""

    code: Annotated[Code, msgspec.Meta(description="what kind of thing; see the API reference")]
    message: Annotated[str, msgspec.Meta(description="a sentence for people")]


def from_result(result: object) -> list[InputWarning]:
    """Return the warnings in the `result` of a record. The owner can write there, so any content must be handled."""
    listed = result.get("warnings") if isinstance(result, dict) else None
    try:
        return msgspec.convert(listed or [], list[InputWarning])
    except msgspec.ValidationError:
        return []
