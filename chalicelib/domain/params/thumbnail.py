"""Parameters of `thumbnail`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from chalicelib.domain.params.common import SIDE_MAX, Deinterlace, Fit, Strict, VideoTrack, meta
from chalicelib.domain.params.streaming import Colour
from chalicelib.domain.validation import FieldError

COUNT_MAX = 100
CELL_SIDE = 160
SHEET_SIDE_MAX = 16_383  # the limit of WebP and of most browsers
Side = Annotated[int, meta(f"an integer from 16 to {SIDE_MAX} pixels", ge=16, le=SIDE_MAX)]
Moment = Annotated[
    str,
    meta("seconds (a number), a percentage such as 25%, or best", pattern=r"^(best|100%|[0-9]{1,2}(\.[0-9]{1,3})?%)$(?!\n)"),
]


class ThumbnailParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of `thumbnail`."""

    at: Annotated[float, meta("seconds (a number), a percentage such as 25%, or best", ge=0, le=86400)] | Moment = "best"
    candidates: Annotated[int, meta("an integer from 1 to 50: how many frames the best is chosen from", ge=1, le=50)] = 10
    width: Side | None = None
    height: Side | None = None
    fit: Fit = "contain"
    format: Annotated[Literal["jpg", "png", "webp"], meta("one of jpg, png, webp")] = "jpg"
    quality: Annotated[int, meta("an integer from 1 to 100, higher is better", ge=1, le=100)] = 85
    count: Annotated[int, meta(f"an integer from 1 to {COUNT_MAX}: pictures spread over the film", ge=1, le=COUNT_MAX)] = 1
    sprite: Annotated[bool, meta("true or false: one sheet of all pictures and a WebVTT track that maps times to them")] = False
    waveform: Annotated[bool, meta("true or false: whether the sound is drawn instead of a picture")] = False
    waveform_color: Colour | None = None
    background_color: Colour | None = None
    deinterlace: Deinterlace = "auto"
    video_track: VideoTrack | None = None
    strict: Strict = False

    def __post_init__(self) -> None:
        """Check fields that depend on each other."""
        if self.fit != "contain" and (self.width is None or self.height is None):
            raise FieldError("fit", "contain unless width and height are given: there is no box to fill")
        if self.waveform and (self.count > 1 or self.at != "best"):
            raise FieldError("waveform", "false when at or count is given: the whole sound is drawn")
        if self.sprite and self.count == 1:
            raise FieldError("count", f"an integer from 2 to {COUNT_MAX} when sprite is true")
        if self.count > 1 and self.at != "best":
            raise FieldError("at", "absent when count is more than 1: the pictures are spread over the film")
        if self.sprite and self.sheet_columns * max(self.cell) > SHEET_SIDE_MAX:
            raise FieldError(
                "width", f"smaller: {self.count} pictures of that size make a sheet of over {SHEET_SIDE_MAX} pixels"
            )

    @property
    def sheet_columns(self) -> int:
        """Columns and maximum number of rows of a sprite sheet."""
        return next(side for side in range(1, COUNT_MAX) if side * side >= self.count)

    @property
    def cell(self) -> tuple[int, int]:
        """The box of one image on a sprite sheet."""
        return self.width or self.height or CELL_SIDE, self.height or self.width or CELL_SIDE
