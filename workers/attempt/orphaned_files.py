"""Deletes orphaned files: outputs that no record names, of runs that died or lost their lease after the upload."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.directus.records import OPEN_STATES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.directus.client import Directus
    from chalicelib.directus.records import Record


def clear(directus: Directus, job_id: str, keep: Sequence[str] = ()) -> None:
    """Delete the outputs of an ended job, except those that its record names and those in `keep`.

    The files are listed before the record is read. So the files of a later admission, made after the record is reopened, are
    not in the list.

    Raises:
        DirectusUnavailable: some files may be left.
    """
    found = directus.find_files(f"{job_id}/")
    if not set(found) - set(keep):
        return
    record = directus.read_job(job_id)
    if record is not None and (record.status in OPEN_STATES or not _tells(record, keep)):
        return
    for file_id in found:
        if file_id not in (*keep, *_named_by(record)):
            directus.delete_file(file_id)


def _tells(record: Record, keep: Sequence[str]) -> bool:
    """Return whether the outputs are known: a job completed by another run needs the optional column `result`."""
    return record.status != "completed" or isinstance(record.result, dict) or record.output_file_id in keep


def _named_by(record: Record | None) -> list[str]:
    """Return the ids of the outputs that a record names."""
    if record is None:
        return []
    listed = record.result.get("outputs") if isinstance(record.result, dict) else None
    ids = [one.get("file_id") for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return [one for one in (record.output_file_id, *ids) if one]
