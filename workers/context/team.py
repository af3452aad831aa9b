"""What an operation knows of the other workers: how a film is encoded in parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.context.work import Work


class TeamWork(NamedTuple):
    """How the parts were encoded, for `result.parts`."""

    total: int
    workers: int
    """How many workers finished parts."""
    repeated: int
    """Runs of parts after the first of each."""
    errors: int
    """Decode errors."""
    timeline: list[dict[str, Any]]
    """For each part: its number, the number of its worker, the start in s after that of the first part, seconds, and runs."""


class Team(Protocol):
    """The workers that encode the parts of a job."""

    from_seconds: float
    """A film is split if its encoding is expected to take so long (s, on two processors)."""
    parts_wanted: int
    """Into how many parts."""
    used: bool
    """Whether a film was split."""

    def encode(self, work: Work, film: Any, meanwhile: Callable[[], None]) -> TeamWork:
        """Encode all parts of a film (`workers.parts.film.Film`) into the folder of the work.

        `meanwhile` is called as soon as other workers can begin.
        """

    def forget(self) -> None:
        """Delete the stored files of the parts."""
