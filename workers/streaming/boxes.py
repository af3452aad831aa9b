"""Reads the index of the fragmented MP4 files that we make (ISO/IEC 14496-12): only their headers, never a whole file."""

from __future__ import annotations

import struct
from typing import IO, TYPE_CHECKING, NamedTuple

from chalicelib.errors import AttemptFailed
from workers.streaming import codecs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEADER_MAX = 16 << 20
"""Bytes of the largest header that is read: the index of 12 hours has 0.3 MB."""
CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf")
VISUAL_ENTRY, SOUND_ENTRY = 78, 28
"""Bytes of a sample entry before its boxes."""
DATA_OFFSET, FIRST_FLAGS, DURATIONS, SIZES = 0x1, 0x4, 0x100, 0x200
"""Flags of a track run."""


class Fragment(NamedTuple):
    """One fragment: times in s from the start of the track, bytes in the file."""

    start: float
    duration: float
    offset: int
    size: int
    key_size: int
    """The bytes up to the end of its first sample, a keyframe."""
    frames: int


class Track(NamedTuple):
    """The index of a file."""

    codec: str
    """RFC 6381, such as avc1.640028."""
    width: int
    height: int
    channels: int
    sample_rate: int
    init_size: int
    """The bytes of its initialization section, from 0."""
    index_range: tuple[int, int]
    """Offset and size of the segment index."""
    fragments: list[Fragment]
    bytes: int

    @property
    def duration(self) -> float:
        """In s."""
        return self.fragments[-1].start + self.fragments[-1].duration if self.fragments else 0.0

    @property
    def frames(self) -> int:
        """The number of samples."""
        return sum(one.frames for one in self.fragments)


def read(file: Path) -> Track:
    """Read the index of a file with one track and a segment index.

    Raises:
        AttemptFailed: it is not such a file.
    """
    try:
        with file.open("rb") as data:
            return _read(data, file.stat().st_size)
    except (struct.error, KeyError, IndexError, ValueError) as error:
        raise AttemptFailed(f"{file.name} is not a fragmented MP4 file with an index") from error


def _read(data: IO[bytes], size: int) -> Track:
    at, moov, sidx = 0, b"", b""
    while at < size and not sidx:
        kind, head, length = _header(data, at)
        if kind == b"moov":
            moov = _load(data, at + head, length - head)
        elif kind == b"sidx":
            sidx = _load(data, at + head, length - head)
        elif kind == b"moof":
            break
        at += length
    init_size = at - length
    fragments = list(_fragments(data, sidx, at)) if sidx else []
    return Track(*_sample_entry(moov), init_size, (init_size, length), fragments, size)


def _header(data: IO[bytes], at: int) -> tuple[bytes, int, int]:
    """Return the type of a box, the size of its header, and its size."""
    data.seek(at)
    length, kind = struct.unpack(">I4s", data.read(8))
    if length == 1:
        return kind, 16, struct.unpack(">Q", data.read(8))[0]
    if length < 8:  # noqa: PLR2004 - a header
        raise ValueError(kind)
    return kind, 8, length


def _load(data: IO[bytes], at: int, length: int) -> bytes:
    if length > HEADER_MAX:
        raise ValueError(length)
    data.seek(at)
    return data.read(length)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the boxes of a header, and those in its containers."""
    at = 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if length < 8:  # noqa: PLR2004 - a header
            raise ValueError(kind)
        body = data[at + 8 : at + length]
        yield kind, body
        if kind in CONTAINERS:
            yield from _boxes(body)
        at += length


def _sample_entry(moov: bytes) -> tuple[str, int, int, int, int]:
    """Return codec, width, height, channels and sample rate."""
    table = dict(_boxes(moov))[b"stsd"]
    length, kind = struct.unpack_from(">I4s", table, 8)
    entry = table[16 : 8 + length]
    sound = kind == b"mp4a"
    codec = codecs.describe(kind.decode(), dict(_boxes(entry[SOUND_ENTRY if sound else VISUAL_ENTRY :])))
    if sound:
        channels, _, _, rate = struct.unpack_from(">HHIH", entry, 16)
        return codec, 0, 0, channels, rate
    return (codec, *struct.unpack_from(">HH", entry, 24), 0, 0)


def _fragments(data: IO[bytes], sidx: bytes, after: int) -> Iterator[Fragment]:
    version, scale = sidx[0], struct.unpack_from(">I", sidx, 8)[0]
    _, first = struct.unpack_from(">QQ" if version else ">II", sidx, 12)
    at = 28 if version else 20
    count = struct.unpack_from(">H", sidx, at + 2)[0]
    offset, ticks = after + first, 0
    for number in range(count):
        size, duration = struct.unpack_from(">II", sidx, at + 4 + 12 * number)
        size &= 0x7FFFFFFF
        key_size, frames = _first_sample(data, offset)
        yield Fragment(ticks / scale, duration / scale, offset, size, key_size, frames)
        offset, ticks = offset + size, ticks + duration


def _first_sample(data: IO[bytes], offset: int) -> tuple[int, int]:
    """Return the bytes of a fragment up to the end of its first sample, and its number of samples."""
    kind, head, length = _header(data, offset)
    if kind != b"moof":
        raise ValueError(kind)
    boxes = dict(_boxes(_load(data, offset + head, length - head)))
    run, track = boxes[b"trun"], boxes[b"tfhd"]
    flags, count = struct.unpack_from(">I", run)[0] & 0xFFFFFF, struct.unpack_from(">I", run, 4)[0]
    at = 8
    start = struct.unpack_from(">i", run, at)[0] if flags & DATA_OFFSET else 0
    at += 4 * (bool(flags & DATA_OFFSET) + bool(flags & FIRST_FLAGS) + bool(flags & DURATIONS))
    size = struct.unpack_from(">I", run, at)[0] if flags & SIZES else _default_size(track)
    return start + size, count


def _default_size(track: bytes) -> int:
    """Return the size of samples in a track header; the fields before it are optional."""
    flags = struct.unpack_from(">I", track)[0] & 0xFFFFFF
    at = 8 + 8 * bool(flags & 0x1) + 4 * bool(flags & 0x2) + 4 * bool(flags & 0x8)
    return int(struct.unpack_from(">I", track, at)[0]) if flags & 0x10 else 0
