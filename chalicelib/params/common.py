"""What the parameters of several operations share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from chalicelib.validation import FieldError

SIDE_MAX = 8192


def meta(description: str, **limits: Any) -> msgspec.Meta:
    """Return limits for a field; the sentence "<field> must be <description>" is what a caller reads."""
    return msgspec.Meta(description=description, **limits)


Fit = Annotated[
    Literal["contain", "cover", "pad"],
    meta("one of contain (inside the box), cover (fill it, cut what is over), pad (inside it, bars around)"),
]
Seconds = Annotated[float, meta("a number of seconds from 0 to 86400", ge=0, le=86400)]


def bits_per_second(text: str) -> int:
    """Read a bitrate such as 128k or 2.5M."""
    return round(float(text[:-1]) * {"k": 1_000, "M": 1_000_000}[text[-1]])


def parse_resolution(text: str) -> tuple[int, int]:
    """Return the box, (long side, short side) for a name such as 720p, else (width, height)."""
    if text.endswith("p"):
        short = int(text[:-1])
        if not 144 <= short <= 4320:  # noqa: PLR2004 - said in the message
            raise FieldError("resolution", "a height from 144p to 4320p")
        return round(short * 16 / 9 / 2) * 2, short
    width, height = (int(side) for side in text.split("x"))
    if not (16 <= width <= SIDE_MAX and 16 <= height <= SIDE_MAX):  # noqa: PLR2004 - said in the message
        raise FieldError("resolution", "WIDTHxHEIGHT with 16 to 8192 each")
    return width, height
