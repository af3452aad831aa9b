"""What a package contains."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from workers.streaming.boxes import Track
    from workers.streaming.ladder import Rendition
    from workers.streaming.segments import Segment


class Video(NamedTuple):
    """A rendition of the picture."""

    name: str
    """The name of its files, without suffix."""
    track: Track
    segments: list[Segment]
    rendition: Rendition

    @property
    def fps(self) -> float:
        """Frames a second, on average."""
        return self.track.frames / self.track.duration


class Sound(NamedTuple):
    """A rendition of the sound."""

    name: str
    track: Track
    segments: list[Segment]
    label: str
    """Its name in the menu of a player."""
    language: str
    """A tag such as en; "": unknown."""


class Captions(NamedTuple):
    """Captions in one language."""

    name: str
    label: str
    language: str
    cues: int


class Sheet(NamedTuple):
    """A sheet of thumbnails: the size of one, columns and rows, and the seconds that each stands for."""

    name: str
    width: int
    height: int
    columns: int
    rows: int
    every: float
    bytes: int


@dataclass
class Contents:
    """All renditions of a package. The first sound is the default."""

    videos: list[Video] = field(default_factory=list)
    sounds: list[Sound] = field(default_factory=list)
    captions: list[Captions] = field(default_factory=list)
    sheet: Sheet | None = None

    @property
    def tracks(self) -> list[Video | Sound]:
        """Picture and sound."""
        return [*self.videos, *self.sounds]

    @property
    def duration(self) -> float:
        """The duration of the longest rendition, in s."""
        return max((one.track.duration for one in self.tracks), default=0.0)

    @property
    def target_duration(self) -> int:
        """The longest segment of picture and sound, rounded, in s: all their playlists state the same."""
        parts = [one for track in self.tracks for one in track.segments]
        return max([1, *(int(one.duration + 0.5) for one in parts)])
