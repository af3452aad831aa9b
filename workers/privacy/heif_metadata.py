"""Removes private metadata from HEIC, HEIF and AVIF files. Pixels and file offsets do not change.

An image is a list of items at places in the file. By allow-list, items that are pictures stay, with the properties needed to
show them. Everything else is overwritten with zeros: Exif, XMP, boxes of cameras, gaps and trailing bytes.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

BOXES = {b"ftyp", b"meta", b"mdat", b"moov"}
META_BOXES = {b"hdlr", b"pitm", b"iinf", b"iloc", b"iref", b"iprp", b"idat", b"grpl", b"dinf"}
PICTURES = {b"hvc1", b"hev1", b"lhv1", b"av01", b"avc1", b"vvc1", b"jpeg", b"grid", b"iovl", b"iden", b"tmap", b"unci", b"mski"}
"""Item types."""
PROPERTIES = {
    b"ispe", b"hvcC", b"lhvC", b"av1C", b"avcC", b"vvcC", b"jpgC", b"pixi", b"colr", b"irot", b"imir", b"clap", b"pasp",
    b"auxC", b"a1op", b"a1lx", b"lsel", b"clli", b"mdcv", b"cclv", b"amve", b"rloc", b"oinf", b"tols", b"iscl",
}  # fmt: skip
TRACK_BOXES = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf"}
"""Boxes that contain boxes, of an image sequence."""
TRACK_PRIVATE = {b"udta", b"meta", b"uuid"}
TIMED = {b"mvhd", b"tkhd", b"mdhd"}
"""Boxes that start with the times of creation and modification."""
NO_EXIF = struct.pack(">I", 0) + b"MM\0\x2a" + struct.pack(">IHI", 8, 0, 0)
"""An empty Exif item."""
BOXES_MAX = 100_000


class Damaged(Exception):
    """The bytes are not as the format requires."""


class Box(NamedTuple):
    """A box: its kind, where it and its content start, and where it ends."""

    kind: bytes
    at: int
    start: int
    end: int


def without_private_metadata(data: bytes) -> bytes:
    """Return the bytes of a file without private metadata.

    Raises:
        Damaged: its boxes are not as the format requires.
    """
    try:
        return bytes(_cleaned(bytearray(data)))
    except (struct.error, IndexError) as error:
        raise Damaged from error


def boxes(data: bytearray | bytes, start: int, end: int, *, top: bool = False) -> list[Box]:
    """Return the boxes in a range; of a whole file (`top`), those before any bytes that are not a box.

    Raises:
        Damaged: a box ends after the range.
    """
    found: list[Box] = []
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start + 8)
            head = 16
        elif size == 0:
            size = end - start
        if size < head or start + size > end or len(found) > BOXES_MAX:
            if top and {b"meta", b"mdat"} <= {one.kind for one in found}:
                break  # after the picture
            raise Damaged
        found.append(Box(kind, start, start + head, start + size))
        start += size
    return found


def _cleaned(data: bytearray) -> bytearray:
    top = boxes(data, 0, len(data), top=True)
    del data[top[-1].end :]
    meta = next((one for one in top if one.kind == b"meta"), None)
    if meta is None:
        raise Damaged
    pictures, private = _items(data, meta)
    sequence = any(one.kind == b"moov" for one in top)
    for box in top:
        if box.kind not in BOXES:
            _blank(data, box)
        elif box.kind == b"moov":
            _clean_tracks(data, box)
        elif box.kind == b"mdat" and not sequence:
            _clear_between(data, box.start, box.end, pictures)
    for kind, start, end in private:
        filler = NO_EXIF if kind == b"Exif" and end - start >= len(NO_EXIF) else b""
        data[start:end] = filler + bytes(end - start - len(filler))
    _clean_meta(data, meta)
    return data


def _blank(data: bytearray, box: Box) -> None:
    """Turn a box into free space."""
    data[box.at + 4 : box.at + 8] = b"free"
    data[box.start : box.end] = bytes(box.end - box.start)


def _clear_between(data: bytearray, start: int, end: int, kept: list[tuple[int, int]]) -> None:
    """Overwrite what no kept extent covers."""
    for first, last in sorted(kept):
        if first > start:
            data[start : min(first, end)] = bytes(min(first, end) - start)
        start = max(start, min(last, end))
    data[start:end] = bytes(end - start)


def _clean_meta(data: bytearray, meta: Box) -> None:
    for box in boxes(data, meta.start + 4, meta.end):
        if box.kind not in META_BOXES:
            _blank(data, box)
        if box.kind != b"iprp":
            continue
        for container in boxes(data, box.start, box.end):
            if container.kind == b"ipco":
                for one in boxes(data, container.start, container.end):
                    if one.kind not in PROPERTIES:
                        _blank(data, one)


def _clean_tracks(data: bytearray, box: Box) -> None:
    for one in boxes(data, box.start, box.end):
        if one.kind in TRACK_PRIVATE:
            _blank(data, one)
        elif one.kind in TIMED:
            length = 16 if data[one.start] == 1 else 8
            data[one.start + 4 : one.start + 4 + length] = bytes(length)
        elif one.kind in TRACK_BOXES:
            _clean_tracks(data, one)


def _items(data: bytearray, meta: Box) -> tuple[list[tuple[int, int]], list[tuple[bytes, int, int]]]:
    """Return the extents of pictures, and those of all other items with their types."""
    inside = {box.kind: box for box in boxes(data, meta.start + 4, meta.end)}
    if b"iinf" not in inside or b"iloc" not in inside:
        raise Damaged
    kinds = _item_types(data, inside[b"iinf"])
    own = inside[b"idat"].start if b"idat" in inside else 0
    pictures, private = [], []
    for item, method, extents in _locations(data, inside[b"iloc"]):
        for offset, length in extents:
            start = offset + (own if method == 1 else 0)
            if start + length > len(data) or method > 1:
                raise Damaged
            if kinds.get(item, b"") in PICTURES:
                pictures.append((start, start + length))
            else:
                private.append((kinds.get(item, b""), start, start + length))
    shared = [one for one in private if any(one[1] < end and start < one[2] for start, end in pictures)]
    return pictures, [one for one in private if one not in shared]


def _item_types(data: bytearray, box: Box) -> dict[int, bytes]:
    """Return the type of each item, and overwrite item names."""
    start = box.start + (6 if data[box.start] == 0 else 8)
    kinds = {}
    for entry in boxes(data, start, box.end):
        version, at = data[entry.start], entry.start + 4
        if entry.kind != b"infe" or version < 2:  # noqa: PLR2004 - older ones have no types
            raise Damaged
        form = ">HH4s" if version == 2 else ">IH4s"  # noqa: PLR2004
        item, _, kinds_of = struct.unpack_from(form, data, at)
        kinds[item] = kinds_of
        name = at + struct.calcsize(form)
        end = data.index(0, name, entry.end) if 0 in data[name : entry.end] else entry.end
        data[name:end] = b" " * (end - name)
    return kinds


def _locations(data: bytearray, box: Box) -> list[tuple[int, int, list[tuple[int, int]]]]:
    """Return for each item its id, the base of its offsets, and its extents: (offset, length)."""
    version, at = data[box.start], box.start + 4
    sizes = data[at] >> 4, data[at] & 15, data[at + 1] >> 4, data[at + 1] & 15 if version else 0
    at += 2
    wide = version == 2  # noqa: PLR2004
    count, at = _number(data, at, 4 if wide else 2)
    found = []
    for _ in range(count):
        item, at = _number(data, at, 4 if wide else 2)
        method = 0
        if version:
            method, at = _number(data, at, 2)
        _, at = _number(data, at, 2)
        base, at = _number(data, at, sizes[2])
        number, at = _number(data, at, 2)
        extents = []
        for _ in range(number):
            _, at = _number(data, at, sizes[3])
            offset, at = _number(data, at, sizes[0])
            length, at = _number(data, at, sizes[1])
            extents.append((base + offset, length))
        if at > box.end:
            raise Damaged
        found.append((item, method & 15, extents))
    return found


def _number(data: bytearray, at: int, size: int) -> tuple[int, int]:
    return int.from_bytes(data[at : at + size], "big"), at + size
