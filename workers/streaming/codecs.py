"""Names of codecs for players (RFC 6381), from the configuration in a file."""

from __future__ import annotations


def describe(entry: str, boxes: dict[bytes, bytes]) -> str:
    """Return the name of a sample entry. `boxes`: its configuration, by type.

    Raises:
        KeyError: the entry has no configuration, or another codec than those we encode.
    """
    return {"avc1": _avc, "hvc1": _hevc, "av01": _av1, "mp4a": _aac}[entry](boxes)


def _avc(boxes: dict[bytes, bytes]) -> str:
    """ISO/IEC 14496-15, 5.3.3.1: profile, constraints, level."""
    return "avc1." + boxes[b"avcC"][1:4].hex().upper()


def _hevc(boxes: dict[bytes, bytes]) -> str:
    """ISO/IEC 14496-15, annex E.3: profile, compatibility flags in reverse, tier and level, constraints."""
    config = boxes[b"hvcC"]
    space = ("", "A", "B", "C")[config[1] >> 6]
    flags = int(f"{int.from_bytes(config[2:6], 'big'):032b}"[::-1], 2)
    tier = "H" if config[1] & 0x20 else "L"
    constraints = config[6:12].rstrip(b"\0")
    words = ["hvc1", f"{space}{config[1] & 0x1F}", f"{flags:X}", f"{tier}{config[12]}", *(f"{one:X}" for one in constraints)]
    return ".".join(words)


def _av1(boxes: dict[bytes, bytes]) -> str:
    """AV1 Codec ISO Media File Format Binding, section 5: profile, level and tier, bit depth."""
    config = boxes[b"av1C"]
    depth = (12 if config[2] & 0x20 else 10) if config[2] & 0x40 else 8
    return f"av01.{config[1] >> 5}.{config[1] & 0x1F:02}{'H' if config[2] & 0x80 else 'M'}.{depth:02}"


def _aac(boxes: dict[bytes, bytes]) -> str:
    """RFC 6381, section 3.3: MPEG-4 audio with its object type, the first five bits of the decoder's configuration."""
    descriptor = boxes[b"esds"][4:]
    at = 0
    while descriptor[at] != 0x05:  # noqa: PLR2004 - DecSpecificInfoTag
        tag, at = descriptor[at], at + 1
        while descriptor[at] & 0x80:
            at += 1
        at += 1 + {0x03: 3, 0x04: 13}.get(tag, 0)
    at += 1
    while descriptor[at] & 0x80:
        at += 1
    return f"mp4a.40.{descriptor[at + 1] >> 3}"
