"""What the time and the outputs of a job depend on: its kind, and a few measures of its input and parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from chalicelib.domain.estimates.speeds import encoding_seconds
from chalicelib.domain.params.caption_generation import CaptionParams
from chalicelib.domain.params.common import parse_resolution
from chalicelib.domain.params.streaming import HEIGHTS
from chalicelib.domain.params.thumbnail import ThumbnailParams
from chalicelib.domain.params.transcoding import TranscodingParams

if TYPE_CHECKING:
    from collections.abc import Sequence

USUAL_FPS = 30.0
VISUAL_SIZE = (1280, 720)
"""The picture that a sound gets."""
GIGABYTE = 1e9
GROUP_SECONDS = 10.0
"""The usual distance of two keyframes at most: a seek decodes half of it."""
USUAL_BITS, DETAIL_MAX = 0.1, 8.0
"""The bits of an input for each pixel of a usual film, and how much more detailed than that a film may count."""
MEASURES = 4
"""One; seconds of encoding; gigapixels to decode, or seconds to hear; gigabytes, or seconds of encoding times the detail."""


class Facts(msgspec.Struct, kw_only=True):
    """What is known of an input. 0: unknown."""

    duration: float = 0.0
    """In s."""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    bytes: int = 0

    @property
    def described(self) -> bool:
        """Whether the measures of a film, a sound or a picture are known."""
        return self.duration > 0 or self.pixels > 0

    @property
    def pixels(self) -> int:
        """Those of a frame; 0: it has no picture, or nobody knows."""
        return self.width * self.height

    @property
    def gigapixels(self) -> float:
        """The pixels of all its frames, in 1e9."""
        return self.pixels * max(1.0, self.duration * (self.fps or USUAL_FPS)) / 1e9

    @property
    def detail(self) -> float:
        """The bits for each pixel, relative to a usual film: what is hard to compress is slow to encode."""
        bits = self.bytes * 8 / (self.gigapixels * 1e9) if self.gigapixels and self.bytes else USUAL_BITS
        return min(DETAIL_MAX, bits / USUAL_BITS)


class Shape(NamedTuple):
    """A job, as the estimates see it."""

    kind: str
    """The operation and what makes its jobs alike, such as `transcoding/mp4/h264/medium`."""
    measures: tuple[float, ...]

    @property
    def root(self) -> str:
        """The operation."""
        return self.kind.partition("/")[0]


def shapes_of(operation: str, params: msgspec.Struct, facts: Facts) -> list[Shape]:
    """Return the shapes of a job, the most exact first: by all that is known, by its size alone, by nothing."""
    shapes = []
    if facts.described:
        kind, encoding, reading = _measured(operation, params, facts)
        last = encoding * facts.detail if operation == "transcoding" and encoding else facts.bytes / GIGABYTE
        shapes.append(Shape(kind, (1.0, encoding, reading, last)))
    if facts.bytes:
        shapes.append(Shape(f"{operation}:size", (1.0, 0.0, 0.0, facts.bytes / GIGABYTE)))
    return [*shapes, Shape(f"{operation}:any", (1.0, 0.0, 0.0, 0.0))]


def _measured(operation: str, params: msgspec.Struct, facts: Facts) -> tuple[str, float, float]:
    """Return the kind, the seconds of encoding, and the gigapixels to decode or the seconds to hear."""
    if isinstance(params, TranscodingParams):
        return _transcoding(params, facts)
    if isinstance(params, ThumbnailParams):
        how = "waveform" if params.waveform else "sprite" if params.sprite else "best" if params.at == "best" else "at"
        looks = params.candidates if how == "best" else params.count
        sought = min(facts.duration, GROUP_SECONDS) * (facts.fps or USUAL_FPS) / 2
        return f"thumbnail/{how}", facts.pixels * looks / 1e9, facts.pixels * looks * sought / 1e9
    if isinstance(params, CaptionParams):
        return f"caption_generation/{params.engine}", 0.0, facts.duration
    return operation, 0.0, facts.gigapixels + facts.duration / 1000


def _transcoding(params: TranscodingParams, facts: Facts) -> tuple[str, float, float]:
    length = max(0.0, facts.duration - params.start)
    length = length if params.duration is None else min(length, params.duration)
    share = length / facts.duration if facts.duration else 1.0
    codecs = [codec for codec in (params.video_codec, params.second_codec) if codec]
    flags = [name for name in ("target_vmaf", "quality", "loudness", "burn_in", "visual") if getattr(params, name)]
    if params.visual and not facts.pixels:
        facts = msgspec.structs.replace(facts, width=VISUAL_SIZE[0], height=VISUAL_SIZE[1])
    if params.format == "gif":
        codecs = ["h264"]  # as slow, about
    if not codecs or not facts.pixels:
        return "/".join(["transcoding:sound", params.format, *flags]), 0.0, length
    kind = "/".join(["transcoding", params.format, *codecs, params.preset, *flags])
    frames = max(1.0, length * min(params.fps or 1000.0, facts.fps or USUAL_FPS))
    megapixels = sum(_output_pixels(params, facts, codecs)) * frames / 1e6
    encoding = sum(encoding_seconds(megapixels / len(codecs), codec, params.preset) for codec in codecs)
    return kind, encoding, facts.gigapixels * share


def _output_pixels(params: TranscodingParams, facts: Facts, codecs: Sequence[str]) -> list[float]:
    """Return about the pixels of a frame of each rendition."""
    longer, shorter = max(facts.width, facts.height), min(facts.width, facts.height)
    if params.format == "hls":
        heights = [rung.height for rung in params.ladder or []] or [height for height in HEIGHTS if height <= shorter]
        return [shorter * longer * min(1.0, (height / shorter) ** 2) for height in heights or [shorter]] * len(codecs)
    if params.resolution is None:
        return [float(longer * shorter)]
    box = parse_resolution(params.resolution)
    scale = min(max(box) / longer, min(box) / shorter)
    filled = scale if params.fit == "contain" else max(box) * min(box) / (longer * shorter)
    if params.fit != "contain":
        return [longer * shorter * min(1.0, filled)]
    return [longer * shorter * (scale if params.upscale else min(1.0, scale)) ** 2]
