"""Joins encoded parts: copies their packets into one file for each stream, at exact times.

`python -m workers.parts.join COUNT FOLDER` reads the files of parts in order; `run()` runs it in the sandbox.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.errors import AttemptFailed, MediaRejected
from workers.parts.cut import EXACT
from workers.parts.index import LIMITS, open_film
from workers.sandbox import isolated

if TYPE_CHECKING:
    from fractions import Fraction

    from workers.context.work import Work


def encoded_name(number: int) -> str:
    """Return the name of the file of an encoded part."""
    return f"encoded-{number:04}.nut"


def joined_name(stream: int) -> str:
    """Return the name of the file of a whole stream."""
    return f"joined-{stream}.nut"


class Joined(NamedTuple):
    """A whole stream."""

    file: Path
    frames: int


def run(work: Work, count: int) -> list[Joined]:
    """Join the encoded parts 0 to `count` - 1 in the folder of the work, and delete them."""
    said: list[str] = []
    finished = isolated.run(
        "workers.parts.join",
        [str(count), str(work.folder)],
        folder=work.folder,
        limits=LIMITS,
        on_line=said.append,
        check=work.check,
    )
    if finished.code == 0 and not said:
        raise MediaRejected("The input has no picture that can be decoded")
    if finished.code != 0:
        raise AttemptFailed(f"The parts could not be joined: {finished.stderr[-300:]}")
    for number in range(count):
        (work.folder / encoded_name(number)).unlink()
    return [Joined(work.folder / joined_name(stream), int(frames)) for stream, frames in enumerate(said)]


def main() -> None:
    """Join, and print the number of frames of each stream. Arguments: the number of parts, their folder."""
    import av  # noqa: PLC0415 - only this process pays for it

    count, folder = int(sys.argv[-2]), Path(sys.argv[-1])
    files = [file for file in (folder / encoded_name(number) for number in range(count)) if file.stat().st_size]
    delays = [max(found) for found in zip(*map(_delays, files), strict=True)]
    tracks: list[_Track] = []
    for file in files:
        with open_film(file, "nut") as container:
            if not tracks:
                for stream, delay in zip(container.streams, delays, strict=True):
                    target = av.open(f"file:{folder / joined_name(stream.index)}", "w", format="nut", options=EXACT)
                    tracks.append(_Track(target, target.add_stream_from_template(stream, opaque=True), stream.time_base, delay))
            for track, packets in zip(tracks, _packets(container), strict=True):
                track.add(packets)
    for track in tracks:
        track.close()
        sys.stdout.write(f"{track.frames}\n")


def _packets(container: Any) -> list[list[Any]]:
    """Return the packets of each stream."""
    found: list[list[Any]] = [[] for _ in container.streams]
    for packet in container.demux():
        if packet.size:
            found[packet.stream_index].append(packet)
    return found


def _delays(file: Path) -> list[int]:
    """Return for each stream by how many frames its codec reorders in a part."""
    with open_film(file, "nut") as container:
        delays = []
        for packets in _packets(container):
            order = {pts: place for place, pts in enumerate(sorted(packet.pts for packet in packets))}
            delays.append(max((place - order[packet.pts] for place, packet in enumerate(packets)), default=0))
        return delays


class _Track:
    """One stream. Decoding times are set anew: those of a part know nothing of the part before."""

    def __init__(self, target: Any, stream: Any, unit: Fraction, delay: int) -> None:
        self._target = target
        self._stream = stream
        self._unit = unit
        self._delay = delay
        """How many frames the codec reorders."""
        self._before: list[int] = []
        self.frames = 0

    def add(self, packets: list[Any]) -> None:
        """Add the packets of the next part."""
        times = [int(packet.pts * (packet.time_base / self._unit)) for packet in packets]
        shown = sorted(times)
        if self._before and shown and shown[0] <= self._before[-1]:
            raise ValueError("a part has frames before the end of the part before")
        if not self._before:  # the first frames are decoded before the first time
            step = shown[1] - shown[0] if len(shown) > 1 else 1
            self._before = [shown[0] - step * number for number in range(self._delay, 0, -1)]
        order = [*self._before, *shown] if self._delay else shown
        for packet, time, decoded in zip(packets, times, order, strict=False):
            if decoded > time:
                raise ValueError("a frame is decoded after its time")
            packet.stream, packet.pts, packet.dts, packet.time_base = self._stream, time, decoded, self._unit
            self._target.mux(packet)
            self.frames += 1
        self._before = order[len(packets) :] if self._delay else shown[-1:]

    def close(self) -> None:
        """Complete the file."""
        self._target.close()
