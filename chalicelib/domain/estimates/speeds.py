"""How fast encoders are."""

from __future__ import annotations

PLAIN_SPEED = {"h264": 27, "h265": 13, "vp9": 11, "av1": 34}
"""Megapixels a second that two processors encode with the preset medium, measured with a detailed film of 720p."""
SPEED_OF_PRESET = {
    "ultrafast": 4.3, "superfast": 2.9, "veryfast": 2.2, "faster": 1.4, "fast": 1.1, "medium": 1.0, "slow": 0.7, "slower": 0.45,
    "veryslow": 0.25,
}  # fmt: skip
"""Relative to medium, measured with h264; veryslow is a guess."""


def encoding_seconds(megapixels: float, codec: str, preset: str) -> float:
    """Return about how long two processors encode so many pixels, in s."""
    return megapixels / (PLAIN_SPEED[codec] * SPEED_OF_PRESET[preset])
