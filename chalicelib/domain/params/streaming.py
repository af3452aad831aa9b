"""Parameters of streaming packages: the ladder of renditions, and target qualities."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from chalicelib.domain.params.common import Crf, VideoRate, check_rate, meta
from chalicelib.domain.validation import FieldError

RUNGS_MAX = 8
CAPTIONS_MAX = 20
HEIGHT_LEAST, HEIGHT_MOST = 144, 4320
HEIGHTS = (2160, 1440, 1080, 720, 480, 360, 240)
"""The renditions of a package without a ladder."""
CRF_MAX = {"h264": 51, "h265": 51, "vp9": 63, "av1": 63}
"""Codec -> the worst quality of its encoder."""
LADDER = "a list of renditions such as {height: 720} or {height: 720, crf: 23}, also with bitrate or target_vmaf instead of crf"
LadderCodec = Annotated[Literal["h264", "h265", "av1"], meta("one of h264, h265, av1: a second set of renditions")]
TargetVmaf = Annotated[float, meta("a VMAF score from 1 to 99, usually 93", ge=1, le=99)]
Colour = Annotated[str, meta("a colour such as #1d4ed8", pattern=r"^#[0-9A-Fa-f]{6}$(?!\n)")]
CaptionsLanguage = Annotated[str, meta("a language tag such as en or de-DE", pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$(?!\n)")]


class Rung(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rendition of a ladder: its height, and at most one of the three qualities."""

    height: Annotated[int, meta("the shorter side, 144 to 4320 pixels", ge=HEIGHT_LEAST, le=HEIGHT_MOST)]
    crf: Crf | None = None
    bitrate: VideoRate | None = None
    target_vmaf: TargetVmaf | None = None


def check_ladder(ladder: list[Rung], codecs: list[str]) -> None:
    """Check what the types cannot: one quality for each rendition, within the scale of every codec, and distinct heights."""
    heights = [rung.height for rung in ladder]
    if len(set(heights)) < len(heights):
        raise FieldError("ladder", "a list of renditions with different heights")
    for rung in ladder:
        named = [name for name in ("crf", "bitrate", "target_vmaf") if getattr(rung, name) is not None]
        if len(named) > 1:
            raise FieldError("ladder", "a list of renditions with at most one of crf, bitrate and target_vmaf each")
        most = min(CRF_MAX[codec] for codec in codecs)
        if rung.crf is not None and rung.crf > most:
            raise FieldError("ladder", f"a list of renditions whose crf is at most {most} for {' and '.join(codecs)}")
        if rung.bitrate is not None:
            try:
                check_rate(rung.bitrate)
            except FieldError as error:
                raise FieldError("ladder", "a list of renditions whose bitrate is from 50k to 200M") from error
