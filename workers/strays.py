"""Outputs that no record names: of runs that died, or lost their lease, after they had uploaded them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.directus import Directus
    from chalicelib.records import Record


def named_by(record: Record | None) -> list[str]:
    """Return the ids of the files that a record names as its outputs."""
    if record is None:
        return []
    listed = record.result.get("outputs") if isinstance(record.result, dict) else None
    ids = [one.get("file_id") for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return [one for one in (record.output_file_id, *ids) if one]


def are_told(record: Record | None) -> bool:
    """Say whether a closed record tells its outputs from strays: a completed one needs the optional column `result` for it."""
    return record is None or record.status != "completed" or isinstance(record.result, dict)


def delete(directus: Directus, job_id: str, keep: Sequence[str]) -> None:
    """Delete the outputs of a job that is over, but for those to keep.

    Raises:
        DirectusUnavailable: some may be left.
    """
    for file_id in directus.find_files(f"{job_id}/"):
        if file_id not in keep:
            directus.delete_file(file_id)
