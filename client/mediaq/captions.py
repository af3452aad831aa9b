"""Captions of films: make them, read them, replace them with corrected ones, delete them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mediaq.errors import MediaqError

if TYPE_CHECKING:
    from pathlib import Path

    from mediaq.wire import Wire

Json = dict[str, Any]
MIME = {".vtt": "text/vtt", ".srt": "application/x-subrip", ".json": "application/json"}


class Captions:
    """The calls of `/captions`. A `Client` has them as `client.captions`."""

    def __init__(self, wire: Wire, url: str) -> None:
        self._wire = wire
        self._url = url

    def create(self, *, input_file_id: str | None = None, input_url: str | None = None, **options: Any) -> str:
        """Caption a film and return the id of the job.

        `options`: language, formats, style, vocabulary, use_taxonomy, engine, audio_track, priority, callback_url.
        """
        given = {"input_file_id": input_file_id, "input_url": input_url, **options}
        body = {name: value for name, value in given.items() if value is not None}
        return str(self._wire.call("POST", self._url, careful=True, json=body)["jobId"])

    def read(self, job_id: str) -> Json:
        """Return the captions: state, language, version, files, cues."""
        found: Json = self._wire.call("GET", f"{self._url}/{job_id}")
        return found

    def text(self, job_id: str, kind: str) -> str:
        """Return the captions as vtt, srt, ttml, json or txt."""
        return self._wire.text(f"{self._url}/{job_id}.{kind}")

    def replace(self, job_id: str, captions: Path | list[Json], version: int | None = None) -> Json:
        """Store corrected captions: a WebVTT, SubRip or JSON file, or cues (start, end in s, lines).

        `version`: the one that was corrected; the call fails if another one was stored meanwhile.

        Returns the new version, its files, and a warning for each limit that a cue exceeds.
        """
        based = {} if version is None else {"If-Match": str(version)}
        if isinstance(captions, list):
            return self._put(job_id, json={"cues": captions}, headers=based)
        kind = MIME.get(captions.suffix.lower())
        if kind is None:
            raise MediaqError(f"{captions} must be a file in .vtt, .srt or .json")
        return self._put(job_id, data=captions.read_bytes(), headers={"Content-Type": kind, **based})

    def delete(self, job_id: str) -> None:
        """Delete the captions of a job, in all versions."""
        self._wire.call("DELETE", f"{self._url}/{job_id}")

    def _put(self, job_id: str, **request: Any) -> Json:
        answer: Json = self._wire.call("PUT", f"{self._url}/{job_id}", careful=True, **request)
        return answer
