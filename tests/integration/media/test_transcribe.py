"""The caption engine `transcribe` on the emulator's S3 and Transcribe, which recognises nothing but has the protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest

from chalicelib.errors import AttemptFailed, JobCancelled, MediaRejected
from infra.local import processes
from infra.local.process import LOOPBACK, pick_port
from tests.media import make_tools, make_work, run, run_ffmpeg
from workers.captions import transcribe
from workers.captions.speech import Asked
from workers.context.work import Speech

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from workers.context.work import Work

BUCKET = "mediaq-sound"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = pick_port()
    part = processes.sqs_process(tmp_path_factory.mktemp("aws") / "state", port)
    part.environment["SERVICES"] = "s3,transcribe"
    part.start()
    yield f"http://{LOOPBACK}:{port}"
    part.stop()


@pytest.fixture
def s3(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setattr(transcribe, "POLL_SECONDS", 0.2)
    client: Any = boto3.client("s3", region_name=processes.REGION)
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    run_ffmpeg("-f", "lavfi", "-i", "sine=duration=1", tmp_path / "sound.wav")
    return tmp_path / "sound.wav"


def work(sound: Path, tmp_path: Path, bucket: str = BUCKET, **options: Any) -> Work:
    tools = make_tools(tmp_path, speech=Speech(transcribe_bucket=bucket))
    return make_work("caption_generation", sound, tmp_path / "job", {"engine": "transcribe"}, tools=tools, **options)


def test_words_come_back_and_nothing_is_left_in_the_bucket(s3: Any, sound: Path, tmp_path: Path) -> None:
    tools = make_tools(tmp_path, speech=Speech(transcribe_bucket=BUCKET))
    done = run("caption_generation", sound, tmp_path / "job", {"engine": "transcribe"}, tools=tools)
    assert (done.result["engine"], done.result["language"]) == ("transcribe", "en-US")
    assert done.result["word_count"] > 5
    assert "placeholder" in done.outputs[0].path.read_text()
    assert s3.list_objects_v2(Bucket=BUCKET).get("Contents", []) == []


def test_the_language_may_be_detected(s3: Any, sound: Path, tmp_path: Path) -> None:
    tools = make_tools(tmp_path, speech=Speech(transcribe_bucket=BUCKET))
    done = run("caption_generation", sound, tmp_path / "job", {"engine": "transcribe", "language": "auto"}, tools=tools)
    assert done.result["language"] not in ("auto", "")
    service: Any = boto3.client("transcribe", region_name=processes.REGION)
    assert service.list_transcription_jobs()["TranscriptionJobSummaries"] == []


def test_a_language_that_transcribe_does_not_know(s3: Any, sound: Path, tmp_path: Path) -> None:
    with pytest.raises(MediaRejected, match="language must name a region"):
        transcribe.hear(sound, Asked("xx"), work(sound, tmp_path))


def test_a_bucket_that_is_not_there(s3: Any, sound: Path, tmp_path: Path) -> None:
    with pytest.raises(AttemptFailed, match="Amazon"):
        transcribe.hear(sound, Asked("en"), work(sound, tmp_path, "no-such-bucket"))


def test_a_cancel_leaves_nothing_behind(s3: Any, sound: Path, tmp_path: Path) -> None:
    calls: list[int] = []

    def check() -> None:
        calls.append(1)
        if len(calls) > 2:
            raise JobCancelled("Cancelled")

    with pytest.raises(JobCancelled):
        transcribe.hear(sound, Asked("en"), work(sound, tmp_path, check=check))
    assert s3.list_objects_v2(Bucket=BUCKET).get("Contents", []) == []


def test_away(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{LOOPBACK}:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(AttemptFailed, match="could not be reached"):
        transcribe.hear(sound, Asked("en"), work(sound, tmp_path))
