"""Makes hostile images: small files that would be large in memory."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from tests.inputs import heic
from tests.media import ffmpeg_made

if TYPE_CHECKING:
    from pathlib import Path


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *, rows: int | None = None, extra: bytes = b"") -> bytes:
    """A PNG of one colour: 16000 x 16000 of it are under a megabyte."""
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(bytes(1 + width * 3)) for _ in range(height if rows is None else rows)) + packer.flush()
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def png_bomb(target: Path, _: object) -> None:
    target.write_bytes(png(16000, 16000))


def png_profile_bomb(target: Path, _: object) -> None:
    """A colour profile and a text of 400 MB each, compressed a thousand times."""
    packer, megabyte = zlib.compressobj(9), bytes(1 << 20)  # never whole in memory: that of a process counts its parent's
    packed = b"".join(packer.compress(megabyte) for _ in range(400)) + packer.flush()
    target.write_bytes(png(64, 64, extra=chunk(b"iCCP", b"x\0\0" + packed) + chunk(b"zTXt", b"Comment\0\0" + packed)))


def cover_bomb(target: Path, _: object) -> None:
    picture = target.with_name("cover.png")
    picture.write_bytes(png(16000, 16000, rows=0))
    ffmpeg_made(target, "mp3", "-f", "lavfi", "-i", "sine=duration=1")
    mime, data = b"image/png\0", picture.read_bytes()
    body = b"\0" + mime + b"\3\0" + data
    frame = b"APIC" + struct.pack(">I", len(body)) + b"\0\0" + body
    size = bytes((len(frame) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    target.write_bytes(b"ID3\3\0\0" + size + frame + target.read_bytes()[_id3_end(target.read_bytes()) :])
    picture.unlink()


def _id3_end(data: bytes) -> int:
    if data[:3] != b"ID3":
        return 0
    return 10 + sum(byte << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))


def jpeg_bomb(target: Path, _: object) -> None:
    ffmpeg_made(target, "jpg", "-f", "lavfi", "-i", "testsrc2=size=64x48", "-frames:v", "1")
    data = bytearray(target.read_bytes())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 65500, 65500)
    target.write_bytes(data)


def webp_bomb(target: Path, _: object) -> None:
    frame = b"VP8L" + struct.pack("<I", 10) + b"\x2f" + struct.pack("<I", 16383 | 16383 << 14) + bytes(5)
    target.write_bytes(b"RIFF" + struct.pack("<I", len(frame) + 4) + b"WEBP" + frame)


def gif(width: int, height: int, frames: int) -> bytes:
    """A GIF of frames of one pixel on a screen of any size."""
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    one = b"!\xf9\4\0\1\0\0\0," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\2\2\x44\1\0"
    return head + one * frames + b";"


def _photo(target: Path) -> bytearray:
    heic(target)
    return bytearray(target.read_bytes())


def photo_of_lying_size(target: Path, _: object) -> None:
    data = _photo(target)
    at = data.index(b"ispe")
    data[at + 8 : at + 16] = struct.pack(">II", 60_000, 60_000)
    target.write_bytes(data)


def photo_cut_short(target: Path, _: object) -> None:
    data = _photo(target)
    target.write_bytes(data[: len(data) // 5])


def photo_of_lying_item(target: Path, _: object) -> None:
    """Every place in the list of items is far behind the end of the file."""
    data = _photo(target)
    at = data.index(b"iloc")
    end = at - 4 + struct.unpack_from(">I", data, at - 4)[0]
    data[at + 12 : end] = bytes(byte or 0x7F for byte in data[at + 12 : end])
    target.write_bytes(data)


def animation_bomb(target: Path, _: object) -> None:
    """Five thousand frames of one pixel, each on a canvas of 268 million."""
    frame = b"VP8L" + struct.pack("<I", 16) + b"\x2f" + struct.pack("<I", 0) + bytes(11)
    one = b"ANMF" + struct.pack("<I", 16 + len(frame)) + bytes(12) + b"\1\0\0\0" + frame
    canvas = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + (16382).to_bytes(3, "little") * 2
    body = b"WEBP" + canvas + b"ANIM" + struct.pack("<I", 6) + bytes(6) + one * 5000
    target.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)


def apng_bomb(target: Path, _: object) -> None:
    control = chunk(b"acTL", struct.pack(">II", 100_000, 0))
    target.write_bytes(png(64, 64, extra=control))
