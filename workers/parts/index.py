"""Lists the packets of a film's picture: their times, sizes and keyframes.

`python -m workers.parts.index FILE STREAM TARGET` writes the index as JSON; `read()` runs it in the sandbox.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from chalicelib.errors import MediaRejected
from workers.media.formats import FORMATS, PROTOCOLS
from workers.sandbox import isolated, sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.context.work import Work

LIMITS = sandbox.Limits(seconds=1800, memory_bytes=4 * sandbox.GIB, data_bytes=2 * sandbox.GIB)
PACKETS_MAX = 2_000_000
"""Nine hours at 60 frames a second."""
IDR, SEI, RECOVERY_POINT = 5, 6, 6


class Index(msgspec.Struct):
    """The packets of one stream, in file order. Times are in units of `time_base`; a missing one is None."""

    time_base: tuple[int, int]
    rate: tuple[int, int]
    """Frames a second, as ffmpeg guesses it for the times of its encoders; (0, 1): unknown."""
    start_us: int
    """The start of the file, which ffmpeg subtracts from all times."""
    pts: list[int | None] = []
    dts: list[int | None] = []
    durations: list[int] = []
    sizes: list[int] = []
    keys: list[int] = []
    """The numbers of the keyframes."""
    hidden: list[int] = []
    """The numbers of the packets that are decoded and not shown: those outside the edit list."""
    soft: list[int] = []
    """The numbers of H.264 keyframes after which frames may still refer to what is before."""
    gradual: bool = False
    """Whether a keyframe is no whole picture: H.264 may refresh a film gradually."""
    complete: bool = True
    """False: there are more than PACKETS_MAX."""


def read(work: Work, file: Path, stream: int) -> Index | None:
    """Return the index of a stream; None if the packets cannot be read to the end."""
    target = work.folder / "index.json"
    try:
        finished = isolated.run(
            "workers.parts.index",
            [str(file), str(stream), str(target)],
            folder=work.folder,
            limits=LIMITS,
            on_line=lambda line: None,
            check=work.check,
        )
    except MediaRejected:  # it timed out
        return None
    if finished.code != 0:
        return None
    try:
        return msgspec.json.decode(target.read_bytes(), type=Index)
    finally:
        target.unlink()


def open_film(file: Path, formats: str = FORMATS) -> Any:
    """Open a film with PyAV, with the same allow-lists as ffmpeg. `formats`: the demuxers that may read it."""
    import av  # noqa: PLC0415 - only sandboxed processes pay for it

    options = {"protocol_whitelist": PROTOCOLS, "format_whitelist": formats}
    return av.open(f"file:{file}", options=options, metadata_errors="replace")


def main() -> None:
    """Write the index. Arguments: the file, the index of its stream, the file to write."""
    file, number, target = Path(sys.argv[-3]), int(sys.argv[-2]), Path(sys.argv[-1])
    with open_film(file) as container:
        stream = container.streams[number]
        rate = stream.guessed_rate
        found = Index(
            (stream.time_base.numerator, stream.time_base.denominator),
            (rate.numerator, rate.denominator) if rate else (0, 1),
            container.start_time or 0,
        )
        h264 = stream.codec_context.codec.canonical_name == "h264"
        length_size = _length_size(stream.codec_context.extradata or b"")
        for packet in container.demux(stream):
            if packet.size == 0:  # the end
                continue
            count = len(found.pts)
            if count == PACKETS_MAX:
                found.complete = False
                break
            found.pts.append(packet.pts)
            found.dts.append(packet.dts)
            found.durations.append(packet.duration or 0)
            found.sizes.append(packet.size)
            if packet.is_keyframe:
                found.keys.append(count)
                if h264:
                    units = list(_units(bytes(packet), length_size))
                    found.gradual = found.gradual or _recovers_later(units)
                    found.soft += [] if any(unit and unit[0] & 31 == IDR for unit in units) else [count]
            if packet.is_discard:
                found.hidden.append(count)
    target.write_bytes(msgspec.json.encode(found))


def _length_size(extradata: bytes) -> int:
    """Return how many bytes the length of a unit has; 0: units follow start codes."""
    return 1 + (extradata[4] & 3) if extradata[:1] == b"\x01" and len(extradata) > 4 else 0  # noqa: PLR2004 - avcC


def _recovers_later(units: list[bytes]) -> bool:
    """Return whether a picture of H.264 has a recovery point with frames to wait for (ITU-T H.264, D.1.8)."""
    for unit in units:
        if not unit or unit[0] & 31 != SEI:
            continue
        place = 1
        while place + 2 < len(unit):
            kind, place = _coded(unit, place)
            size, place = _coded(unit, place)
            if kind == RECOVERY_POINT and place < len(unit):
                return not unit[place] & 0x80  # the number of frames begins with a one bit if it is zero
            place += size
    return False


def _units(packet: bytes, length_size: int) -> Iterator[bytes]:
    """Yield the units of a packet, each after its length, or after a start code if `length_size` is 0."""
    if not length_size:
        yield from (unit for unit in packet.split(b"\x00\x00\x01")[1:])
        return
    place = 0
    while place + length_size < len(packet):
        size = int.from_bytes(packet[place : place + length_size])
        yield packet[place + length_size : place + length_size + size]
        place += length_size + size


def _coded(unit: bytes, place: int) -> tuple[int, int]:
    """Return a number of a SEI message, and the place after it."""
    value = 0
    while place < len(unit) and unit[place] == 255:  # noqa: PLR2004 - it goes on
        value, place = value + 255, place + 1
    return (value + unit[place], place + 1) if place < len(unit) else (value, place)
