"""Scores a frame as a thumbnail: 0 for a black, white or flat one, and the more the sharper and the better lit it is.

The frame is looked at small and grey. Sharpness is the variance of the Laplacian (Pech-Pacheco and others, 2000), which falls
when edges are blurred; it counts by its logarithm, so that noise does not outdo everything. Light is how far the mean is from
black and white, contrast the standard deviation.
"""

from __future__ import annotations

import math
import statistics

WIDTH, HEIGHT = 160, 90
FLAT = 6.0
"""A standard deviation (of 0..255) below this is a picture of nothing."""
DARK, BRIGHT = 20, 235
ENOUGH_CONTRAST = 50.0


def score(grey: bytes) -> float:
    """Score a frame of WIDTH x HEIGHT grey bytes, 0 to about 10."""
    mean, spread = statistics.fmean(grey), statistics.pstdev(grey)
    if spread < FLAT or not DARK <= mean <= BRIGHT:
        return 0.0
    light = 1 - abs(mean - 127.5) / 127.5
    contrast = min(1.0, spread / ENOUGH_CONTRAST)
    return round(math.log1p(_laplacian_variance(grey)) * (0.5 + 0.5 * light) * (0.5 + 0.5 * contrast), 4)


def _laplacian_variance(grey: bytes) -> float:
    inner = range(WIDTH + 1, len(grey) - WIDTH - 1)
    edges = [4 * grey[at] - grey[at - 1] - grey[at + 1] - grey[at - WIDTH] - grey[at + WIDTH] for at in inner]
    mean = sum(edges) / len(edges)
    return sum((edge - mean) ** 2 for edge in edges) / len(edges)
