"""Filters that fit a picture into a box. They consist of our own text and validated numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.domain.params.common import SIDE_MAX
from workers.media import ffmpeg

if TYPE_CHECKING:
    from workers.media.probe import Stream

SHOWN_WIDTH = "iw*clip(sar,0.25,4)"
"""The limit of the displayed width. A file may declare pixels that are a thousand times wider than high."""
HD_SIDE = 1024
"""A film with a longer side is HD: its matrix is that of BT.709, as players assume, and otherwise that of BT.601."""
TRANSFERS = {"pq": "smpte2084", "hlg": "arib-std-b67"}


def whole_frames(picture: Stream, fields: str, rate: float | None = None) -> list[str]:
    """Return the filters that deinterlace to `rate` frames a second (None: the film's own).

    `fields`: the field shown first, or `progressive`; then a wrong interlaced flag is removed. At about twice the film's own
    rate, every field becomes a frame.
    """
    steps = [f"fps={ffmpeg.number(rate)}:eof_action=pass"] if rate else []
    if fields != "progressive":
        mode = "send_field" if rate and picture.fps and rate > 1.5 * picture.fps else "send_frame"
        return [f"bwdif=mode={mode}:parity={'tff' if fields == 'top' else 'bff'}:deint=all", *steps]
    return [*(["setfield=mode=prog"] if picture.field_order in ("top", "bottom") else []), *steps]


def stated_matrix(picture: Stream) -> list[str]:
    """Return the filter that states the colour matrix of a film that does not: a smaller output would be taken for another."""
    if picture.has_matrix or picture.hdr:
        return []
    if max(picture.width, picture.height) > HD_SIDE:
        return ["setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709"]
    return ["setparams=colorspace=smpte170m:color_primaries=smpte170m:color_trc=smpte170m"]


def fit(box: tuple[str, str] | None, how: str = "contain", *, upscale: bool = False, even: int = 2) -> list[str]:
    """Return the filters that fit the picture into a box: square pixels, proportions kept, sides multiples of `even`.

    `box`: width and height as ffmpeg expressions of `iw`, `ih` and SHOWN_WIDTH; None keeps the size.
    """
    width, height = box or (str(SIDE_MAX), str(SIDE_MAX))
    pick = "max" if how == "cover" else "min"
    factor = f"{pick}({width}/({SHOWN_WIDTH}),{height}/ih)"
    if not upscale:
        factor = f"min(1,{factor})"
    filters = [
        f"scale=w='max({even},{even}*round({SHOWN_WIDTH}*{factor}/{even}))':h='max({even},{even}*round(ih*{factor}/{even}))'",
        "setsar=1",
    ]
    if box and how != "contain" and even == 1:
        filters.append("format=rgb24")  # with subsampled colours, crop and pad would round to even sides
    if box and how == "cover":
        filters.append(f"crop=w='{even}*floor(min(iw,{width})/{even})':h='{even}*floor(min(ih,{height})/{even})'")
    if box and how == "pad":
        padded = f"w='max(iw,{even}*round({width}/{even}))':h='max(ih,{even}*round({height}/{even}))'"
        filters.append(f"pad={padded}:x='(ow-iw)/2':y='(oh-ih)/2'")
    return filters


def standard_range(picture: Stream) -> list[str]:
    """Return the filters that map HDR to 8-bit BT.709; none for a standard picture."""
    if not picture.hdr:
        return []
    known = f"color_primaries=bt2020:color_trc={TRANSFERS[picture.hdr]}:colorspace=bt2020nc:range=tv"
    return [
        f"setparams={known}",  # many files have only the transfer
        f"zscale=tin={TRANSFERS[picture.hdr]}:min=bt2020nc:pin=bt2020:rin=tv:t=linear:npl=100",
        "format=gbrpf32le",
        "zscale=p=bt709",
        "tonemap=tonemap=hable:desat=0",
        "zscale=t=bt709:m=bt709:r=tv",
        "format=yuv420p",
    ]
