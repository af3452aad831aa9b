"""The client: upload, record, enqueue, wait, download, and everything else that the API offers."""

from __future__ import annotations

import mimetypes
import os
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mediaq.errors import ApiError, JobFailed, MediaqError
from mediaq.models import Job
from mediaq.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Json = dict[str, Any]
API, DIRECTUS = "http://127.0.0.1:3001/api/queue", "http://127.0.0.1:8055"
COLUMNS = ("input_url", "params", "priority", "creator_profile_id")
"""What a record says of its job as well; the rest only the API is told."""
WAIT_SECONDS = 2.0


def _quietly(done: int, whole: int) -> None:
    del done, whole


class Client:
    """A user's view of mediaq and its Directus.

    What is not given comes from MEDIAQ_API, MEDIAQ_DIRECTUS and MEDIAQ_TOKEN. Every method raises `ApiError` when the answer
    is no, and `Unreachable` when there is none; calls are repeated a few times before that. `stats`, `health` and `pools`
    need no token.
    """

    def __init__(
        self, api: str | None = None, directus: str | None = None, token: str | None = None, timeout: float = 60
    ) -> None:
        self._api = (api or os.environ.get("MEDIAQ_API") or API).rstrip("/")
        self._directus = (directus or os.environ.get("MEDIAQ_DIRECTUS") or DIRECTUS).rstrip("/")
        self._wire = Wire(token or os.environ.get("MEDIAQ_TOKEN") or "", timeout)

    # A job, from beginning to end

    def submit(
        self,
        source: str | Path | None,
        operation: str,
        params: Json | None = None,
        *,
        record: str | None = None,
        sent: Callable[[int, int], None] = _quietly,
        **options: Any,
    ) -> str:
        """Hand over a file, a URL, or the id of a file in Directus; return the id of the job.

        `options` are those of `POST /media`: priority, delay (ms), run_at, callback_url, creator_profile_id. When it is broken
        off, the error's `file_id` and `job_id` say what was made: with these as `source` and `record` it goes on from there.
        """
        given, job_id = _source(source), record
        try:
            if isinstance(given, Path):
                given = {"input_file_id": self.upload(given, sent)}
            said = {**given, "params": params or {}, **options}
            job_id = job_id or self.create_record(operation, **said)
            self.enqueue(job_id, operation, **said)
        except MediaqError as error:
            error.file_id, error.job_id = None if isinstance(given, Path) else given.get("input_file_id"), job_id
            raise
        return job_id

    def upload(self, file: str | Path, sent: Callable[[int, int], None] = _quietly) -> str:
        """Stream a file into Directus and return its id; `sent` is told the bytes so far and in all."""
        file = Path(file)
        mime = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        with file.open("rb") as stream:
            fields = [("title", file.stem), ("file", (file.name, stream, mime))]
            return str(self._wire.upload(f"{self._directus}/files", fields, sent)["data"]["id"])

    def create_record(self, operation: str, input_file_id: str | None = None, **said: Any) -> str:
        """Create the media_jobs record and return its id."""
        job_id = str(uuid.uuid4())  # ours, so that a repeated call makes no second one
        columns = {name: said[name] for name in COLUMNS if said.get(name) is not None}
        row = {"id": job_id, "operation": operation, "status": "pending", "input_file_id": input_file_id, **columns}
        try:
            self._wire.call("POST", f"{self._directus}/items/media_jobs", json=row)
        except ApiError as error:
            if "unique" not in str(error):
                raise
        return job_id

    def enqueue(self, job_id: str, operation: str, **options: Any) -> str:
        """Put a record into the queue and return the id of its admission; asked again, it is the same one."""
        body = {"jobId": job_id, "operation": operation, **options}
        return str(self._wire.call("POST", f"{self._api}/media", json=body)["bullJobId"])

    def wait(
        self, job_id: str, timeout: float | None = None, every: float = WAIT_SECONDS, watch: Callable[[Job], None] | None = None
    ) -> Job:
        """Wait until a job is completed; `watch` sees every reading.

        Raises:
            JobFailed: it failed, or was cancelled.
            TimeoutError: neither, after `timeout` s.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            job = self.job(job_id)
            if watch is not None:
                watch(job)
            if job.state == "completed":
                return job
            if job.finished:
                raise JobFailed(job_id, job.error or job.state)
            if until is not None and time.monotonic() >= until:
                raise TimeoutError(f"job {job_id} is still {job.state} after {timeout:g} s")
            time.sleep(every)

    def download(self, file_id: str | None, target: str | Path, came: Callable[[int, int], None] = _quietly) -> Path:
        """Stream a file of Directus to `target`, which is there whole or not at all."""
        if file_id is None:
            raise MediaqError("the job has no output file: its result says what it found")
        target = Path(target)
        partial = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
        try:
            with partial.open("wb") as out:
                self._wire.download(f"{self._directus}/assets/{file_id}", out, came)
            return partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)

    # Looking

    def job(self, job_id: str) -> Job:
        """Look at one job."""
        return Job.read(self._wire.call("GET", f"{self._api}/jobs/{job_id}")["job"])

    def jobs(self, **filters: Any) -> Iterator[Job]:
        """Go through jobs, the newest first; filters are state, operation, user, since, until, search."""
        asked = {name: value for name, value in filters.items() if value is not None}
        while True:
            page = self._wire.call("GET", f"{self._api}/jobs", params={"limit": 100, **asked})
            yield from map(Job.read, page["jobs"])
            if page["next"] is None:
                return
            asked["cursor"] = page["next"]

    def usage(self, user: str | None = None) -> Json:
        """Read one's plan: tier, cycle, and of each operation limit, used, remaining."""
        return self._get("usage", {"user": user} if user else None)

    def stats(self) -> Json:
        """Read the counts of the queue."""
        return self._get("stats", public=True)

    def health(self) -> Json:
        """Read what can be reached, and which alarms are on."""
        found: Json = self._wire.call("GET", f"{self._api}/health", public=True, accept=(503,))
        return found

    def pools(self) -> list[Json]:
        """Read how each pool does."""
        pools: list[Json] = self._get("pools", public=True)["pools"]
        return pools

    def callback_secret(self) -> str:
        """Read the secret that one's callbacks are signed with: see `mediaq.verify`."""
        return str(self._get("callbacks/secret")["secret"])

    # Changing

    def cancel(self, job_id: str) -> None:
        """Cancel a job that is waiting, delayed or running."""
        self._wire.call("DELETE", f"{self._api}/jobs/{job_id}")

    def retry(self, job_id: str) -> str:
        """Run a failed job again; return the id of the new admission."""
        return str(self._wire.call("POST", f"{self._api}/jobs/{job_id}/retry", careful=True)["bullJobId"])

    def pause(self, pool: str, paused: bool = True) -> None:
        """Let no job of a pool start, or let them start again; for administrators."""
        self._wire.call("POST", f"{self._api}/pools/{pool}/{'pause' if paused else 'resume'}")

    def _get(self, path: str, query: Json | None = None, *, public: bool = False) -> Json:
        said: Json = self._wire.call("GET", f"{self._api}/{path}", public=public, params=query)
        return said


def _source(source: str | Path | None) -> Json | Path:
    """Tell a file from an address and from the id of a file in Directus."""
    if source is None:
        return {}
    text = str(source)
    if text.startswith(("http://", "https://")):
        return {"input_url": text}
    file = Path(source)
    if file.is_file():
        return file
    try:
        return {"input_file_id": str(uuid.UUID(text))}
    except ValueError:
        raise MediaqError(f"{text} is no file, no http or https address, and no id of a file in Directus") from None
