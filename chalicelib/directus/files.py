"""Files in Directus: metadata, streams, uploads."""

from __future__ import annotations

from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import requests

from chalicelib.directus.records import File
from chalicelib.directus.transport import BAD, FORBIDDEN, OK, Transport, data_of, read
from chalicelib.errors import AttemptFailed, DirectusUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOO_MUCH = (BAD, 413)
UPLOAD_TIMEOUT = (60.0, 600.0)
"""Timeout of the request body and of the response after it, in s: storing a large file takes long."""


class Files(Transport):
    """The calls for files."""

    def read_file(self, file_id: str) -> File | None:
        """Return the metadata of a file; None if there is none."""
        rows = self._rows("GET", "/files", params={"filter[id][_eq]": file_id})
        return read(rows[0], File) if rows else None

    def read_files(self, file_ids: list[str]) -> dict[str, File]:
        """Return the metadata of several files, by their ids; without those that do not exist."""
        rows = self._rows("GET", "/files", params={"filter[id][_in]": ",".join(file_ids), "limit": "-1"})
        return {row["id"]: read(row, File) for row in rows}

    def find_files(self, title_prefix: str) -> list[str]:
        """Return the ids of the files whose title starts with `title_prefix`."""
        params = {"filter[title][_starts_with]": title_prefix, "fields": "id", "limit": "-1"}
        return [row["id"] for row in self._rows("GET", "/files", params=params)]

    def delete_file(self, file_id: str) -> None:
        """Delete a file. A file that does not exist counts as deleted."""
        self._call("DELETE", f"/files/{file_id}", accept=(FORBIDDEN,))

    @contextmanager
    def open_file(self, file_id: str, **transform: str) -> Iterator[tuple[int | None, Iterator[bytes]] | None]:
        """Stream a file: its size, if known, and its chunks. None if it is missing or Directus cannot transform it."""
        answer = self._call(
            "GET", f"/assets/{file_id}", params=transform, accept=(FORBIDDEN, *((BAD,) if transform else ())), stream=True
        )
        with answer:
            if answer.status_code != OK:
                yield None
                return
            length = answer.headers.get("Content-Length")
            yield int(length) if length else None, _pieces(answer)

    def upload_file(
        self, stream: IO[bytes], *, title: str, name: str, mime: str, sent: Callable[[int], None] | None = None
    ) -> str:
        """Upload a file as a stream and return its id; `sent` is called with the bytes sent so far.

        The title comes before the file: Directus ignores form fields after it.
        """
        from requests_toolbelt import MultipartEncoder, MultipartEncoderMonitor  # noqa: PLC0415 - workers only

        form = MultipartEncoder([("title", title), ("file", (name, stream, mime))])
        body = MultipartEncoderMonitor(form, lambda monitor: sent(monitor.bytes_read) if sent else None)
        headers = {"Content-Type": body.content_type}
        answer = self._call("POST", "/files", data=body, headers=headers, accept=TOO_MUCH, timeout=UPLOAD_TIMEOUT)
        if answer.status_code in TOO_MUCH:
            raise AttemptFailed("Directus does not take the output: it is too large, or malformed")
        return str(data_of(answer)["id"])

    def upload_text(self, text: str, *, title: str, name: str, mime: str) -> str:
        """Upload a small text file and return its id."""
        form = {"title": (None, title), "file": (name, text.encode(), mime)}
        answer = self._call("POST", "/files", files=form, timeout=UPLOAD_TIMEOUT)
        return str(data_of(answer)["id"])

    def read_text(self, file_id: str, max_bytes: int) -> bytes | None:
        """Return the content of a small file; None if it is missing or larger than `max_bytes`."""
        data = b""
        with self.open_file(file_id) as opened:
            for piece in opened[1] if opened else ():
                data += piece
                if len(data) > max_bytes:
                    return None
            return data if opened else None

    def give_file(self, file_id: str, owner: str) -> bool:
        """Make a user the owner of one of our files; False if permissions forbid it. Directus ignores an owner on upload."""
        answer = self._call("PATCH", f"/files/{file_id}", json={"uploaded_by": owner}, accept=(FORBIDDEN,))
        return answer.status_code == OK

    def give_files(self, file_ids: list[str], owner: str) -> bool:
        """Like `give_file`, for several in one call; those that do not exist are passed over."""
        body = {"query": {"filter": {"id": {"_in": file_ids}}, "limit": -1}, "data": {"uploaded_by": owner}}
        return self._call("PATCH", "/files", json=body, accept=(FORBIDDEN,)).status_code == OK


def _pieces(answer: requests.Response) -> Iterator[bytes]:
    try:
        yield from answer.iter_content(1 << 20)
    except requests.RequestException as error:
        raise DirectusUnavailable("Directus closed the connection too early") from error
