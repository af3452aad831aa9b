"""Records a run from outside: every call of a client, every effect on a record or file, every fault, every count."""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from infra.local.proxies.http import Exchange

FINAL = ("completed", "failed")


@dataclass
class Event:
    """Something that happened at `at` seconds of the run, to a job or to none."""

    at: float
    kind: str
    job: str
    who: str
    data: dict[str, Any] = field(default_factory=dict)


class Recorder:
    """The history of one run, in memory and, line by line, in a file."""

    def __init__(self, file: Path) -> None:
        self.events: list[Event] = []
        self.files: dict[str, str] = {}
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._file = file

    def now(self) -> float:
        """Return the seconds since the run began."""
        return time.monotonic() - self._started

    def note(self, kind: str, job: str = "", who: str = "", **data: Any) -> None:
        """Note an event."""
        event = Event(round(self.now(), 3), kind, job, who, data)
        with self._lock:
            self.events.append(event)
            with self._file.open("a") as file:
                file.write(json.dumps(vars(event)) + "\n")

    def of(self, job: str) -> list[Event]:
        """Return the history of one job."""
        return [event for event in self.events if event.job == job]

    def directus(self, who: str) -> Callable[[Exchange], None]:
        """Return what notes the effects that a process has on Directus."""

        def record(exchange: Exchange) -> None:
            if exchange.status not in (200, 204):
                return
            if exchange.method == "PATCH" and exchange.path.startswith("/items/media_jobs"):
                asked = exchange.json
                values = {name: asked["data"][name] for name in ("status", "attempts", "error") if name in asked["data"]}
                changed = bool(exchange.answer_json["data"])
                if "status" in values:
                    self.note("patch", asked["query"]["filter"]["id"]["_eq"], who, changed=changed, **values)
            elif exchange.method == "POST" and exchange.path.startswith("/files"):
                job, _, name = title_of(exchange.body).partition("/")
                file_id = exchange.answer_json["data"]["id"]
                self.files[file_id] = job
                self.note("file", job, who, name=name, file=file_id)
            elif exchange.method == "DELETE" and exchange.path.startswith("/files/"):
                file_id = unquote(exchange.path.rpartition("/")[2])
                self.note("file deleted", self.files.get(file_id, ""), who, file=file_id)

        return record


def title_of(body: bytes) -> str:
    """Return the title in the form of an upload."""
    found = re.search(rb'name="title"\r\n(?:.*\r\n)*?\r\n(.*?)\r\n', body)
    return found[1].decode() if found else ""
