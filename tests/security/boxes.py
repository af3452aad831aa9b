"""Splits MP4 files into boxes and joins them, to make hostile files from valid ones."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PARENTS = {b"moov", b"trak", b"mdia", b"minf", b"dinf", b"stbl"}


@dataclass
class Box:
    """One box: its kind, and either its bytes or the boxes inside."""

    kind: bytes
    data: bytes = b""
    inside: list[Box] = field(default_factory=list)

    def find(self, *path: bytes) -> Box:
        """Return the first box at the end of a path of kinds."""
        here = self
        for kind in path:
            here = next(box for box in here.inside if box.kind == kind)
        return here

    def __bytes__(self) -> bytes:
        body = self.data or b"".join(bytes(box) for box in self.inside)
        return struct.pack(">I", len(body) + 8) + self.kind + body


def take_apart(data: bytes) -> list[Box]:
    """Return the boxes of a file."""
    return list(_boxes(data))


def _boxes(data: bytes) -> Iterator[Box]:
    at = 0
    while at + 8 <= len(data):
        (size,), kind = struct.unpack_from(">I", data, at), data[at + 4 : at + 8]
        body = data[at + 8 : at + size]
        yield Box(kind, inside=take_apart(body)) if kind in PARENTS else Box(kind, body)
        at += size
