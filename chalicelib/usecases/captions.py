"""The use cases behind `/captions`: make captions in one call, read them, replace them with corrected ones, delete them.

Captions are the outputs of a job of `caption_generation`. A correction is a new version: new files, which the record names.
The files of earlier versions stay. The record changes only if its output is still the one that the correction replaces.
The owner of a record can write anything into `result`, so only files that are titled after the job are read or deleted.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from chalicelib.directus.records import timestamp
from chalicelib.domain.captions import limits
from chalicelib.domain.captions.formats import MIME, WRITERS, plain
from chalicelib.domain.captions.parse import Captions, parse
from chalicelib.domain.captions.schemas import CaptionsAnswer, CueView, ReplacedAnswer, Version
from chalicelib.domain.params.caption_generation import CaptionStyle
from chalicelib.domain.validation import validate
from chalicelib.errors import ApiError, BadRequest, Conflict, DirectusUnavailable, Forbidden, NotFound, Unavailable
from chalicelib.usecases.job_status import state_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.access.auth import Caller
    from chalicelib.access.ownership import Ownership
    from chalicelib.directus.client import Directus
    from chalicelib.directus.records import Record
    from chalicelib.domain.captions.cues import Cue, Style
    from chalicelib.domain.captions.schemas import CaptionsRequest
    from chalicelib.ledger.ledger import Ledger
    from chalicelib.usecases.enqueue import Enqueued, Enqueuer

READABLE = ("json", "vtt", "srt")
"""The formats that cues are read from, the best one first."""
VERSIONS_MAX = 100
STORED_MAX_BYTES = 16 << 20
WORDS_MAX = 30_000
CHANGED = "The captions were changed meanwhile: read them again"
NAMES = {value: name for name, value in MIME.items()}


class _Output(msgspec.Struct):
    name: str
    file_id: str
    type: str
    bytes: int = 0


class _Result(msgspec.Struct):
    outputs: list[_Output] = []
    language: str = "und"
    version: int = 1
    edited_at: str | None = None
    versions: list[Version] = []


class CaptionEditor:
    """Makes, reads, replaces and deletes captions."""

    def __init__(
        self,
        directus: Directus,
        ledger: Ledger,
        enqueuer: Enqueuer,
        ownership: Ownership,
        close: Callable[[str, ApiError], None],
    ) -> None:
        self._directus = directus
        self._ledger = ledger
        self._enqueuer = enqueuer
        self._ownership = ownership
        self._close = close

    def create(self, request: CaptionsRequest, caller: Caller) -> Enqueued:
        """Create a record as the caller, and enqueue it.

        Raises:
            Forbidden: Directus does not let the caller create records, or the plan does not allow the job.
            ApiError: the job is rejected. The record, if it was created, is set to failed with the error.
        """
        params = request.params()
        file_id = str(request.input_file_id) if request.input_file_id else None
        row = {"operation": "caption_generation", "status": "pending", "params": params, "priority": request.priority}
        inputs = {"input_file_id": file_id, "input_url": request.input_url}
        job_id = str(uuid4())  # ours, because Directus does not answer with the row to a user who may not read it
        if not self._directus.create_job({"id": job_id, **row, **inputs}, caller.token):
            raise Forbidden(
                "Directus does not let you create this record in media_jobs: check input_file_id and your permissions"
            )
        body = {**inputs, "operation": "caption_generation", "params": params, "priority": request.priority}
        try:
            return self._enqueuer.enqueue({**body, "jobId": job_id, "callback_url": request.callback_url}, caller)
        except Unavailable:
            raise  # the record stays pending: the same call may be made again with POST /media
        except ApiError as error:
            self._close(job_id, error)
            raise

    def read(self, job_id: str, caller: Caller) -> CaptionsAnswer:
        """Return the captions of a job, and its state."""
        record = self._record(job_id, caller)
        snapshot = self._ledger.get(job_id)
        result = _result_of(record)
        captions = self._load(job_id, result) if record.status == "completed" else None
        return CaptionsAnswer(
            jobId=job_id,
            state=state_of(record, snapshot),
            progress=max(0, min(100, record.progress or 0)),
            error=record.error,
            language=captions.language or result.language if captions else None,
            version=result.version,
            files=_files_of(result.outputs),
            versions=result.versions,
            cues=_views(captions.cues) if captions else None,
        )

    def render(self, job_id: str, kind: str, caller: Caller) -> tuple[str, str]:
        """Return the captions as text in a format, and the media type.

        Raises:
            NotFound: there are no captions, or there is no such format.
            Conflict: the job is not completed.
        """
        if kind not in WRITERS:
            raise NotFound(f"There is no such format; it must be one of {', '.join(WRITERS)}")
        record = self._completed(job_id, caller)
        result = _result_of(record)
        captions = self._load(job_id, result)
        return WRITERS[kind](captions.cues, captions.language or result.language), MIME[kind]

    def replace(self, job_id: str, data: bytes, caller: Caller, base: int | None = None) -> ReplacedAnswer:
        """Store corrected captions as a new version, in the formats of the job. `base`: the version that was corrected.

        Raises:
            BadRequest: the captions are malformed, overlap or are out of order.
            Conflict: the job is not completed, or another correction was stored meanwhile.
        """
        captions = parse(data)
        record = self._completed(job_id, caller)
        result = _result_of(record)
        self._check_outputs(job_id, result)
        if base is not None and base != result.version:
            raise Conflict(CHANGED)
        if len(result.versions) >= VERSIONS_MAX:
            raise Conflict(f"The captions have {VERSIONS_MAX} versions already")
        version = result.version + 1
        outputs = self._store(record, result, captions, version)
        before = Version(result.version, result.edited_at or record.finished_at, _files_of(result.outputs))
        changed = {
            **record.result,
            "outputs": [msgspec.to_builtins(one) for one in outputs],
            "cues": len(captions.cues),
            "language": captions.language or result.language,
            "version": version,
            "edited_at": timestamp(),
            "versions": [msgspec.to_builtins(one) for one in (*result.versions, before)],
        }
        values = {"output_file_id": outputs[0].file_id, "result": changed}
        owner = record.user_created.id if record.user_created else None
        if not self._commit(record, values, outputs, owner):
            raise Conflict(CHANGED)
        warnings = limits.check(captions.cues, _style_of(record))
        return ReplacedAnswer(jobId=job_id, version=version, files=_files_of(outputs), warnings=warnings)

    def delete(self, job_id: str, caller: Caller) -> None:
        """Delete the files of all versions. The record stays, without output.

        Raises:
            Conflict: the job is not completed, or a correction was stored meanwhile.
        """
        record = self._completed(job_id, caller)
        kept = {name: value for name, value in record.result.items() if name not in ("outputs", "versions", "words")}
        values = {"output_file_id": None, "result": {**kept, "outputs": [], "deleted_at": timestamp()}}
        if not self._directus.replace_output(job_id, record.output_file_id, values):
            raise Conflict(CHANGED)
        for prefix in _titles(job_id):
            for file_id in self._directus.find_files(prefix):
                self._directus.delete_file(file_id)

    def _record(self, job_id: str, caller: Caller) -> Record:
        record, _ = self._ownership.read(job_id, caller)
        if record.operation != "caption_generation":
            raise NotFound("jobId must name a job of caption_generation")
        return record

    def _completed(self, job_id: str, caller: Caller) -> Record:
        record = self._record(job_id, caller)
        if record.status != "completed":
            raise Conflict(f"jobId names a job that is {record.status}; only a completed one has captions")
        if not isinstance(record.result, dict):
            raise NotFound("jobId names a job whose record has no result, so its captions are not known")
        return record

    def _commit(self, record: Record, values: dict[str, Any], outputs: list[_Output], owner: str | None) -> bool:
        """Let the record name the new files. If it does not, delete them."""
        changed = False
        try:
            changed = self._directus.replace_output(record.id, record.output_file_id, values, give_to=owner)
        except DirectusUnavailable:
            now = self._directus.read_job(record.id)  # only the answer may be lost
            changed = now is not None and now.output_file_id == values["output_file_id"]
            if not changed:
                self._drop(outputs)
                raise
        if not changed:
            self._drop(outputs)
        return changed

    def _drop(self, outputs: list[_Output]) -> None:
        for one in outputs:
            with suppress(ApiError):
                self._directus.delete_file(one.file_id)

    def _load(self, job_id: str, result: _Result) -> Captions:
        """Read the cues from the best file that can be read."""
        files = _files_of(result.outputs)
        kinds = [kind for kind in READABLE if kind in files]
        if not kinds:
            raise NotFound(f"jobId names a job without captions as one of {', '.join(READABLE)}")
        problem: ApiError = NotFound("The file of the captions is gone")
        for kind in kinds:
            file = self._directus.read_file(files[kind])
            if file is None or not (file.title or "").startswith(_titles(job_id)):
                continue
            data = self._directus.read_text(files[kind], STORED_MAX_BYTES)
            if data is None:
                problem = Conflict(f"The file of the captions is larger than {STORED_MAX_BYTES >> 20} MB")
                continue
            try:
                return parse(data, kind, STORED_MAX_BYTES)
            except BadRequest as error:
                problem = Conflict(f"The file of the captions was changed and cannot be read. {error}")
        raise problem

    def _check_outputs(self, job_id: str, result: _Result) -> None:
        """Check that the job has captions of its own, so that the formats and names are known."""
        if not result.outputs:
            raise NotFound("jobId names a job whose captions were deleted")
        files = {file_id for prefix in _titles(job_id) for file_id in self._directus.find_files(prefix)}
        if any(one.file_id not in files for one in result.outputs):
            raise NotFound("The file of the captions is gone")

    def _store(self, record: Record, result: _Result, captions: Captions, version: int) -> list[_Output]:
        stem = PurePosixPath((record.input_file_id.filename_download if record.input_file_id else None) or "captions").stem
        language = captions.language or result.language
        outputs: list[_Output] = []
        try:
            for kind in dict.fromkeys([*_files_of(result.outputs), "json"]):
                text, name = WRITERS[kind](captions.cues, language), f"captions.v{version}.{kind}"
                file_id = self._directus.upload_text(
                    text, title=f"captions/{record.id}/{name}", name=f"{stem[:100]}.v{version}.{kind}", mime=MIME[kind]
                )
                outputs.append(_Output(name, file_id, MIME[kind], len(text.encode())))
                if len(outputs) > 1 and record.user_created:  # the main one is given when the record names it
                    self._directus.give_file(file_id, record.user_created.id)
        except ApiError:
            self._drop(outputs)
            raise
        return outputs


def _views(cues: list[Cue]) -> list[CueView]:
    """Return cues for a response; of a very long film without the words, because a Lambda answers with 6 MB at most."""
    if sum(len(cue.words) for cue in cues) > WORDS_MAX:
        cues = [msgspec.structs.replace(cue, words=()) for cue in cues]
    return [msgspec.convert(plain(cue), CueView) for cue in cues]


def _titles(job_id: str) -> tuple[str, str]:
    """Return how the titles of a job's files start: what a worker made, and corrections, which no worker takes for orphans."""
    return f"{job_id}/", f"captions/{job_id}/"


def _result_of(record: Record) -> _Result:
    try:
        return msgspec.convert(record.result if isinstance(record.result, dict) else {}, _Result)
    except msgspec.ValidationError as error:
        raise Conflict("The result of the record was changed and cannot be read") from error


def _files_of(outputs: list[_Output]) -> dict[str, str]:
    """Return the file of each format, the main one first."""
    return {NAMES[one.type]: one.file_id for one in outputs if one.type in NAMES}


def _style_of(record: Record) -> Style:
    """Return the limits that the job was made with; the defaults if the owner changed them to nonsense."""
    params = record.params if isinstance(record.params, dict) else {}
    given = {name: value for name, value in params.items() if name in CaptionStyle.__struct_fields__}
    try:
        return validate(given, CaptionStyle).style
    except BadRequest:
        return CaptionStyle().style
