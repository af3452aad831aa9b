"""The renditions of a package: heights, codecs and qualities."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from chalicelib.domain.params.common import bits_per_second
from chalicelib.domain.params.streaming import HEIGHTS
from workers.encoding.video import CRF, Quality

if TYPE_CHECKING:
    from chalicelib.domain.params.streaming import Rung
    from chalicelib.domain.params.transcoding import TranscodingParams
    from workers.media.probe import Stream

OWN_SIZE_FROM = 1.12
"""A film that is so much larger than the next height gets a rendition of its own size."""
CEILING_1080P, CEILING_GROWTH = 7_000_000, 1.6
"""The highest bit rate of a default rendition: bit/s at a height of 1080 with h264, and the exponent of the height."""
CEILING_OF_CODEC = {"h264": 1.0, "h265": 0.7, "av1": 0.6}
FAST_FPS, FAST_CEILING = 30.5, 1.4


class Rendition(NamedTuple):
    """One size and codec of the film."""

    codec: str
    height: int
    """The shorter side of its 16:9 box."""
    quality: Quality
    target_vmaf: float | None = None
    own_size: bool = False
    """The size of the film, not that of the box."""

    @property
    def name(self) -> str:
        """The name of its files, without suffix."""
        return f"{self.codec}-{self.height}"

    @property
    def resolution(self) -> str | None:
        """The box, as in `params.resolution`; None: the size of the film."""
        return None if self.own_size else f"{self.height}p"


def film_height(picture: Stream) -> int:
    """Return the height of the smallest 16:9 box, turned for portrait, that holds the film."""
    shown = picture.width * min(4.0, max(0.25, picture.pixel_aspect))
    longer, shorter = max(shown, picture.height), min(shown, picture.height)
    return max(2, 2 * round(max(shorter, longer * 9 / 16) / 2))


def choose(params: TranscodingParams, picture: Stream) -> tuple[list[Rendition], list[int]]:
    """Return the renditions, largest first and by codec, and the heights that were left out because the film is smaller."""
    film = film_height(picture)
    rungs = {rung.height: rung for rung in params.ladder or []}
    if rungs:
        heights = [height for height in sorted(rungs, reverse=True) if height <= film] or [min(rungs)]
    else:
        heights = [height for height in HEIGHTS if height <= film]
        if not heights or (film > heights[0] * OWN_SIZE_FROM and heights[0] < HEIGHTS[0]):
            heights.insert(0, film)
    rate = min(params.fps or picture.fps, 60)
    codecs = [codec for codec in (params.video_codec, params.second_codec) if codec]
    found = [_rendition(params, codec, height, film, rungs.get(height), rate) for codec in codecs for height in heights]
    return found, [height for height in rungs if height not in heights]


def _rendition(params: TranscodingParams, codec: str, height: int, film: int, rung: Rung | None, rate: float) -> Rendition:
    own_size = height >= film
    if rung is not None and rung.bitrate is not None:
        return Rendition(codec, height, Quality(bitrate=bits_per_second(rung.bitrate)), None, own_size)
    target = rung.target_vmaf if rung is not None and rung.target_vmaf is not None else params.target_vmaf
    crf = rung.crf if rung is not None and rung.crf is not None else params.crf
    if target is not None and (rung is None or rung.crf is None):
        return Rendition(codec, height, Quality(CRF[codec]), target, own_size)
    quality = Quality(CRF[codec], ceiling=ceiling(codec, min(height, film), rate)) if crf is None else Quality(crf)
    return Rendition(codec, height, quality, None, own_size)


def ceiling(codec: str, height: int, rate: float) -> int:
    """Return the highest bit rate (bit/s) of a rendition with the default quality."""
    fast = FAST_CEILING if rate > FAST_FPS else 1.0
    return round(CEILING_1080P * float((height / 1080) ** CEILING_GROWTH) * CEILING_OF_CODEC[codec] * fast)
