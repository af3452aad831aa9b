"""Makes media and work objects for the tests of operations."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING, Any

from chalicelib.domain.captions.parse import parse
from chalicelib.domain.cost import load_prices
from chalicelib.domain.jobs import OPERATIONS
from chalicelib.domain.validation import validate
from chalicelib.settings import PRICES_FILE
from workers.attempt.attempt import RUN
from workers.context import programs
from workers.context.terms import TermMatcher
from workers.context.work import Done, Source, Speech, Tools, Work
from workers.network.credentials import Keyring
from workers.network.fetch import Fetcher

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TERMS = [
    {"id": 1, "name": "Rock", "slug": "rock", "kind": "genre"},
    {"id": 2, "name": "New York", "slug": "new-york", "kind": "place"},
    {"id": 3, "name": "Café", "slug": "cafe", "kind": "place"},
]


def run_ffmpeg(*arguments: str | Path) -> None:
    """Run ffmpeg, outside of any wall."""
    command = [programs.find().ffmpeg, "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def ffmpeg_made(target: Path, kind: str, *arguments: str) -> None:
    """Make a file of a kind under a name that does not say so."""
    made = target.with_name(f"made.{kind}")
    run_ffmpeg(*arguments, made)
    made.rename(target)


def synthesise(
    target: Path, *extra: str, size: str = "640x360", seconds: float = 3, rate: int = 25, sound: bool = True
) -> Path:
    """Make a clip; `extra` goes to ffmpeg."""
    tone = ["-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}"] if sound else []
    picture = ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={seconds}"]
    run_ffmpeg(*picture, *tone, "-pix_fmt", "yuv420p", "-preset", "ultrafast", *extra, target)
    return target


def make_tools(folder: Path, **changes: Any) -> Tools:
    """Return tools without settings."""
    usual: dict[str, Any] = {
        "work_dir": folder,
        "programs": programs.find(),
        "fetcher": Fetcher(),
        "keyring": Keyring([]),
        "speech": Speech(),
        "term_matcher": lambda: TermMatcher(TERMS),
        "prices": load_prices(PRICES_FILE),
    }
    return Tools(**usual | changes)


def make_work(
    operation: str,
    file: Path,
    folder: Path,
    params: dict[str, Any] | None = None,
    *,
    tools: Tools | None = None,
    progress: Callable[[float], None] = lambda share: None,
    check: Callable[[], None] = lambda: None,
    source: Source | None = None,
    seconds: float = 120,
    captions: bytes | None = None,
) -> Work:
    """Return a work; its input is a copy, because an operation may move it."""
    folder.mkdir(parents=True, exist_ok=True)
    given = folder / "input"
    given.write_bytes(file.read_bytes())
    out = folder / "out"
    out.mkdir()
    checked = validate(params or {}, OPERATIONS[operation].params, "params")
    known = source or Source(file.name)
    held = parse(captions) if captions is not None else None
    tools = tools or make_tools(folder)
    return Work(checked, given, out, time.monotonic() + seconds, tools, progress, check, known, captions=held)


def run(operation: str, file: Path, folder: Path, params: dict[str, Any] | None = None, **options: Any) -> Done:
    """Run an operation on a file."""
    return RUN[operation](make_work(operation, file, folder, params, **options))
