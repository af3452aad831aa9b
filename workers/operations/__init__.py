"""The operations: each turns a fetched input into outputs and a measured result."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True)
class Work:
    """What an operation gets: one job's input on disk, a folder of its own, and how to report and stop."""

    params: Any
    input: Path
    folder: Path
    seconds: float
    """How long the attempt may still take."""
    ffmpeg: str
    progress: Callable[[float], None]
    """Tell the share done, 0..1."""
    check: Callable[[], None]
    """Raises when the job must stop: call it often, or hand it to the sandbox."""


@dataclass(frozen=True)
class Output:
    """A file that becomes a Directus file."""

    path: Path
    name: str
    mime: str


@dataclass(frozen=True)
class Done:
    """What an operation gives: files, the main one first, and what was measured."""

    outputs: list[Output]
    result: dict[str, Any] = field(default_factory=dict)
