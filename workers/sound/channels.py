"""Maps the audio channels of an input to a layout that the encoder supports. Names are those of ffmpeg."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.media.probe import Stream

LAYOUTS: dict[str, str] = {
    "mono": "FC", "stereo": "FL FR", "downmix": "DL DR", "2.1": "FL FR LFE", "3.0": "FL FR FC", "3.0(back)": "FL FR BC",
    "4.0": "FL FR FC BC", "quad": "FL FR BL BR", "quad(side)": "FL FR SL SR", "3.1": "FL FR FC LFE",
    "5.0": "FL FR FC BL BR", "5.0(side)": "FL FR FC SL SR", "4.1": "FL FR FC LFE BC", "5.1": "FL FR FC LFE BL BR",
    "5.1(side)": "FL FR FC LFE SL SR", "6.0": "FL FR FC BC SL SR", "6.0(front)": "FL FR FLC FRC SL SR",
    "hexagonal": "FL FR FC BL BR BC", "6.1": "FL FR FC LFE BC SL SR", "6.1(back)": "FL FR FC LFE BL BR BC",
    "6.1(front)": "FL FR LFE FLC FRC SL SR", "7.0": "FL FR FC BL BR SL SR", "7.0(front)": "FL FR FC FLC FRC SL SR",
    "7.1": "FL FR FC LFE BL BR SL SR", "7.1(wide)": "FL FR FC LFE BL BR FLC FRC",
    "7.1(wide-side)": "FL FR FC LFE FLC FRC SL SR", "octagonal": "FL FR FC BL BR BC SL SR",
}  # fmt: skip
"""Layout -> its channels."""
COMMON = ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")
"""Number of channels -> the most likely layout, for files without one."""
ENCODED: dict[str, tuple[str, ...]] = {
    "aac": ("mono", "stereo", "3.0", "4.0", "5.0", "5.1", "7.1(wide)", "7.1"),
    "opus": ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1"),
    "mp3": ("mono", "stereo"),
    "pcm": tuple(LAYOUTS),
}
"""Codec -> layouts that its encoder writes and players support."""
SAME = {"SL": "BL", "SR": "BR", "DL": "FL", "DR": "FR"}
"""Channels that replace each other if a layout has only one of them."""


def target(sound: Stream, codec: str, wanted: str) -> tuple[str, bool]:
    """Return the layout to encode, and whether channels are mixed down although the caller asked to keep them.

    `wanted` is `keep`, `stereo` or `mono`.
    """
    if wanted != "keep":
        return wanted, False
    layout = sound.layout if sound.layout in LAYOUTS else COMMON[min(sound.channels, len(COMMON)) - 1]
    if layout in ENCODED[codec]:
        nearest = layout
    else:
        nearest = min(ENCODED[codec], key=lambda one: _distance(LAYOUTS[layout].split(), LAYOUTS[one].split()))
    return nearest, len(LAYOUTS[nearest].split()) < sound.channels


def filters(sound: Stream, layout: str) -> list[str]:
    """Return the filters that convert to a layout. The centre is mixed into the sides, so that voices stay audible."""
    known = []
    if not sound.layout and sound.channels > len(COMMON):  # unknown channels: take the first two
        known = ["pan=stereo|c0=c0|c1=c1"]
    elif not sound.layout:  # ffmpeg would use the third of three channels as bass
        known = [f"channelmap=channel_layout={COMMON[sound.channels - 1]}"]
    return [*known, f"aformat=channel_layouts={layout}"]


def _distance(have: list[str], can: list[str]) -> tuple[int, int, int]:
    """Return the cost of a layout: channels that it lacks, extra channels, channels that move."""
    roles, places = {SAME.get(one, one) for one in have}, {SAME.get(one, one) for one in can}
    both = len(have) - len(roles)  # side and back at once
    lost = len(roles - places) + max(0, both - (len(can) - len(places)))
    return lost, len(can), len(set(have) - set(can))
