"""Writers that stop at every step, so that a test can run another one in between."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import msgspec

from chalicelib.directus.client import Directus
from chalicelib.errors import ApiError, TicketsUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.domain.jobs import MediaJob
    from chalicelib.queues.tickets import Ticket

WAITS_SECONDS = 0.3


class Killed(BaseException):
    """What a process that is killed would not notice."""


class Actor(threading.Thread):
    """Somebody who stops at every step until told to go on."""

    def __init__(self, name: str, act: Callable[[], Any]) -> None:
        super().__init__(name=name, daemon=True)
        self._act = act
        self._reached, self._go = threading.Semaphore(0), threading.Semaphore(0)
        self._free = self._killed = False
        self.over = False
        self.answer: Any = None

    def run(self) -> None:
        try:
            self.answer = self._act()
        except (ApiError, Killed) as error:
            self.answer = error
        self.over = True
        self._reached.release()

    def step(self) -> None:
        """Stop here, in this actor's own thread."""
        if self._free:
            return
        self._reached.release()
        self._go.acquire()
        if self._killed:
            self._free = True
            raise Killed

    def advance(self) -> None:
        """Let it go on to its next step."""
        if self.ident is None:
            self.start()
        else:
            self._go.release()
        assert self._reached.acquire(timeout=20), f"{self.name} hangs"

    def go_on(self, *, killed: bool = False) -> None:
        """Let it go on to its end, or die where it is."""
        self._free, self._killed = not killed, killed
        if self.ident is None:
            self.start()
        else:
            self._go.release()

    def finish(self) -> None:
        """Wait for its end."""
        self.join(timeout=20)
        assert self.over, f"{self.name} hangs"


def step() -> None:
    actor = threading.current_thread()
    if isinstance(actor, Actor):
        actor.step()


class SteppedDirectus(Directus):
    """Looks and writes in two calls, as Directus does inside, and remembers what it wrote."""

    history: list[tuple[str, str]]

    def read_job(self, job_id: str) -> Any:
        step()
        return super().read_job(job_id)

    def _update(self, job_id: str, where: dict[str, Any], values: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
        step()
        filters = msgspec.json.encode({"id": {"_eq": job_id}, **where}).decode()
        if not self._rows("GET", "/items/media_jobs", params={"filter": filters, "fields": "id"}):
            return []
        step()
        path, fields = f"/items/media_jobs/{job_id}", options.get("fields", "id")
        row = self._call("PATCH", path, params={"fields": fields}, json=values).json()["data"]
        if "status" in values:
            self.history.append((threading.current_thread().name, values["status"]))
        return [row]


class Tickets:
    """SQS, as far as the writers need it: what was sent."""

    delay_max_ms = 900_000

    def __init__(self) -> None:
        self.sent: list[MediaJob] = []

    def send_all(self, sendings: Any) -> dict[str, TicketsUnavailable]:
        if threading.current_thread().name == "unsent reopen":
            return {one.job.id: TicketsUnavailable() for one in sendings}
        self.sent += [one.job for one in sendings]
        return {}

    def send(self, job: MediaJob, delay_ms: int = 0) -> None:
        self.sent.append(job)

    def receive(self, *_: Any, **__: Any) -> list[Ticket]:
        return []

    def hold(self, *_: Any) -> None: ...

    def hold_all(self, *_: Any) -> None: ...

    def delete_all(self, *_: Any) -> None: ...

    def unschedule(self, *_: Any) -> None: ...
