"""One run: a seed decides the faults; at the end everything is repaired, and every job has to end."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from typing import TYPE_CHECKING, Any

import requests
from redis.exceptions import RedisError

from chalicelib.errors import LedgerUnavailable
from infra.local.directus import accounts
from tests.chaos.checker import broken_rules
from tests.chaos.faults import FAULTS
from tests.chaos.field import Field
from tests.chaos.load import Load
from tests.chaos.recorder import Recorder
from tests.integration.conftest import make_clip

if TYPE_CHECKING:
    from pathlib import Path

LONG_SECONDS = 60.0
"""So long a run must compare a film in parts with the undisturbed one."""
SETTLE_SECONDS = 240.0
TOTALS_SECONDS = 30.0
OPEN = ("waiting", "active", "delayed")


class Run:
    """A run of some seconds, with all faults or with some, at random times or `every` so many seconds."""

    def __init__(
        self, home: Path, seed: int, seconds: float, names: list[str] | None = None, every: float | None = None
    ) -> None:
        self.home = home
        self.seed = seed
        self._seconds = seconds
        self._names = names or list(FAULTS)
        self._every = every
        self._dice = random.Random(seed)
        home.mkdir(parents=True, exist_ok=True)
        self.recorder = Recorder(home / "history.jsonl")
        self._over = threading.Event()
        self._reference = ""
        """The hash of the output of an undisturbed job in parts."""
        self._checked: set[str] = set()

    def perform(self) -> list[tuple[str, str]]:
        """Run, settle, and return what is wrong."""
        clip = make_clip(self.home / "clip.mp4", 1, "320x240")
        slow = make_clip(self.home / "slow.mp4", 5, "480x360")
        film = make_clip(self.home / "film.mp4", 12, "426x240", "-g", "25")
        self.field = Field(self.home, random.Random(self._dice.random()), self.recorder).start()
        try:
            self.load = Load(self.field, clip, slow, film, random.Random(self._dice.random()))
            undisturbed = self._record(self.load.undisturbed())
            assert undisturbed["result"]["parts"]["count"] > 1, undisturbed["result"]
            self._reference = self._output_hash(undisturbed)
            self.load.start()
            sampler = threading.Thread(target=self._sample, daemon=True)
            sampler.start()
            self._trouble()
            self.field.calm()
            self.load.stop()
            wrong = self._settle()
            self._over.set()
            sampler.join()
            return wrong
        finally:
            self.field.stop()

    def history(self, job: str) -> str:
        """Return what is known of a job, for the one who has to find out."""
        lines = [f"{event.at:9.3f} {event.kind:12} {event.who:10} {event.data}" for event in self.recorder.of(job)]
        for log in sorted(self.field.logs.glob("*.log")):
            lines += [
                f"{log.stem}: {line[:400]}" for line in log.read_text(errors="replace").splitlines() if job and job in line
            ]
        return "\n".join(lines)

    def _trouble(self) -> None:
        """Faults one after the other, often two at a time, until the time is up."""
        deadline = time.monotonic() + self._seconds
        threads: list[threading.Thread] = []
        while time.monotonic() < deadline:
            time.sleep(self._every or self._dice.uniform(0.5, 4))
            threads = [thread for thread in threads if thread.is_alive()]
            if len(threads) < 2:
                threads.append(self._start_fault(self._dice.choice(self._names), self._dice.random()))
        for thread in threads:
            thread.join()

    def _start_fault(self, name: str, seed: float) -> threading.Thread:
        def act() -> None:
            self.recorder.note("fault", name=name)
            try:
                FAULTS[name](self.field, random.Random(seed))
            except (KeyError, OSError, RedisError) as error:  # two faults at once: what it acts on is gone already
                self.recorder.note("fault failed", name=name, error=repr(error))
            self.recorder.note("fault over", name=name)

        thread = threading.Thread(target=act, daemon=True)
        thread.start()
        return thread

    def _settle(self) -> list[tuple[str, str]]:
        """Wait until nothing is open and the totals are right; then hold everything to the rules."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline and (any(self._stats()[name] for name in OPEN) or self._open_rows()):
            time.sleep(0.5)
        deadline = time.monotonic() + TOTALS_SECONDS
        wrong = self._broken_rules()
        while wrong and time.monotonic() < deadline:
            time.sleep(1)
            wrong = self._broken_rules()
        return wrong

    def _broken_rules(self) -> list[tuple[str, str]]:
        rows = {row["id"]: row for row in self._rows("/items/media_jobs")}
        files: dict[str, list[str]] = {}
        for file in self._rows("/files"):
            job, slash, _ = (file["title"] or "").partition("/")
            if slash:
                files.setdefault(job, []).append(file["id"])
        wrong = broken_rules(self.recorder, self.load.accepted, rows, files, self._stats())
        done = [rows[job] for job in self.load.in_parts & set(rows) if rows[job]["status"] == "completed"]
        wrong += [(row["id"], "has other bytes than an undisturbed job") for row in done if not self._as_expected(row)]
        if not done and self._seconds >= LONG_SECONDS:
            wrong.append(("", "no film in parts was completed"))
        return wrong

    @property
    def compared(self) -> int:
        """How many films in parts had the bytes of the undisturbed one."""
        return len(self._checked)

    def _as_expected(self, row: dict[str, Any]) -> bool:
        """Rule 6: a film in parts has the same bytes, whatever happened."""
        if row["id"] not in self._checked and self._output_hash(row) == self._reference:
            self._checked.add(row["id"])
        return row["id"] in self._checked

    def _record(self, job_id: str) -> dict[str, Any]:
        return next(row for row in self._rows("/items/media_jobs") if row["id"] == job_id)

    def _output_hash(self, row: dict[str, Any]) -> str:
        headers = {"Authorization": f"Bearer {accounts.ADMIN_TOKEN}"}
        answer = requests.get(f"{self.field.url('directus')}/assets/{row['output_file_id']}", headers=headers, timeout=60)
        return hashlib.sha256(answer.content).hexdigest()

    def _open_rows(self) -> bool:
        rows = {row["id"]: row["status"] for row in self._rows("/items/media_jobs")}
        return any(rows[job] not in ("completed", "failed") for job in self.load.accepted)

    def _rows(self, path: str) -> list[dict[str, Any]]:
        headers = {"Authorization": f"Bearer {accounts.ADMIN_TOKEN}"}
        answer = requests.get(f"{self.field.url('directus')}{path}", params={"limit": "-1"}, headers=headers, timeout=60)
        rows: list[dict[str, Any]] = answer.json()["data"]
        return rows

    def _stats(self) -> dict[str, int]:
        return self.field.ledger.stats()._asdict()

    def _sample(self) -> None:
        """Read the counts, past all proxies, as often as a dashboard would."""
        while not self._over.wait(0.5):
            try:
                self.recorder.note("stats", **self._stats())
            except LedgerUnavailable:
                continue


def report(run: Run, wrong: list[tuple[str, str]]) -> str:
    """Say what came out: one line when all is well, else the seed and the histories."""
    kinds = [event.kind for event in run.recorder.events]
    line = (
        f"seed {run.seed}: {len(run.load.accepted)} jobs accepted, {kinds.count('fault')} faults, {kinds.count('restart')} restarts, "
        f"{run.compared} films in parts compared, {len(wrong)} broken rules"
    )
    texts = [f"\n{job or 'all'}: {text}\n{run.history(job) if job else ''}" for job, text in wrong[:10]]
    return "".join([line, *texts, f"\nthe whole history: {run.home}" if wrong else ""])
