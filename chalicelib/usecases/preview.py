"""The use case behind `GET /jobs/{jobId}/picture`: a preview image, for those who may see the job."""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import TYPE_CHECKING, get_args, get_type_hints
from uuid import UUID

import msgspec

from chalicelib.domain.job_schemas import PreviewAnswer
from chalicelib.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.access.auth import Caller
    from chalicelib.access.ownership import Ownership
    from chalicelib.directus.client import Directus
    from chalicelib.directus.records import File, Record

TYPES = get_args(get_type_hints(PreviewAnswer)["type"])
"""Image types that cannot contain a script."""
BYTES_MAX = 2 << 20
TRANSFORM = {"width": "640", "height": "640", "fit": "inside", "withoutEnlargement": "true"}
OUTPUTS_MAX = 20


class _Output(msgspec.Struct):
    file_id: UUID
    type: str


class PreviewReader:
    """Reads preview images. It uses our service token, which can read every file, so it serves only files that the job made."""

    def __init__(self, directus: Directus, ownership: Ownership) -> None:
        self._directus = directus
        self._ownership = ownership

    def of(self, job_id: str, caller: Caller) -> PreviewAnswer:
        """Return the first image that a job made.

        Raises:
            NotFound: there is no such job of the caller, or it made no image.
        """
        record, _ = self._ownership.read(job_id, caller)
        for file_id in _named(record):
            file = self._directus.read_file(file_id)
            if file is not None and _is_picture_of(file, job_id):
                return PreviewAnswer(type=file.type, data=base64.b64encode(self._read(file_id)).decode())  # type: ignore[arg-type]
        raise NotFound("jobId must name a job that made a picture")

    def _read(self, file_id: str) -> bytes:
        for transform in (TRANSFORM, {}):  # some installations cannot scale, and none scales very large images
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
    """Return the files that the record names as images. The owner of a record can name any file there."""
    outputs = record.result.get("outputs") if isinstance(record.result, dict) else None
    found = []
    for one in outputs[:OUTPUTS_MAX] if isinstance(outputs, list) else ():
        with suppress(msgspec.ValidationError):
            output = msgspec.convert(one, _Output)
            found += [str(output.file_id)] if output.type in TYPES else []
    return found


def _is_picture_of(file: File, job_id: str) -> bool:
    """Return whether the job made the file: workers title a file after its job."""
    return file.type in TYPES and (file.title or "").startswith(f"{job_id}/")
