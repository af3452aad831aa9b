"""Recognises speech with Amazon Transcribe, through the operator's bucket. Both sound and transcript are deleted afterwards.

Requests and transcript follow the API reference (StartTranscriptionJob, GetTranscriptionJob, "Example output"). The integration
test runs them on the emulator.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from chalicelib.domain.captions.cues import Word
from chalicelib.errors import AttemptFailed, MediaRejected
from workers.captions.speech import Asked, Heard

if TYPE_CHECKING:
    from pathlib import Path

    from workers.context.work import Work

POLL_SECONDS = 2.0
DEFAULT_REGIONS = {
    "en": "en-US", "de": "de-DE", "fr": "fr-FR", "es": "es-ES", "it": "it-IT", "pt": "pt-BR", "nl": "nl-NL", "ja": "ja-JP",
    "ko": "ko-KR", "zh": "zh-CN", "ar": "ar-SA", "hi": "hi-IN", "ru": "ru-RU", "sv": "sv-SE", "da": "da-DK", "pl": "pl-PL",
    "tr": "tr-TR",
}  # fmt: skip
"""Transcribe needs a region with the language: the default of each language."""


def hear(sound: Path, asked: Asked, work: Work) -> Heard:
    """Return the words of a sound file.

    Raises:
        MediaRejected: there is no bucket, or Transcribe does not support the language.
        AttemptFailed: Transcribe or S3 is unreachable, or failed.
    """
    bucket = work.tools.speech.transcribe_bucket
    if not bucket:
        raise MediaRejected("The engine transcribe is not available: TRANSCRIBE_BUCKET must name an S3 bucket")
    language = asked.language
    code = language if "-" in language else DEFAULT_REGIONS.get(language)
    if code is None and language != "auto":
        raise MediaRejected(f"params.language must name a region for transcribe, such as {language}-XX")
    import boto3  # noqa: PLC0415 - slow, and needed here only
    from boto3.exceptions import Boto3Error  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        s3, service = boto3.client("s3"), boto3.client("transcribe")
        return _Transcription(s3, service, bucket).run(sound, code, work)
    except ClientError as error:
        reason = error.response.get("Error", {}).get("Code", "")
        if reason == "BadRequestException":
            raise MediaRejected(f"Amazon Transcribe refuses the job; language {code} may not be known to it") from error
        raise AttemptFailed(f"Amazon Transcribe refused a call: {reason}") from error
    except (Boto3Error, BotoCoreError) as error:
        raise AttemptFailed("Amazon Transcribe or S3 could not be reached") from error


class _Transcription:
    """One transcription, from the upload to the clean-up."""

    def __init__(self, s3: Any, service: Any, bucket: str) -> None:
        self._s3 = s3
        self._service = service
        self._bucket = bucket
        self._name = f"mediaq-{uuid4()}"
        self._keys = {kind: f"{self._name}/{kind}" for kind in ("sound.wav", "transcript.json")}

    def run(self, sound: Path, code: str | None, work: Work) -> Heard:
        try:
            self._s3.upload_file(str(sound), self._bucket, self._keys["sound.wav"], Callback=lambda count: work.check())
            self._service.start_transcription_job(
                TranscriptionJobName=self._name,
                **({"LanguageCode": code} if code else {"IdentifyLanguage": True}),
                MediaFormat="wav",
                Media={"MediaFileUri": f"s3://{self._bucket}/{self._keys['sound.wav']}"},
                OutputBucketName=self._bucket,
                OutputKey=self._keys["transcript.json"],
            )
            job = self._wait(work)
            body = self._s3.get_object(Bucket=self._bucket, Key=self._keys["transcript.json"])["Body"].read()
            score = None if code else job.get("IdentifiedLanguageScore")
            return Heard(read(body), code or str(job.get("LanguageCode", "und")), score)
        finally:
            self._clean()

    def _wait(self, work: Work) -> dict[str, Any]:
        while True:
            job = self._service.get_transcription_job(TranscriptionJobName=self._name)["TranscriptionJob"]
            if job["TranscriptionJobStatus"] == "COMPLETED":
                return dict(job)
            if job["TranscriptionJobStatus"] == "FAILED":
                raise MediaRejected(f"Amazon Transcribe failed: {job.get('FailureReason', '')[:200]}")
            until = time.monotonic() + POLL_SECONDS
            while time.monotonic() < until:
                work.check()
                time.sleep(0.1)

    def _clean(self) -> None:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        deletions = [partial(self._s3.delete_object, Bucket=self._bucket, Key=key) for key in self._keys.values()]
        deletions.append(partial(self._service.delete_transcription_job, TranscriptionJobName=self._name))
        for delete in deletions:
            try:
                delete()
            except (BotoCoreError, ClientError):
                continue  # the lifecycle rule of the bucket deletes the rest


class _Alternative(msgspec.Struct):
    content: str
    confidence: float = 0


class _Item(msgspec.Struct):
    type: str
    alternatives: list[_Alternative]
    start_time: float = 0
    end_time: float = 0


class _Results(msgspec.Struct):
    items: list[_Item]


class _Transcript(msgspec.Struct):
    results: _Results


def read(body: bytes) -> list[Word]:
    """Parse a transcript. Punctuation has no time and is appended to the word before it."""
    try:
        items = msgspec.convert(msgspec.json.decode(body), _Transcript, strict=False).results.items
    except msgspec.MsgspecError as error:
        raise AttemptFailed("Amazon Transcribe answered in an unknown form") from error
    words: list[Word] = []
    for item in items:
        best = item.alternatives[0]
        if item.type == "punctuation" and words:
            words[-1] = msgspec.structs.replace(words[-1], text=words[-1].text + best.content)
        elif item.type == "pronunciation":
            words.append(Word(best.content, round(item.start_time * 1000), round(item.end_time * 1000), best.confidence))
    return words
