"""Checks that the files and credentials that a request names belong to the owner of the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.domain.credentials import host_of
from chalicelib.domain.jobs import OPERATIONS
from chalicelib.errors import BadRequest, NotFound

if TYPE_CHECKING:
    from chalicelib.access.auth import Caller
    from chalicelib.access.ownership import Ownership
    from chalicelib.directus.client import Directus
    from chalicelib.directus.records import File, Owner, Record
    from chalicelib.domain.jobs import MediaJob


class InputChecker:
    """Checks the inputs of a job before it is admitted."""

    def __init__(self, directus: Directus, ownership: Ownership) -> None:
        self._directus = directus
        self._ownership = ownership

    def check_file(self, job: MediaJob, record: Record, owner: Owner, caller: Caller) -> File | None:
        """Return the input file; None for a URL.

        The file must belong to the owner of the record, unless an administrator calls: our service token can read every file.
        """
        if OPERATIONS[job.operation].wants_url and job.input_url is None:
            raise BadRequest(f"input_url is required: {job.operation} fetches an address, not a file of Directus")
        if job.input_file_id is None:
            if job.input_url is None:
                raise BadRequest("input_file_id or input_url is required: the record has neither")
            return None
        file = record.input_file_id
        if file is None or file.id != job.input_file_id:
            file = self._directus.read_file(job.input_file_id)
        if not self._may_use(file, owner, caller):
            raise NotFound("input_file_id must be the id of one of your files")
        return file

    def _may_use(self, file: File | None, owner: Owner, caller: Caller) -> bool:
        return file is not None and (file.uploaded_by == owner.id or self._ownership.is_administrator(caller))

    def check_captions(self, job: MediaJob, owner: Owner, caller: Caller) -> None:
        """Check that the captions that the parameters name belong to the owner, like the input."""
        named = {"captions_file_id": job.params.get("captions_file_id")}
        by_language = job.params.get("captions_file_ids") or {}
        named |= {f"captions_file_ids.{language}": file_id for language, file_id in by_language.items()}
        ids = {field: str(file_id) for field, file_id in named.items() if file_id is not None}
        found = self._directus.read_files(sorted(set(ids.values()))) if ids else {}
        for field, file_id in ids.items():
            if not self._may_use(found.get(file_id), owner, caller):
                raise NotFound(f"params.{field} must be the id of one of your files")

    def check_connection(self, job: MediaJob, owner: Owner) -> None:
        """Check that the credentials belong to the owner, whoever calls: they are sent to a host that the request names."""
        if job.creator_profile_id is None or not OPERATIONS[job.operation].uses_connection:
            return
        connection = self._directus.read_connection(job.creator_profile_id)
        if connection is None or connection.user_created != owner.id:
            raise NotFound("creator_profile_id must be the id of one of your platform_connections")
        url = job.input_url if OPERATIONS[job.operation].wants_url else job.params.get("deliver_url")
        hosts = connection.host_list
        if hosts and url and (not str(url).startswith("https:") or host_of(str(url)) not in hosts):
            name = "input_url" if OPERATIONS[job.operation].wants_url else "params.deliver_url"
            raise BadRequest(f"{name} must be an https URL at one of the hosts of the credential: {', '.join(hosts)}")
