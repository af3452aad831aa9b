"""What an operation receives and returns: its work, with input and tools, and the result."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from chalicelib.domain.estimates.shape import Facts
from chalicelib.errors import MediaRejected
from workers.context.warnings import WarningCollector

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from chalicelib.domain.captions.parse import Captions
    from chalicelib.domain.cost import Prices
    from chalicelib.domain.jobs import MediaJob
    from workers.context.programs import Programs
    from workers.context.team import Team
    from workers.context.terms import TermMatcher
    from workers.network.authorization import Authorization
    from workers.network.credentials import Keyring
    from workers.network.fetch import Fetcher


@dataclass(frozen=True)
class Speech:
    """The operator's settings for captions."""

    whisper_model: Path | None = None
    """The folder of a faster-whisper model; None: the one that is installed."""
    whisper_threads: int = 0
    """0: one per core."""
    whisper_beam_size: int = 5
    whisper_compute_type: str = "int8"
    transcribe_bucket: str = ""


@dataclass(frozen=True)
class Tools:
    """What every job on this machine shares."""

    work_dir: Path
    programs: Programs
    fetcher: Fetcher
    keyring: Keyring
    speech: Speech
    term_matcher: Callable[[], TermMatcher]
    prices: Prices
    make_team: Callable[[MediaJob, str], Team] | None = None
    """Returns the team for a job and the token of its lease; None: there is no store for parts."""

    @property
    def ffmpeg(self) -> str:
        """The path of ffmpeg."""
        return self.programs.ffmpeg


@dataclass(frozen=True)
class Source:
    """The origin of an input."""

    name: str = ""
    """Its file name in Directus or on the server."""
    mime: str = ""
    """Its declared media type."""
    sha256: str = ""
    """The SHA-256 of its bytes, in hexadecimal."""
    host: str = ""
    """The host that it was downloaded from; "": a file in Directus."""

    def check_sha256(self, wanted: str | None) -> None:
        """Check that the input is the expected one.

        Raises:
            MediaRejected: its hash differs.
        """
        if wanted is not None and wanted.lower() != self.sha256:
            raise MediaRejected(f"The file's SHA-256 is {self.sha256}, not the one that params.sha256 names")


@dataclass(frozen=True)
class Work:
    """What an operation receives: the input on disk, a private folder, and callbacks for progress and cancellation."""

    params: Any
    input: Path
    folder: Path
    deadline: float
    """The end of the attempt, in `time.monotonic`."""
    tools: Tools
    progress: Callable[[float], None] = lambda share: None
    """Report the progress, 0..1."""
    check: Callable[[], None] = lambda: None
    """Raises if the job must stop. Call it often, or pass it to the sandbox."""
    source: Source = Source()
    captions: Captions | None = None
    """The captions of `captions_file_id`."""
    captions_by_language: dict[str, Captions] = field(default_factory=dict)
    """Those of `captions_file_ids`."""
    authorization: Authorization | None = field(default=None, repr=False)
    """The caller's credential for the hosts in the request."""
    warnings: WarningCollector = field(default_factory=WarningCollector)
    """Problems of the input that do not stop the job."""
    facts: Facts = field(default_factory=Facts)
    """What the operation finds out about its input, for the estimates."""
    team: Team | None = None
    """Other workers that encode parts of a long film; None: there is no store for the parts."""

    @property
    def seconds_left(self) -> float:
        """The time left for the attempt, in s."""
        return max(0.1, self.deadline - time.monotonic())

    def stage(self, begin: float, end: float) -> Work:
        """Return this work for a stage of it, whose progress 0..1 is that from `begin` to `end` of the whole."""
        return replace(self, progress=lambda share: self.progress(begin + (end - begin) * share))


@dataclass(frozen=True)
class Output:
    """A file that becomes a Directus file."""

    path: Path
    name: str
    mime: str
    refers_to: tuple[str, ...] = ()
    """Names of other outputs. In this file's text, each is replaced by the id of that output's file."""


@dataclass(frozen=True)
class Done:
    """What an operation returns: files, the main one first, and measurements for `result`."""

    outputs: list[Output]
    result: dict[str, Any] = field(default_factory=dict)
