"""Types and limits that several operations share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from chalicelib.domain.validation import FieldError

SIDE_MAX = 8192


def meta(description: str, **limits: Any) -> msgspec.Meta:
    """Return the limits of a field. The API's error reads "<field> must be <description>"."""
    return msgspec.Meta(description=description, **limits)


Fit = Annotated[
    Literal["contain", "cover", "pad"],
    meta("one of contain (inside the box), cover (fill it, cut what is over), pad (inside it, bars around)"),
]
_SOUND = "a number of a sound stream (0 is the first) or a language such as de"
AudioTrack = (
    Annotated[int, meta(_SOUND, ge=0, le=255)] | Annotated[str, meta(_SOUND, pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$(?!\n)")]
)
VideoTrack = Annotated[int, meta("a number of a picture stream (0 is the first)", ge=0, le=255)]
Deinterlace = Annotated[
    Literal["auto", "on", "off"], meta("one of auto (where frames show combs), on (whatever the film says), off")
]
Strict = Annotated[bool, meta("true or false: whether a job fails when parts of its input are missing or damaged")]
VIDEO_RATE = "a video bitrate such as 800k or 2.5M (50k to 200M)"
VideoRate = Annotated[str, meta(VIDEO_RATE, pattern=r"^[0-9]{1,6}(\.[0-9]{1,3})?[kM]$(?!\n)")]
Crf = Annotated[int, meta("an integer from 0 to 63 (to 51 for h264 and h265), lower is better", ge=0, le=63)]
Seconds = Annotated[float, meta("a number of seconds from 0 to 86400", ge=0, le=86400)]


def bits_per_second(text: str) -> int:
    """Parse a bitrate such as 128k or 2.5M."""
    return round(float(text[:-1]) * {"k": 1_000, "M": 1_000_000}[text[-1]])


def check_rate(text: str) -> None:
    """Check the limits of a video bitrate."""
    if not 50_000 <= bits_per_second(text) <= 200_000_000:  # noqa: PLR2004 - said in the message
        raise FieldError("bitrate", VIDEO_RATE)


def parse_resolution(text: str) -> tuple[int, int]:
    """Return the box: (long side, short side) for a name such as 720p, else (width, height)."""
    if text.endswith("p"):
        short = int(text[:-1])
        if not 144 <= short <= 4320:  # noqa: PLR2004 - said in the message
            raise FieldError("resolution", "a height from 144p to 4320p")
        return round(short * 16 / 9 / 2) * 2, short
    width, height = (int(side) for side in text.split("x"))
    if not (16 <= width <= SIDE_MAX and 16 <= height <= SIDE_MAX):  # noqa: PLR2004 - said in the message
        raise FieldError("resolution", "WIDTHxHEIGHT with 16 to 8192 each")
    return width, height
