"""Outputs that no record names: of runs that died, or lost their lease, after they had uploaded them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.directus.records import OPEN_STATES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.directus.client import Directus
    from chalicelib.directus.records import Record


def clear(directus: Directus, job_id: str, keep: Sequence[str] = ()) -> None:
    """Delete the outputs of a job that is over, but for those that its record names and those to keep.

    The files are listed before the record is read: what a later admission uploads, once the record is open again, is not among
    them.

    Raises:
        DirectusUnavailable: some may be left.
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
    """Say whether its outputs are known: a completed one that is not ours needs the optional column `result` to tell them."""
    return record.status != "completed" or isinstance(record.result, dict) or record.output_file_id in keep


def _named_by(record: Record | None) -> list[str]:
    """Return the ids of the files that a record names as its outputs."""
    if record is None:
        return []
    listed = record.result.get("outputs") if isinstance(record.result, dict) else None
    ids = [one.get("file_id") for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return [one for one in (record.output_file_id, *ids) if one]
