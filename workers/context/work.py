"""What an operation gets and gives: the work with its input and tools, and what is done with it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chalicelib.errors import MediaRejected
from workers.context.warnings import WarningCollector

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from workers.context.programs import Programs
    from workers.context.terms import TermMatcher
    from workers.network.credentials import Keyring
    from workers.network.fetch import Fetcher


@dataclass(frozen=True)
class Speech:
    """What the operator has set up for captions."""

    whisper_model: Path | None = None
    transcribe_bucket: str = ""


@dataclass(frozen=True)
class Tools:
    """What the machine lends to every job."""

    work_dir: Path
    programs: Programs
    fetcher: Fetcher
    keyring: Keyring
    speech: Speech
    vocabulary: Callable[[], TermMatcher]

    @property
    def ffmpeg(self) -> str:
        """The path of ffmpeg."""
        return self.programs.ffmpeg


@dataclass(frozen=True)
class Source:
    """What an input was before it was fetched."""

    name: str = ""
    """Its file name, as its owner or its server knows it."""
    mime: str = ""
    """What it is said to be."""
    sha256: str = ""
    """Of its bytes, in hexadecimal."""
    host: str = ""
    """Where it was downloaded from, "" for a file of Directus."""

    def check_sha256(self, wanted: str | None) -> None:
        """See that the input is the one that the caller means.

        Raises:
            MediaRejected: it is another one.
        """
        if wanted is not None and wanted.lower() != self.sha256:
            raise MediaRejected(f"The file's SHA-256 is {self.sha256}, not the one that params.sha256 names")


@dataclass(frozen=True)
class Work:
    """What an operation gets: one job's input on disk, a folder of its own, and how to report and stop."""

    params: Any
    input: Path
    folder: Path
    deadline: float
    """When the attempt must be over, by `time.monotonic`."""
    tools: Tools
    progress: Callable[[float], None] = lambda share: None
    """Tell the share done, 0..1."""
    check: Callable[[], None] = lambda: None
    """Raises when the job must stop: call it often, or hand it to the sandbox."""
    source: Source = Source()
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    """Credentials of the caller's, for the address that the job names."""
    findings: WarningCollector = field(default_factory=WarningCollector)
    """What is wrong with the input although the job can go on."""

    @property
    def seconds_left(self) -> float:
        """How long the attempt may still take."""
        return max(0.1, self.deadline - time.monotonic())


@dataclass(frozen=True)
class Output:
    """A file that becomes a Directus file."""

    path: Path
    name: str
    mime: str
    refers_to: str = ""
    """The name of an earlier output: wherever it stands in this text, the file's id is put instead."""


@dataclass(frozen=True)
class Done:
    """What an operation gives: files, the main one first, and what was measured."""

    outputs: list[Output]
    result: dict[str, Any] = field(default_factory=dict)
