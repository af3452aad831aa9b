"""The use case behind `GET /jobs/{jobId}/picture`: a thumbnail for whoever may see the job, and for nobody else."""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import TYPE_CHECKING, get_args, get_type_hints
from uuid import UUID

import msgspec

from chalicelib.domain.schemas import PreviewAnswer
from chalicelib.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.access.auth import Caller
    from chalicelib.access.ownership import Ownership
    from chalicelib.directus.client import Directus
    from chalicelib.directus.records import File, Record

TYPES = get_args(get_type_hints(PreviewAnswer)["type"])
"""None that may hold a script."""
BYTES_MAX = 2 << 20
TRANSFORM = {"width": "640", "height": "640", "fit": "inside", "withoutEnlargement": "true"}
OUTPUTS_MAX = 20


class _Output(msgspec.Struct):
    file_id: UUID
    type: str


class PreviewReader:
    """Reads with our own token, which may read anybody's files: so only what this very job has made."""

    def __init__(self, directus: Directus, ownership: Ownership) -> None:
        self._directus = directus
        self._ownership = ownership

    def of(self, job_id: str, caller: Caller) -> PreviewAnswer:
        """Return the first picture that a job made.

        Raises:
            NotFound: there is no such job of the caller's, or it made none.
        """
        record, _ = self._ownership.read(job_id, caller)
        for file_id in _named(record):
            file = self._directus.read_file(file_id)
            if file is not None and _is_picture_of(file, job_id):
                return PreviewAnswer(type=file.type, data=base64.b64encode(self._read(file_id)).decode())  # type: ignore[arg-type]
        raise NotFound("jobId must name a job that made a picture")

    def _read(self, file_id: str) -> bytes:
        for transform in (TRANSFORM, {}):  # not every Directus scales, and none scales what is very large
            with self._directus.open_file(file_id, **transform) as opened:
                if opened is not None:
                    return _all_of(opened[1])
        raise NotFound("The picture that the job made is gone")


def _all_of(pieces: Iterator[bytes]) -> bytes:
    data = b""
    for piece in pieces:
        data += piece
        if len(data) > BYTES_MAX:
            raise NotFound("The picture that the job made is too large to be shown")
    return data


def _named(record: Record) -> list[str]:
    """Return the files that a record names as pictures: anybody who owns a record may write any there."""
    outputs = record.result.get("outputs") if isinstance(record.result, dict) else None
    found = []
    for one in outputs[:OUTPUTS_MAX] if isinstance(outputs, list) else ():
        with suppress(msgspec.ValidationError):
            output = msgspec.convert(one, _Output)
            found += [str(output.file_id)] if output.type in TYPES else []
    return found


def _is_picture_of(file: File, job_id: str) -> bool:
    """The worker that stored it named it after its job."""
    return file.type in TYPES and (file.title or "").startswith(f"{job_id}/")
