"""The filters of the picture: whole frames, standard range, size, captions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from chalicelib.domain.params.common import parse_resolution
from workers.media import framing, interlacing

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.domain.params.transcoding import TranscodingParams
    from workers.context.work import Work
    from workers.media.probe import Media, Stream


def field_order(work: Work, source: Media, file: Path) -> str:
    """Return the field shown first of a film to deinterlace, else `progressive`."""
    params: TranscodingParams = work.params
    picture = source.track("video")
    if picture is None or params.deinterlace == "off":
        return "progressive"
    found = interlacing.detect(file, source, picture, check=work.check)
    if params.deinterlace == "on" and found == "progressive":
        return "bottom" if picture.field_order == "bottom" else "top"
    return found


def frames(picture: Stream, fields: str, rate: float | None) -> list[str]:
    """Return the filters for all sizes: `rate` whole frames a second (None: the film's own), in standard range."""
    return [*framing.stated_matrix(picture), *framing.whole_frames(picture, fields, rate), *framing.standard_range(picture)]


def scaled(resolution: str | None, fit: str = "contain", *, upscale: bool = False, even: int = 2) -> list[str]:
    """Return the filters that fit the picture into its box: square pixels, proportions kept, even sides for the codec."""
    if resolution is None:
        return framing.fit(None, even=even)
    width, height = parse_resolution(resolution)
    box, shown = (str(width), str(height)), framing.SHOWN_WIDTH
    if resolution.endswith("p"):  # 720p of a portrait picture is 720 wide
        box = (f"if(gte({shown},ih),{width},{height})", f"if(gte({shown},ih),{height},{width})")
    return framing.fit(box, fit, upscale=upscale, even=even)


class Look(NamedTuple):
    """The picture as it is meant to look."""

    opened: list[str]
    """The arguments that open the film."""
    stream: int
    """The index of its picture."""
    filters: list[str]
    """The filters before those of the size."""
    drawn: list[str]
    """The filter that draws captions, after those of the size."""
    timed: tuple[str, ...] = ()
    """The filters that cut the film and set its times, before those of the size."""

    def sized(self, size: list[str]) -> list[str]:
        """Return all filters, for a picture of a size."""
        return [*self.filters, *self.timed, *size, *self.drawn]
