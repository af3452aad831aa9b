"""Fetches the input of a job to disk, never into memory: a Directus file or a URL."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from chalicelib.directus.records import timestamp
from chalicelib.domain.captions import parse
from chalicelib.domain.jobs import OPERATIONS
from chalicelib.domain.params.download import DownloadParams
from chalicelib.errors import AttemptFailed, BadRequest, DirectusUnavailable, MediaRejected
from workers.context.work import Source
from workers.network import fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import msgspec

    from chalicelib.directus.client import Directus
    from chalicelib.directus.records import Record
    from chalicelib.domain.captions.parse import Captions
    from chalicelib.domain.jobs import MediaJob
    from workers.attempt.lease import Lease
    from workers.context.work import Tools
    from workers.network.authorization import Authorization

logger = Logger(service="mediaq", child=True)


class Inputs:
    """The input and the credentials of one job."""

    def __init__(self, job: MediaJob, lease: Lease, directus: Directus, tools: Tools) -> None:
        self._job = job
        self._lease = lease
        self._directus = directus
        self._tools = tools

    def authorization(self) -> Authorization | None:
        """Return the credential that the job names; None if it names none or the operation uses none.

        Raises:
            MediaRejected: the credential is gone, belongs to another user, or cannot be opened.
        """
        if self._job.creator_profile_id is None or not OPERATIONS[self._job.operation].uses_connection:
            return None
        connection = self._directus.read_connection(self._job.creator_profile_id)
        if connection is None or connection.user_created != self._job.user_id:
            raise MediaRejected("creator_profile_id names no credential of the user")
        return self._tools.keyring.open(connection)

    @contextmanager
    def noting_use(self, authorization: Authorization | None) -> Iterator[None]:
        """Store what came of the block, if it used the credential. The job does not fail when Directus is unreachable."""
        if authorization is None or self._job.creator_profile_id is None:
            yield
            return
        authorization.used, status = False, "stopped"  # cancelled, released, or the lease was lost
        try:
            yield
            status = "ok"
        except (MediaRejected, AttemptFailed) as error:
            status = str(error)
            raise
        finally:
            if authorization.used:
                about = {"credential_id": self._job.creator_profile_id, "job_id": self._job.job_id, "status": status}
                logger.info("credential used", extra=about)
                with suppress(DirectusUnavailable):
                    self._directus.note_use(self._job.creator_profile_id, timestamp(), status[:200])

    def captions(self, params: msgspec.Struct) -> Captions | None:
        """Return the captions of `captions_file_id`, parsed; None if the parameters name none.

        Raises:
            MediaRejected: the file is gone, too large, or holds no captions.
        """
        file_id = getattr(params, "captions_file_id", None)
        return None if file_id is None else self._parsed(str(file_id), "captions_file_id")

    def captions_by_language(self, params: msgspec.Struct) -> dict[str, Captions]:
        """Return the captions of `captions_file_ids`, parsed.

        Raises:
            MediaRejected: as `captions`.
        """
        named = getattr(params, "captions_file_ids", None) or {}
        return {language: self._parsed(str(file_id), f"captions_file_ids.{language}") for language, file_id in named.items()}

    def _parsed(self, file_id: str, field: str) -> Captions:
        data = self._directus.read_text(file_id, parse.BYTES_MAX)
        if data is None:
            raise MediaRejected(f"{field} names a file that is gone or larger than {parse.BYTES_MAX >> 20} MB")
        try:
            return parse.parse(data)
        except BadRequest as error:
            raise MediaRejected(f"{field}: {error}") from error

    def fetch(
        self,
        target: Path,
        record: Record,
        *,
        params: msgspec.Struct,
        authorization: Authorization | None,
        arrived: Callable[[int, int | None], None],
    ) -> Source:
        """Write the input to `target`; `arrived` is called with the bytes so far and in total."""
        if self._job.input_file_id is None:
            return self._download(target, params, authorization, arrived)
        with self._directus.open_file(self._job.input_file_id) as opened:
            if opened is None:
                if self._directus.read_file(self._job.input_file_id):  # the row exists, but its content is missing or forbidden
                    raise AttemptFailed("Directus does not allow reading the input file")
                raise MediaRejected("The input file no longer exists")
            sha256 = fetch.write(target, *opened, arrived)
        file = record.input_file_id
        if file is None or file.id != self._job.input_file_id:
            file = self._directus.read_file(self._job.input_file_id)
        return Source((file and file.filename_download) or "", (file and file.type) or "", sha256)

    def _download(
        self,
        target: Path,
        params: msgspec.Struct,
        authorization: Authorization | None,
        arrived: Callable[[int, int | None], None],
    ) -> Source:
        assert self._job.input_url is not None
        asked = params if isinstance(params, DownloadParams) else None
        fetched = self._tools.fetcher.download(
            self._job.input_url,
            target,
            arrived=arrived,
            check=self._lease.check,
            authorization=authorization if asked else None,
            max_bytes=asked.max_bytes if asked else fetch.BYTES_MAX,
            seconds=min(self._lease.seconds_left, asked.max_seconds) if asked else self._lease.seconds_left,
        )
        return Source(fetched.name, "", fetched.sha256, fetched.host)
