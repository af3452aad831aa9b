"""The calls of a creator's app: upload, create the record, enqueue, poll, download."""

from __future__ import annotations

import mimetypes
import time
from typing import TYPE_CHECKING, Any

import requests
from requests_toolbelt import MultipartEncoder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Json = dict[str, Any]


class CreatorApp:
    """A client of Directus and of the queue."""

    def __init__(self, directus: str, api: str, token: str) -> None:
        self._directus = directus
        self._api = api
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"

    def upload(self, file: Path) -> str:
        """Upload a file and return its id."""
        mime = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        with file.open("rb") as stream:
            form = MultipartEncoder([("title", file.stem), ("file", (file.name, stream, mime))])
            answer = self._session.post(f"{self._directus}/files", data=form, headers={"Content-Type": form.content_type})
        answer.raise_for_status()
        return str(answer.json()["data"]["id"])

    def create_record(self, operation: str, input_file_id: str | None, **values: Any) -> str:
        """Create the media_jobs record and return its id."""
        record = {"operation": operation, "status": "pending", "input_file_id": input_file_id, **values}
        answer = self._session.post(f"{self._directus}/items/media_jobs", json=record)
        answer.raise_for_status()
        return str(answer.json()["data"]["id"])

    def enqueue(self, job_id: str, operation: str, **values: Any) -> requests.Response:
        """Call `POST /api/queue/media`."""
        return self._session.post(f"{self._api}/api/queue/media", json={"jobId": job_id, "operation": operation, **values})

    def record(self, job_id: str) -> Json:
        """Read the record."""
        answer = self._session.get(f"{self._directus}/items/media_jobs/{job_id}")
        answer.raise_for_status()
        record: Json = answer.json()["data"]
        return record

    def stats(self) -> dict[str, int]:
        """Call `GET /api/queue/stats`."""
        answer = self._session.get(f"{self._api}/api/queue/stats")
        answer.raise_for_status()
        counts: dict[str, int] = answer.json()["stats"]
        return counts

    def wait(
        self, job_id: str, seconds: float, every: float = 0.2, watch: Callable[[Json], None] = lambda record: None
    ) -> Json:
        """Poll until the record is completed or failed; `watch` is called with every state.

        Raises:
            TimeoutError: it did not end within `seconds`.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            record = self.record(job_id)
            watch(record)
            if record["status"] in ("completed", "failed"):
                return record
            time.sleep(every)
        raise TimeoutError(f"job {job_id} is still {record['status']} after {seconds:g} s")

    def download(self, file_id: str, target: Path) -> None:
        """Download a file."""
        with self._session.get(f"{self._directus}/assets/{file_id}", stream=True) as answer:
            answer.raise_for_status()
            with target.open("wb") as out:
                for piece in answer.iter_content(1 << 20):
                    out.write(piece)
