"""Groups the fragments of a file into segments, and computes their bit rates."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from workers.streaming.boxes import Fragment

SEGMENT_SECONDS = 6.0
KEYFRAME_SECONDS = 2.0
CLOSE = 1e-3
"""Times that differ less are equal: time scales round."""


class Segment(NamedTuple):
    """A range of bytes that a player requests: duration in s."""

    duration: float
    offset: int
    size: int


def group(fragments: list[Fragment], *, nearest: bool = False) -> list[Segment]:
    """Group fragments into segments of about SEGMENT_SECONDS.

    A segment of video starts with the first fragment at or after a multiple of SEGMENT_SECONDS, so that all renditions have the
    same. `nearest`: fragments of sound end at frames of their own; a segment starts with the one nearest to the multiple.
    """
    found: list[Segment] = []
    number = 0
    for one in fragments:
        place = (one.start + one.duration / 2 if nearest else one.start + CLOSE) / SEGMENT_SECONDS
        if not found or int(place) > number:
            found.append(Segment(one.duration, one.offset, one.size))
            number = int(place)
        else:
            last = found[-1]
            found[-1] = Segment(last.duration + one.duration, last.offset, last.size + one.size)
    return found


def average_rate(segments: list[Segment]) -> int:
    """Return the bit rate of all segments, in bit/s."""
    seconds = sum(one.duration for one in segments)
    return round(8 * sum(one.size for one in segments) / seconds) if seconds else 0


def peak_rate(segments: list[Segment], target: int) -> int:
    """Return the highest bit rate of contiguous segments that last 0.5 to 1.5 target durations (RFC 8216, 4.1), in bit/s."""
    highest = 0.0
    for first in range(len(segments)):
        seconds = size = 0.0
        for one in segments[first:]:
            seconds, size = seconds + one.duration, size + one.size
            if seconds > 1.5 * target:
                break
            if seconds >= 0.5 * target:
                highest = max(highest, 8 * size / seconds)
    return round(highest) or average_rate(segments)
