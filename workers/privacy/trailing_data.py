"""Removes bytes after the last frame of an MP3, which a stream copy would keep as sound.

`python -m workers.privacy.trailing_data FILE` does it and prints the number of bytes; `cut()` runs it in the sandbox.
"""

from __future__ import annotations

import mmap
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.errors import AttemptFailed
from workers.sandbox import isolated, sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

LIMITS = sandbox.Limits(seconds=600, data_bytes=sandbox.GIB)
# ISO/IEC 11172-3 and 13818-3: kbit/s by the index in the header, for (MPEG-1 or not, layer)
BITRATES = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
RATES = (44_100, 48_000, 32_000)
VERSIONS = {3: 1, 2: 2, 0: 4}
"""Version in the header -> divisor of the sample rate: MPEG-1, 2 and 2.5."""
ID3_HEAD = 10


def cut(file: Path, *, check: Callable[[], None] = lambda: None) -> int:
    """Cut one of our MP3 files after its last frame; return the number of removed bytes.

    Raises:
        AttemptFailed: the process failed.
    """
    lines: list[str] = []
    finished = isolated.run(
        "workers.privacy.trailing_data", [str(file)], folder=file.parent, limits=LIMITS, on_line=lines.append, check=check
    )
    if finished.code != 0 or not lines:
        raise AttemptFailed(f"The end of the audio could not be read: exit code {finished.code}")
    return int(lines[-1])


def main() -> None:
    """Cut the file that the last argument names."""
    file = Path(sys.argv[-1])
    with file.open("r+b") as opened:
        with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
            size, end = len(data), end_of_sound(data)
        opened.truncate(end)
    sys.stdout.write(f"{size - end}\n")


def end_of_sound(data: mmap.mmap | bytes) -> int:
    """Return the end of the last frame; the file size if there is none."""
    at = end = 0
    if data[:3] == b"ID3":
        at = ID3_HEAD + sum(byte << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))
    while at >= 0:
        length = frame_length(data, at)
        following = at + length
        # A single header may be chance: the next frame or the end must follow. The last frame may be incomplete.
        if length and (following >= len(data) or frame_length(data, following) or end == at):
            at = end = min(following, len(data))
        else:
            at = data.find(b"\xff", at + 1)
    return end or len(data)


def frame_length(data: mmap.mmap | bytes, at: int) -> int:
    """Return the size of the frame at a place; 0 if there is none."""
    head = int.from_bytes(data[at : at + 4], "big") if at + 4 <= len(data) else 0
    version, layer = head >> 19 & 3, 4 - (head >> 17 & 3)
    index, rate = head >> 12 & 15, head >> 10 & 3
    if head >> 21 != 0x7FF or version not in VERSIONS or layer == 4 or not 0 < index < 15 or rate == 3:  # noqa: PLR2004
        return 0
    bits, samples_rate = BITRATES[version == 3, layer][index - 1] * 1000, RATES[rate] // VERSIONS[version]  # noqa: PLR2004
    padding = head >> 9 & 1
    if layer == 1:
        return (12 * bits // samples_rate + padding) * 4
    return (72 if layer == 3 and version != 3 else 144) * bits // samples_rate + padding  # noqa: PLR2004
