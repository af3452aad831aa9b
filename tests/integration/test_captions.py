"""Captions end to end on the real Directus: one call, a correction, and a film with the captions in it; by client and command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import av
import pytest
import requests
import webvtt

from bench.media.captions import error_rate, recordings
from mediaq import ApiError, Client
from tests.media import run_ffmpeg
from workers.context.terms import words

if TYPE_CHECKING:
    from tests.integration.conftest import System

_, SOUND, TEXT = recordings()[0]
MEDIAQ = Path(sys.prefix) / "bin" / "mediaq"


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of a speech."""
    film = tmp_path_factory.mktemp("spoken") / "speech.mp4"
    run_ffmpeg(
        "-f", "lavfi", "-i", "color=black:size=320x180:rate=10:duration=11", "-i", SOUND, "-c:v", "libx264", "-shortest", film
    )
    return film


@pytest.fixture
def client(real_system: System) -> Client:
    stack = real_system.stack
    return Client(f"{stack.url('api')}/api/queue", stack.url("directus"), real_system.token)


@pytest.fixture(scope="module")
def captioned(real_system: System, spoken: Path) -> str:
    """A job of `POST /captions` that is completed."""
    stack = real_system.stack
    client = Client(f"{stack.url('api')}/api/queue", stack.url("directus"), real_system.token)
    job_id = client.captions.create(input_file_id=client.upload(spoken), formats=["vtt", "srt"])
    client.wait(job_id, 90, every=0.3)
    return job_id


def test_one_call_makes_right_captions(client: Client, captioned: str) -> None:
    found = client.captions.read(captioned)
    assert (found["state"], found["language"], found["version"]) == ("completed", "en", 1)
    heard = " ".join(" ".join(cue["lines"]) for cue in found["cues"])
    assert error_rate(words(TEXT), words(heard)) <= 0.05
    assert all(abs(cue["words"][0]["start"] - cue["start"]) < 1.6 for cue in found["cues"])
    assert [cue.text.replace("\n", " ") for cue in webvtt.from_string(client.captions.text(captioned, "vtt"))] == [
        " ".join(cue["lines"]) for cue in found["cues"]
    ]
    assert client.captions.text(captioned, "txt").startswith("And so")


def test_files_have_the_right_types_and_are_the_user_s(client: Client, captioned: str, real_system: System) -> None:
    me = real_system.stack.url("directus") + "/users/me"
    user = requests.get(me, headers={"Authorization": f"Bearer {real_system.token}"}, timeout=10).json()["data"]["id"]
    for kind, file_id in client.captions.read(captioned)["files"].items():
        file = real_system.admin("GET", f"/files/{file_id}")
        assert file["uploaded_by"] == user
        assert file["filename_download"].endswith(f".{kind}")


def test_a_correction_is_kept_beside_what_was_recognised(client: Client, spoken: Path, tmp_path: Path) -> None:
    job_id = client.captions.create(input_file_id=client.upload(spoken))
    client.wait(job_id, 90, every=0.3)
    first = client.captions.read(job_id)["files"]
    (tmp_path / "corrected.srt").write_text("1\n00:00:00,000 --> 00:00:02,000\nAnd so\n")
    answer = client.captions.replace(job_id, tmp_path / "corrected.srt")
    assert (answer["version"], answer["warnings"]) == (2, [])
    found = client.captions.read(job_id)
    assert [cue["lines"] for cue in found["cues"]] == [["And so"]]
    assert found["versions"][0]["files"] == first
    assert client.job(job_id).output_file_id == answer["files"]["vtt"]
    with pytest.raises(ApiError, match="Cue 1 must end after it starts"):
        client.captions.replace(job_id, [{"start": 2, "end": 1, "lines": ["x"]}])
    client.captions.delete(job_id)
    with pytest.raises(ApiError, match="captions"):
        client.captions.read(job_id)


def test_the_file_of_captions_goes_into_the_film(client: Client, captioned: str, spoken: Path, tmp_path: Path) -> None:
    params = {"captions_file_id": client.captions.read(captioned)["files"]["srt"], "preset": "ultrafast"}
    job = client.wait(client.submit(spoken, "transcoding", params), 90, every=0.3)
    with av.open(str(client.download(job.output_file_id, tmp_path / "film.mp4"))) as media:
        assert [stream.codec_context.name for stream in media.streams.subtitles] == ["mov_text"]
    assert job.result is not None
    assert job.result["captions"]["cues"] == len(client.captions.read(captioned)["cues"])


def test_by_the_command(real_system: System, spoken: Path, tmp_path: Path) -> None:
    stack = real_system.stack
    environment = {**os.environ, "MEDIAQ_API": f"{stack.url('api')}/api/queue", "MEDIAQ_DIRECTUS": stack.url("directus")}
    environment["MEDIAQ_TOKEN"] = real_system.token

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [MEDIAQ, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    done = run("captions", spoken, "-f", "vtt", "-f", "txt", "--term", "Kennedy", "--burn-in", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert [Path(one).name for one in said["saved"]] == ["speech.vtt", "speech.txt", "speech-captioned.mp4"]
    assert "fellow Americans" in (tmp_path / "speech.txt").read_text()
    with av.open(str(tmp_path / "speech-captioned.mp4")) as media:
        assert len(media.streams.subtitles) == 0
    (tmp_path / "own.vtt").write_text(f"WEBVTT\n\n00:00.000 --> 00:02.000\n{'x' * 50}\n")
    done = run("correct", said["jobId"], "own.vtt")
    assert (done.returncode, done.stdout) == (0, "version     2\n")
    assert "cue 1: A line has 50 characters, more than 42 (line_length)" in done.stderr
    assert run("correct", said["jobId"], "missing.vtt").returncode == 2
