"""Chooses the parts of a film: where it is cut, and which packets each part needs.

A part is the frames whose time is in [start, end). It needs more packets than those. They begin at a keyframe, or at the one
before that: because of open groups of pictures, and of filters that look back. They end some packets later: because of
reordered frames, and of filters that look ahead.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from workers.media.probe import DURATION_MAX_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.parts.index import Index

MICROSECONDS = 1_000_000
SPLITTABLE = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")
"""Containers whose packets have exact times."""
PACKETS_AFTER, PACKETS_FOR_FILTERS = 2, 24
"""How many packets a part has after its last frame; the second if filters look ahead."""
REORDERED_MAX = 48
"""More frames than any codec reorders."""


class NotSplittable(Exception):
    """Why a film runs whole."""


class Part(NamedTuple):
    """The frames whose time is in [start, end)."""

    number: int
    start_us: int | None
    """In microseconds of the output; None: from the first frame."""
    end_us: int | None
    """None: to the last frame."""
    first: int
    """The number of its first packet."""
    last: int
    """The number after that of its last packet."""
    weight: float
    """Its share of the work, 0..1."""


class Timeline:
    """The frames of the output, in units of the film's time base from the start of the output."""

    def __init__(self, index: Index, start: float, duration: float | None, *, filters_look: bool = True) -> None:
        """`start` and `duration` (s): the part of the film that is wanted. `filters_look`: they see frames before and after.

        Raises:
            NotSplittable: the times of the packets are not exact, or do not grow.
        """
        _check(index)
        self.index = index
        self._filters_look = filters_look
        self.unit = Fraction(*index.time_base)
        self.shift = -_nearest(Fraction(index.start_us + round(start * MICROSECONDS), MICROSECONDS) / self.unit)
        self.times = [one + self.shift for one in index.pts if one is not None]
        """The time of each packet."""
        self.limit, kept = self._kept(start, duration)
        """The number after that of the last packet to read."""
        self.frames = sorted(self.times[n] for n in kept)
        """The times of the frames."""
        self.packet_of = {self.times[n]: n for n in kept}
        self.keys = [n for n in index.keys if n < self.limit]
        self._key_times = [self.times[n] for n in self.keys]
        self._soft = frozenset(index.soft)
        self._check_frames(start)

    def _kept(self, start: float, duration: float | None) -> tuple[int, list[int]]:
        """Return the number after that of the last packet to read, and the packets whose frames are shown."""
        limit, hidden, end = len(self.times), set(self.index.hidden), None
        if duration is not None:
            end = Fraction(round(duration * MICROSECONDS), MICROSECONDS) / self.unit
            dts = enumerate(self.index.dts)
            # ffmpeg stops reading after the packet that reaches the end
            limit = next((n + 1 for n, one in dts if one is not None and one + self.shift >= end), limit)
        kept = [n for n in range(limit) if n not in hidden and (not start or self.times[n] >= 0)]
        if end is not None and kept:
            last = min(self.times[n] for n in kept) + _nearest(end)
            kept = [n for n in kept if self.times[n] < last]
        return limit, kept

    def _check_frames(self, start: float) -> None:
        if not self.frames:
            raise NotSplittable("The film has no frames")
        if any(self.frames[0] <= self.times[n] <= self.frames[-1] for n in self.index.hidden):
            raise NotSplittable("The edit list of the film leaves out frames in the middle")
        if (self.frames[-1] - self.frames[0]) * self.unit > DURATION_MAX_SECONDS:
            raise NotSplittable("The times of the film are too far apart")
        if len(self.packet_of) < len(self.frames):
            raise NotSplittable("Two frames of the film have the same time")
        first = self.packet_of[self.frames[0]]
        if start and any(key < first and self.times[key] > self.frames[0] for key in self.index.keys):
            raise NotSplittable("The film is cut at a frame that precedes its keyframe")  # a seek of ffmpeg may lose the frame
        if not self.keys:
            raise NotSplittable("The film has no keyframes")
        if self._key_times != sorted(self._key_times):
            raise NotSplittable("The keyframes of the film are not in the order of their times")

    @property
    def trimmed(self) -> tuple[int, int] | None:
        """The film that is wanted, in microseconds, if the packets have frames before or after it."""
        shown = len(self.frames) == len(self.times)
        return None if shown else (self.microseconds(self.frames[0]), self.microseconds(self.frames[-1] + 1))

    @property
    def last_frame_us(self) -> int:
        """How long ffmpeg shows the last frame, in microseconds.

        A stated duration of one unit is not believed if the frame before was shown for more than two.
        """
        stated = self.index.durations[self.packet_of[self.frames[-1]]]
        before = self.frames[-1] - self.frames[-2] if len(self.frames) > 1 else 0
        believed = stated > 0 and not (stated == 1 and before > 2)  # noqa: PLR2004 - as in ffmpeg
        return self.microseconds(stated if believed else before or 1)

    def microseconds(self, tick: int) -> int:
        """Return a time in microseconds."""
        return _nearest(tick * self.unit * MICROSECONDS)

    def window(self, start: int | None, end: int | None) -> tuple[int, int]:
        """Return the packets that the frames in [start, end) need: the first number, and the number after the last."""
        first = 0
        if start is not None or self.frames[0] > 0:
            begin = self.frames[0] if start is None else start
            place = max(0, bisect_right(self._key_times, begin) - 1)
            back = self._filters_look or self._is_open(place)
            first = self.keys[max(0, place - back)]
        last = self.limit
        if end is not None:
            more = PACKETS_FOR_FILTERS if self._filters_look else PACKETS_AFTER
            last = min(self.limit, self._last_before(end) + 1 + more)
        return first, last

    def _is_open(self, place: int) -> bool:
        """Return whether frames around a keyframe depend on the group of pictures before it."""
        key = self.keys[place]
        following = range(key + 1, min(self.limit, key + REORDERED_MAX))
        return key in self._soft or any(self.times[n] < self.times[key] for n in following)

    def _last_before(self, end: int) -> int:
        """Return the last packet of a frame before `end`."""
        number = bisect_left(self.frames, end)
        return max(self.packet_of[time] for time in self.frames[max(0, number - REORDERED_MAX) : number])


def _check(index: Index) -> None:
    """Check that the times of the packets are exact and grow."""
    if not index.complete:
        raise NotSplittable("The film has too many frames")
    if index.gradual:
        raise NotSplittable("The film is refreshed gradually and has no real keyframes")
    if Fraction(*index.time_base) * MICROSECONDS < 1:
        raise NotSplittable("The times of the film are finer than microseconds")
    known = [one for one in index.dts if one is not None]
    if not known or None in index.pts or None in index.dts[-len(known) :]:  # the first ones may be missing
        raise NotSplittable("The packets of the film have no usable times")
    if any(after <= before for before, after in pairwise(known)):
        raise NotSplittable("The times of the film's packets go back")


def keyframe_times(timeline: Timeline, rate: Fraction | None) -> list[int]:
    """Return where a film may be cut: at its keyframes. `rate`: of the encoder's times, if those of the film decide."""
    key_times = {timeline.times[n] for n in timeline.keys} & set(timeline.frames[1:])
    if rate is not None:
        key_times &= {one.tick for one in _rounded(timeline, rate) if one.clean}
    return sorted(key_times)


def grid_times(timeline: Timeline, seconds: float, early: float, rate: Fraction | None) -> list[int]:
    """Return where a package may be cut: at the first frame of every `seconds`, or `early` (s) before it."""
    if rate is None:
        count = int(timeline.frames[-1] * timeline.unit / Fraction(seconds))
        ticks = [math.ceil(Fraction(number * seconds - early) / timeline.unit) for number in range(1, count + 1)]
        return [tick for tick in ticks if timeline.frames[0] < tick <= timeline.frames[-1]]
    found, number = [], 0
    step, ahead = 1 / (rate * Fraction(seconds)), Fraction(early) / Fraction(seconds)
    whole = step.denominator * ahead.denominator  # integers, because a film may have millions of frames
    step_units, ahead_units = step.numerator * ahead.denominator, ahead.numerator * step.denominator
    for one in _rounded(timeline, rate):
        current = (one.shown * step_units + ahead_units) // whole
        if current > number and one.clean and one.tick > timeline.frames[0]:
            found.append(one.tick)
        number = max(number, current)
    return found


class _Rounded(NamedTuple):
    """A frame, and its time in units of the encoder's frame rate."""

    tick: int
    shown: int
    clean: bool
    """Whether that time does not depend on the frames before."""


def frames_of_output(timeline: Timeline, rate: Fraction) -> int:
    """Return how many frames reach the encoder, if the film's own times decide."""
    return sum(1 for _ in _rounded(timeline, rate))


def _rounded(timeline: Timeline, rate: Fraction) -> Iterator[_Rounded]:
    """Yield the frames as ffmpeg passes them on: it rounds times to whole frames of `rate`.

    A frame that comes too early gets the time after the one before, or is dropped.
    """
    following, scale = 0, timeline.unit * rate
    for tick in timeline.frames:
        exact = tick * scale.numerator / scale.denominator + 1 / (1 << 17)
        early = exact - following
        if early + 1 <= -0.6:  # noqa: PLR2004 - as in ffmpeg
            continue
        shown = following if early < 0 else round(exact) if early + 1 > 0.6 else following  # noqa: PLR2004 - as in ffmpeg
        yield _Rounded(tick, shown, shown == round(exact))
        following = shown + 1


def divide(timeline: Timeline, places: list[int], wanted: int) -> list[Part]:
    """Return about `wanted` parts of the same work, cut at some of `places`.

    The work of a frame is estimated from its number of pixels and of bytes, half each.
    """
    frames, index = timeline.frames, timeline.index
    sizes = [index.sizes[timeline.packet_of[time]] for time in frames]
    total = max(1, sum(sizes))
    sums = [0.0]
    for size in sizes:
        sums.append(sums[-1] + 0.5 * size / total + 0.5 / len(frames))
    cuts, done = [0], 0.0
    for tick in places:
        place = bisect_left(frames, tick)
        if sums[place] - done >= 0.95 / wanted and place > cuts[-1]:
            cuts.append(place)
            done = sums[place]
    if len(cuts) > 1 and 1 - done < 0.3 / wanted:  # the rest is too small
        cuts.pop()
    chosen = {bisect_left(frames, tick): tick for tick in places}
    bounds = [None, *(chosen[place] for place in cuts[1:]), None]
    parts = []
    for number, (start, end) in enumerate(pairwise(bounds)):
        first, last = timeline.window(start, end)
        low = 0 if start is None else bisect_left(frames, start)
        high = len(frames) if end is None else bisect_left(frames, end)
        parts.append(
            Part(
                number,
                None if start is None else timeline.microseconds(start),
                None if end is None else timeline.microseconds(end),
                first,
                last,
                sums[high] - sums[low],
            )
        )
    return parts


def _nearest(value: Fraction) -> int:
    """Round as ffmpeg does: halves away from zero."""
    return math.floor(abs(value) + Fraction(1, 2)) * (1 if value >= 0 else -1)
