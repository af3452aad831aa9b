"""The client: upload, create records, enqueue, wait, download, and the rest of the API."""

from __future__ import annotations

import mimetypes
import os
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mediaq.captions import Captions
from mediaq.credentials import Credentials
from mediaq.errors import ApiError, JobFailed, MediaqError
from mediaq.models import Job
from mediaq.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Json = dict[str, Any]
API, DIRECTUS = "http://127.0.0.1:3001/api/queue", "http://127.0.0.1:8055"
COLUMNS = ("input_url", "params", "priority", "creator_profile_id")
"""Columns of the record; other fields of a job come from the API."""
WAIT_SECONDS = 2.0
NOT_FOUND = 404


def _quietly(done: int, whole: int) -> None:
    del done, whole


class Client:
    """A client of mediaq and its Directus, for one user.

    Arguments default to MEDIAQ_API, MEDIAQ_DIRECTUS and MEDIAQ_TOKEN. Every method raises `ApiError` if a server rejects the
    call, and `Unreachable` if there is no answer after some retries. `stats`, `health` and `pools` need no token.
    """

    def __init__(
        self, api: str | None = None, directus: str | None = None, token: str | None = None, timeout: float = 60
    ) -> None:
        self._api = (api or os.environ.get("MEDIAQ_API") or API).rstrip("/")
        self._directus = (directus or os.environ.get("MEDIAQ_DIRECTUS") or DIRECTUS).rstrip("/")
        self._wire = Wire(token or os.environ.get("MEDIAQ_TOKEN") or "", timeout)
        root = self._api.removesuffix("/queue")
        self.captions = Captions(self._wire, f"{root}/captions")
        self.credentials = Credentials(self._wire, f"{root}/credentials")

    # One job, from upload to download

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
        """Submit a file, a URL, or the id of a Directus file; return the id of the job.

        `options` are those of `POST /media`: priority, delay (ms), run_at, callback_url, creator_profile_id. If the call fails
        half-way, the error has `file_id` and `job_id`; pass them as `source` and `record` to continue.

        A file is uploaded only if the job would be accepted.
        """
        given, job_id = source_of(source), record
        if isinstance(given, Path) and record is None:
            self._check(given, operation, params, options)
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

    def quote(
        self,
        operation: str,
        source: str | Path | None = None,
        params: Json | None = None,
        *,
        about: Json | None = None,
        **options: Any,
    ) -> Json:
        """Return what would become of a job, without uploading anything: see `POST /media/quote`.

        `about` describes the input: size (bytes), duration (s), resolution (such as 1920x1080), fps, codec.
        """
        given = source_of(source)
        if isinstance(given, Path):
            about, given = {"size": given.stat().st_size, **(about or {})}, {}
        body = {"operation": operation, "params": params or {}, **given, **options, **({"input": about} if about else {})}
        said: Json = self._wire.call("POST", f"{self._api}/media/quote", json=body)
        return said

    def _check(self, file: Path, operation: str, params: Json | None, options: Json) -> None:
        """Raise the error that enqueueing would raise."""
        try:
            refusal = self.quote(operation, file, params, **options)["refusal"]
        except ApiError as error:
            if error.status != NOT_FOUND:  # a server of an older release has no quotes
                raise
            return
        if refusal is not None:
            raise ApiError(refusal["status"], refusal.get("message") or refusal["error"])

    def upload(self, file: str | Path, sent: Callable[[int, int], None] = _quietly) -> str:
        """Upload a file as a stream and return its id; `sent` is called with the bytes so far and in total."""
        file = Path(file)
        mime = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        with file.open("rb") as stream:
            fields = [("title", file.stem), ("file", (file.name, stream, mime))]
            return str(self._wire.upload(f"{self._directus}/files", fields, sent)["data"]["id"])

    def create_record(self, operation: str, input_file_id: str | None = None, **said: Any) -> str:
        """Create the media_jobs record and return its id."""
        job_id = str(uuid.uuid4())  # the id is ours, so that a retry creates no second record
        columns = {name: said[name] for name in COLUMNS if said.get(name) is not None}
        row = {"id": job_id, "operation": operation, "status": "pending", "input_file_id": input_file_id, **columns}
        try:
            self._wire.call("POST", f"{self._directus}/items/media_jobs", json=row)
        except ApiError as error:
            if "unique" not in str(error):
                raise
        return job_id

    def enqueue(self, job_id: str, operation: str, **options: Any) -> str:
        """Enqueue a record and return the id of its admission. A second call returns the same id."""
        body = {"jobId": job_id, "operation": operation, **options}
        return str(self._wire.call("POST", f"{self._api}/media", json=body)["bullJobId"])

    def wait(
        self, job_id: str, timeout: float | None = None, every: float = WAIT_SECONDS, watch: Callable[[Job], None] | None = None
    ) -> Job:
        """Wait until a job is completed; `watch` is called with every state.

        Raises:
            JobFailed: it failed or was cancelled.
            TimeoutError: it did not end within `timeout` s.
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
        """Download a Directus file to `target`, completely or not at all."""
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

    # Read

    def job(self, job_id: str) -> Job:
        """Return one job."""
        return Job.read(self._wire.call("GET", f"{self._api}/jobs/{job_id}")["job"])

    def jobs(self, **filters: Any) -> Iterator[Job]:
        """Yield jobs, newest first. Filters: state, operation, user, since, until, search."""
        asked = {name: value for name, value in filters.items() if value is not None}
        while True:
            page = self._wire.call("GET", f"{self._api}/jobs", params={"limit": 100, **asked})
            yield from map(Job.read, page["jobs"])
            if page["next"] is None:
                return
            asked["cursor"] = page["next"]

    def usage(self, user: str | None = None) -> Json:
        """Return the plan of the user: tier, cycle, and for each operation limit, used, remaining."""
        return self._get("usage", {"user": user} if user else None)

    def stats(self) -> Json:
        """Return the counts of the queue."""
        return self._get("stats", public=True)

    def health(self) -> Json:
        """Return the state of the dependencies and the active alarms."""
        found: Json = self._wire.call("GET", f"{self._api}/health", public=True, accept=(503,))
        return found

    def pools(self) -> list[Json]:
        """Return the pools."""
        pools: list[Json] = self._get("pools", public=True)["pools"]
        return pools

    def workers(self) -> list[Json]:
        """Return the workers that reported within 15 minutes; for administrators."""
        workers: list[Json] = self._get("workers")["workers"]
        return workers

    def callback_secret(self) -> str:
        """Return the secret that signs the user's webhooks: see `mediaq.verify`."""
        return str(self._get("callbacks/secret")["secret"])

    # Change

    def cancel(self, job_id: str) -> None:
        """Cancel a job that is waiting, delayed or running."""
        self._wire.call("DELETE", f"{self._api}/jobs/{job_id}")

    def retry(self, job_id: str) -> str:
        """Retry a failed job; return the id of the new admission."""
        return str(self._wire.call("POST", f"{self._api}/jobs/{job_id}/retry", careful=True)["bullJobId"])

    def act(self, action: str, *, limit: int = 1000, dry_run: bool = False, **selection: Any) -> Iterator[Json]:
        """Retry or cancel many jobs, oldest first; yield a result for each: jobId, ok, and error if it was refused.

        `action`: `retry` or `cancel`. `selection`: `job_ids`, or filters as those of `jobs`, or `all=True`.
        """
        asked = {name: value for name, value in selection.items() if value is not None} | {"dry_run": dry_run}
        if "job_ids" in asked:
            asked["jobIds"] = list(asked.pop("job_ids"))
        while limit > 0:
            page = self._wire.call("POST", f"{self._api}/jobs/{action}", json={**asked, "limit": min(limit, 100)}, careful=True)
            yield from page["results"]
            limit -= len(page["results"])
            if page["next"] is None:
                return
            asked["cursor"] = page["next"]

    def pause(self, pool: str, paused: bool = True) -> None:
        """Pause or resume a pool; for administrators."""
        self._wire.call("POST", f"{self._api}/pools/{pool}/{'pause' if paused else 'resume'}")

    def _get(self, path: str, query: Json | None = None, *, public: bool = False) -> Json:
        said: Json = self._wire.call("GET", f"{self._api}/{path}", public=public, params=query)
        return said


def source_of(source: str | Path | None) -> Json | Path:
    """Return whether it is a file, a URL, or the id of a Directus file."""
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
