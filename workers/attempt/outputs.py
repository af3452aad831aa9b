"""Stores the outputs of a job as Directus files."""

from __future__ import annotations

from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.directus.client import Directus
    from chalicelib.domain.jobs import MediaJob
    from workers.attempt.lease import Lease
    from workers.context.work import Output

PERCENT_FROM, PERCENT_SHARE = 90, 9
"""The progress of a job when its upload begins, and how much of it the upload is."""


class Outputs:
    """The outputs of one attempt."""

    def __init__(
        self, job: MediaJob, lease: Lease, directus: Directus, with_retries: Callable[[Callable[[], Any]], Any]
    ) -> None:
        """`with_retries`: calls a function until Directus is reachable."""
        self._job = job
        self._lease = lease
        self._directus = directus
        self._with_retries = with_retries

    def upload(self, outputs: list[Output], name: str) -> list[dict[str, Any]]:
        """Upload the outputs, each after those that it refers to; return them in their own order.

        `name`: the name of the input, after which they are named.
        """
        files: dict[str, dict[str, Any]] = {}
        total, before = sum(output.path.stat().st_size for output in outputs), 0
        while len(files) < len(outputs):
            output = next(one for one in outputs if one.name not in files and files.keys() >= set(one.refers_to))
            if output.refers_to:
                text = output.path.read_text()
                for other in output.refers_to:
                    text = text.replace(other, files[other]["file_id"])
                output.path.write_text(text)
            file_id = self._with_retries(partial(self._upload_one, output, name, before, total))
            size = output.path.stat().st_size
            before += size
            files[output.name] = {"name": output.name, "file_id": file_id, "type": output.mime, "bytes": size}
        stored = [files[output.name] for output in outputs]
        if len(stored) > 1:  # the user becomes the owner of the first when the record is closed
            others = [one["file_id"] for one in stored[1:]]
            self._with_retries(partial(self._directus.give_files, others, self._job.user_id))
        return stored

    def _upload_one(self, output: Output, name: str, before: int, total: int) -> str:
        """Upload one output. `before` and `total`: the bytes of the outputs that are stored, and of all."""

        def sent(count: int) -> None:
            self._lease.check()
            self._lease.progress(PERCENT_FROM + min(PERCENT_SHARE, PERCENT_SHARE * (before + count) // max(1, total)))

        with output.path.open("rb") as stream:
            return self._directus.upload_file(
                stream,
                title=f"{self._job.job_id}/{output.name}",
                name=_file_name(name, output),
                mime=output.mime,
                sent=sent,
            )


def _file_name(name: str, output: Output) -> str:
    """Name an output after the input; further outputs also have their own name."""
    stem = PurePosixPath(name).stem if PurePosixPath(name).suffix else name
    kept = "".join(char if char.isalnum() or char in "-_. " else "_" for char in stem).strip(". ")[:100] or "media"
    own = "" if output.path.stem == "output" else f"-{output.path.stem}"
    return f"{kept}{own}{output.path.suffix}"
