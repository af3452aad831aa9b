"""Copies the packets that each part needs into a file of its own.

`python -m workers.parts.cut FILE STREAM PLAN` prints the number of each part whose file is written; `run()` runs it in the
sandbox. The files are NUT, which has exact times, and for codecs that NUT does not know MOV.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from chalicelib.errors import AttemptFailed
from workers.parts.index import LIMITS, open_film
from workers.sandbox import isolated

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.context.work import Work

LONG_BEFORE = 1 << 40
EXACT = {"avoid_negative_ts": "disabled"}


class Window(msgspec.Struct):
    """The packets of a part: the first, and the one after the last."""

    first: int
    last: int
    target: str


class CutPlan(msgspec.Struct):
    """The windows in film order, and what is added to all times."""

    shift: int
    windows: list[Window]


def run(work: Work, file: Path, stream: int, plan: CutPlan, written: Callable[[int], None] = lambda number: None) -> None:
    """Write the files of the parts. `written` is called with the number of each window, as soon as its file is complete.

    Raises:
        AttemptFailed: the film cannot be read as before.
    """
    about = work.folder / "windows.json"
    about.write_bytes(msgspec.json.encode(plan))
    finished = isolated.run(
        "workers.parts.cut",
        [str(file), str(stream), str(about)],
        folder=work.folder,
        limits=LIMITS,
        on_line=lambda line: written(int(line)),
        check=work.check,
    )
    about.unlink()
    if finished.code != 0:
        raise AttemptFailed("The film could not be cut into parts") from ValueError(finished.stderr[-500:])


def main() -> None:
    """Write the windows. Arguments: the file, the index of its stream, the plan."""
    import av  # noqa: PLC0415 - only this process pays for it

    file, number = Path(sys.argv[-3]), int(sys.argv[-2])
    plan = msgspec.json.decode(Path(sys.argv[-1]).read_bytes(), type=CutPlan)
    waiting = list(enumerate(plan.windows))
    open_: list[_Writer] = []
    with open_film(file) as container:
        stream = container.streams[number]
        for place, packet in enumerate(one for one in container.demux(stream) if one.size):
            while waiting and waiting[0][1].first <= place:
                at, window = waiting.pop(0)
                target = av.open(f"file:{window.target}", "w", options=EXACT)
                open_.append(_Writer(at, window, target, target.add_stream_from_template(stream, opaque=True)))
            ended = [one for one in open_ if one.window.last <= place]
            for one in ended:
                one.close()
                open_.remove(one)
            if not waiting and not open_:
                break
            pts, unit = packet.pts + plan.shift, packet.time_base
            for one in open_:
                one.write(packet, pts, unit)
    for one in open_:
        one.close()


class _Writer:
    def __init__(self, number: int, window: Window, target: Any, stream: Any) -> None:
        self.window = window
        self._number = number
        self._target = target
        self._stream = stream
        self._begin: int | None = None
        self._count = 0

    def write(self, packet: Any, pts: int, unit: Any) -> None:
        """Write a packet, unless it needs what is before the window."""
        if self._begin is None:
            self._begin = pts
        if pts < self._begin and self.window.first:
            return
        # for each file again: writing rescales the packet in place. NUT keeps no decoding times: they need only grow
        packet.stream, packet.pts, packet.dts, packet.time_base = self._stream, pts, pts, unit
        if not self.window.target.endswith(".mov"):
            packet.dts = self._count - LONG_BEFORE
        self._count += 1
        self._target.mux(packet)

    def close(self) -> None:
        """Complete the file."""
        self._target.close()
        sys.stdout.write(f"{self._number}\n")
        sys.stdout.flush()
