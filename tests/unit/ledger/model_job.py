"""One open job of the model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Job:
    """An open job."""

    job_id: str
    id: str
    user: str
    pool: str
    priority: int
    round: int
    wall: int
    state: str = "waiting"
    attempts: int = 0
    stalls: int = 0
    runs: int = 0
    token: str = ""
    former: str = ""
    ended: str = ""
    suspect: bool = False
    cancel: bool = False
    closing: bool = False
    starting: bool = False
    shared: bool = False
    adopted: bool = False
    scheduled: bool = False
    orphan: bool = False
    """Requeued without anybody having spoken up for it."""
    at: int = 0
    """Due when delayed, end of the lease when active."""
    deadline: int = 0
    sent: int = 0

    @property
    def order(self) -> tuple[int, int, str]:
        """Priority, then fair between users, then first in first out."""
        return (self.priority, self.round, self.id)
