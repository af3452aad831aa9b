"""Creator apps: they create records, enqueue them until accepted, repeat calls, cancel, delay and retry."""

from __future__ import annotations

import random
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

import requests

from infra.local.directus import accounts

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.field import Field

KINDS = {"thumbnail": 44, "quick": 14, "analysis": 10, "bad": 11, "missing": 8, "slow": 4, "parts": 4, "upload": 5}
"""How often each kind of job is made, in 100."""
PARTS = {"resolution": "240p", "preset": "medium"}
"""Of a film that is encoded in parts. All such jobs have the same bytes as output."""
OPEN_AT_MOST = 40


class Load:
    """Some clients, each a thread, until told to stop."""

    def __init__(self, field: Field, clip: Path, slow_clip: Path, film: Path, dice: random.Random, clients: int = 4) -> None:
        self._field = field
        self._dice = dice
        self._over = threading.Event()
        self.accepted: set[str] = set()
        self.cancelled: set[str] = set()
        self.in_parts: set[str] = set()
        """The jobs whose film is encoded in parts."""
        self._doomed: dict[str, str] = {}
        self._files = {
            "clip": self._upload(clip.read_bytes()),
            "slow": self._upload(slow_clip.read_bytes()),
            "parts": self._upload(film.read_bytes()),
        }
        self._files["bad"] = self._upload(b"no film at all" * 100)
        seeds = [dice.random() for _ in range(clients)]
        self._threads = [threading.Thread(target=self._client, args=(random.Random(seed),), daemon=True) for seed in seeds]

    def start(self) -> None:
        """Start the clients."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let no new job be made, and wait until the clients have their last answers."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def undisturbed(self) -> str:
        """Run a film in parts before the trouble begins; return the record's id."""
        asked = self._make(random.Random(0), "parts")
        assert self._until_accepted(asked)
        while not self._is_closed(asked["jobId"]):
            time.sleep(0.2)
        return str(asked["jobId"])

    def _client(self, dice: random.Random) -> None:
        while not self._over.is_set():
            if len(self.accepted) - self._closed() > OPEN_AT_MOST:
                self._over.wait(0.2)
                continue
            several = 5 if dice.random() < 0.05 else 1
            jobs = [self._make(dice) for _ in range(several)]
            if several > 1:
                self._bulk(jobs)
            else:
                self._enqueue(jobs[0], dice)
            self._over.wait(dice.uniform(0, 1.2))

    def _closed(self) -> int:
        return len(
            {event.job for event in self._field.recorder.events if event.kind == "patch" and event.data["status"] in CLOSED}
        )

    def _make(self, dice: random.Random, kind: str = "") -> dict[str, Any]:
        """Make a record, and return what is asked for."""
        kind = kind or dice.choices(list(KINDS), list(KINDS.values()))[0]
        file_id = self._files.get(kind, self._files["clip"])
        if kind == "missing":
            file_id = self._upload(b"soon gone")
        operation, params = {
            "quick": ("transcoding", {"resolution": "144p", "preset": "ultrafast"}),
            "slow": ("transcoding", {"codec": "h265", "preset": "medium", "parts": False}),
            "parts": ("transcoding", PARTS),
            "analysis": ("analysis", {}),
            "upload": ("upload", {}),
        }.get(kind, ("thumbnail", {"width": 160, "count": dice.choice([1, 1, 3])}))
        job_id = str(uuid.UUID(int=dice.getrandbits(128), version=4))
        row = {"id": job_id, "operation": operation, "input_file_id": file_id, "params": params}
        self._directus("POST", "/items/media_jobs", json=row, token=self._field.token)
        self._field.recorder.note("made", job_id, what=kind)
        asked = {"jobId": job_id, "operation": operation, "params": params, "priority": dice.choice([1, 5, 10, 10, 10, 50])}
        if kind == "missing":
            self._doomed[job_id] = file_id
        if kind == "parts":
            self.in_parts.add(job_id)
        if dice.random() < 0.05:
            asked["delay"] = dice.randint(500, 4000)
        return asked

    def _enqueue(self, asked: dict[str, Any], dice: random.Random) -> None:
        job_id = asked["jobId"]
        accepted = self._until_accepted(asked)
        if job_id in self._doomed:
            self._directus("DELETE", f"/files/{self._doomed[job_id]}")
        if not accepted:
            return
        if dice.random() < 0.1:
            self._post("/media", asked, job_id)
        if dice.random() < 0.06:
            time.sleep(dice.uniform(0, 2))
            answer = self._call("DELETE", f"/jobs/{job_id}")
            self._field.recorder.note("cancel", job_id, "client", status=answer)
            if answer == 200:
                self.cancelled.add(job_id)
        elif dice.random() < 0.1:
            time.sleep(dice.uniform(2, 6))
            answer = self._call("POST", f"/jobs/{job_id}/retry")
            self._field.recorder.note("retry", job_id, "client", status=answer)

    def _until_accepted(self, asked: dict[str, Any]) -> bool:
        """Ask until there is an answer that a client would take for one."""
        while True:
            status = self._post("/media", asked, asked["jobId"])
            if status == 200:
                self.accepted.add(asked["jobId"])
                return True
            if status not in (0, 429, 503, 500, 409) or (status == 409 and self._over.is_set()):
                return False
            if status == 409 and self._is_closed(asked["jobId"]):  # an answer was lost, and the job is done already
                self.accepted.add(asked["jobId"])
                return False
            time.sleep(0.5)

    def _is_closed(self, job_id: str) -> bool:
        return any(event.kind == "patch" and event.data["status"] in CLOSED for event in self._field.recorder.of(job_id))

    def _bulk(self, jobs: list[dict[str, Any]]) -> None:
        started = self._field.recorder.now()
        try:
            answer = self._request("POST", "/media/bulk", json={"jobs": jobs})
            results = answer.json()["results"] if answer.status_code == 200 else []
        except (requests.RequestException, ValueError):
            results = []
        for asked, result in zip(jobs, results, strict=False):
            if result["ok"]:
                self._field.recorder.note("accepted", asked["jobId"], "client", asked_at=started, id=result["bullJobId"])
                self.accepted.add(asked["jobId"])
        for asked in jobs:
            if asked["jobId"] not in self.accepted:
                self._until_accepted(asked)

    def _post(self, path: str, asked: dict[str, Any], job_id: str) -> int:
        started = self._field.recorder.now()
        try:
            answer = self._request("POST", path, json=asked)
        except requests.RequestException:
            return 0
        if answer.status_code == 200:
            self._field.recorder.note("accepted", job_id, "client", asked_at=started, id=answer.json()["bullJobId"])
        else:
            self._field.recorder.note("refused", job_id, "client", status=answer.status_code, said=answer.text[:100])
        return answer.status_code

    def _call(self, method: str, path: str) -> int:
        try:
            return self._request(method, path).status_code
        except requests.RequestException:
            return 0

    def _request(self, method: str, path: str, **request: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self._field.token}"}
        return requests.request(method, f"{self._field.url('api')}/api/queue{path}", headers=headers, timeout=60, **request)

    def _upload(self, content: bytes) -> str:
        answer = self._directus("POST", "/files", files={"file": ("clip.mp4", content, "video/mp4")}, token=self._field.token)
        return str(answer["id"])

    def _directus(self, method: str, path: str, token: str = accounts.ADMIN_TOKEN, **request: Any) -> Any:
        """Call Directus past all proxies."""
        headers = {"Authorization": f"Bearer {token}"}
        answer = requests.request(method, self._field.url("directus") + path, headers=headers, timeout=60, **request)
        assert answer.status_code < 300, answer.text
        return answer.json()["data"] if answer.content else None


CLOSED = ("completed", "failed")
