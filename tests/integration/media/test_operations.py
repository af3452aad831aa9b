"""Every operation through the whole system on the real Directus; independent programs read the outputs."""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import pytest
import requests
import webvtt

from bench.media import speech
from bench.media.captions import error_rate, recordings
from infra.local.directus import accounts
from infra.local.processes import ROOT
from tests.integration.conftest import SLOW, System, make_clip, until
from tests.media import run_ffmpeg
from workers.context.terms import words
from workers.network.credentials import Keyring

if TYPE_CHECKING:
    from tests.integration.guarded_site import GuardedSite


@pytest.fixture(scope="module")
def folder(guarded_site: GuardedSite) -> Path:
    """Inputs: a film with speech, a title and a place."""
    home = guarded_site.folder
    speech.synthesise("Hello world. One, two, three, four, five.", home / "speech.wav")
    tags = ["-metadata", "title=A night of Jazz in New York", "-metadata", "location=+48.1374+011.5755/"]
    film = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=5", "-i", home / "speech.wav", *tags]
    film += ["-af", "apad", "-movflags", "use_metadata_tags"]
    run_ffmpeg(*film, "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-t", "5", home / "film.mp4")
    return home


@pytest.fixture
def system(real_system: System) -> System:
    return real_system


@pytest.fixture(scope="module")
def film(real_system: System, folder: Path) -> str:
    return real_system.app.upload(folder / "film.mp4")


def finish(system: System, job_id: str, seconds: float = 90) -> dict[str, Any]:
    """Wait for a job that is to complete; return its record."""
    seen: list[int] = []
    record = system.app.wait(job_id, seconds, watch=lambda reading: seen.append(reading["progress"] or 0))
    assert record["status"] == "completed", record["error"]
    assert (record["progress"], record["attempts"], seen) == (100, 1, sorted(seen))
    assert set(record["result"]["stages"]) == {"fetch", "process", "upload"}
    named = [one["file_id"] for one in record["result"]["outputs"]]
    assert record["output_file_id"] == (named[0] if named else None)
    assert sorted(system.outputs(job_id)) == sorted(named)
    return record


def fetch(system: System, file_id: str, target: Path) -> Path:
    system.app.download(file_id, target)
    return target


def test_thumbnail(system: System, film: str, tmp_path: Path) -> None:
    record = finish(system, system.submit(film, {"width": 160, "format": "png"}, "thumbnail"))
    with fetch(system, record["output_file_id"], tmp_path / "a.png").open("rb") as opened, av.open(opened) as media:
        frame = next(media.decode(video=0))
        assert (frame.width, frame.height) == (160, 120) == (record["result"]["width"], record["result"]["height"])
    file = system.admin("GET", f"/files/{record['output_file_id']}")
    assert (file["type"], file["filename_download"], file["width"]) == ("image/png", "film.png", 160)


def test_a_sprite_sheet_whose_track_names_the_sheet_s_file(system: System, film: str, tmp_path: Path) -> None:
    record = finish(system, system.submit(film, {"count": 5, "sprite": True}, "thumbnail"))
    sheet, track = record["result"]["outputs"]
    assert record["output_file_id"] == sheet["file_id"]
    cues = list(webvtt.read(str(fetch(system, track["file_id"], tmp_path / "track.vtt"))))
    assert [cue.text.partition("#")[0] for cue in cues] == [sheet["file_id"]] * 5
    assert cues[-1].end_in_seconds == 5
    with fetch(system, sheet["file_id"], tmp_path / "sheet").open("rb") as opened, av.open(opened) as media:
        assert (media.streams.video[0].width, media.streams.video[0].height) == (480, 240)


def test_captions_of_human_speech_are_right_without_a_setting(system: System, tmp_path: Path) -> None:
    _, sound, text = recordings()[0]
    record = finish(system, system.submit(sound, {"formats": ["vtt", "srt"]}, "caption_generation"))
    cues = list(webvtt.read(str(fetch(system, record["output_file_id"], tmp_path / "a.vtt"))))
    assert len(cues) == record["result"]["cues"] > 0
    assert error_rate(words(text), words(" ".join(cue.text for cue in cues))) <= 0.05
    assert record["result"]["engine"] == "whisper"
    kinds = [system.admin("GET", f"/files/{one['file_id']}")["type"] for one in record["result"]["outputs"]]
    assert kinds == ["text/vtt", "application/x-subrip"]


def test_analysis(system: System, film: str) -> None:
    result = finish(system, system.submit(film, {"transcript": "rock it"}, "analysis"))["result"]
    assert (result["video"]["width"], result["video"]["frame_rate_mode"]) == (320, "constant")
    assert result["audio"]["loudness"]["integrated"] < 0
    assert {term["name"] for term in result["terms"]} == {"New York", "Jazz", "Rock"}


def test_upload(system: System, film: str, folder: Path, tmp_path: Path) -> None:
    given = (folder / "film.mp4").read_bytes()
    assert b"+48.1374" in given
    record = finish(system, system.submit(film, {"sha256": hashlib.sha256(given).hexdigest()}, "upload"))
    made = fetch(system, record["output_file_id"], tmp_path / "a.mp4").read_bytes()
    assert b"+48.1374" not in made
    assert hashlib.sha256(made).hexdigest() == record["result"]["sha256"]
    with av.open(str(tmp_path / "a.mp4")) as media:
        assert abs(media.duration / av.time_base - 5) < 1 / 25
        assert media.metadata["title"] == "A night of Jazz in New York"


def test_download_with_the_credentials_of_a_connection(
    system: System, guarded_site: GuardedSite, folder: Path, tmp_path: Path
) -> None:
    token = Keyring([accounts.CREDENTIALS_KEY]).encrypt({"Authorization": "Bearer secret"})
    row = system.admin("POST", "/items/platform_connections", json={"platform": "x", "credentials": token})
    owner = requests.get(
        f"{system.stack.url('directus')}/users/me", headers={"Authorization": f"Bearer {system.token}"}, timeout=10
    ).json()["data"]["id"]
    system.admin("PATCH", f"/items/platform_connections/{row['id']}", json={"user_created": owner})
    url = f"http://{guarded_site.address}/private/film.mp4"
    job_id = system.submit(None, {}, "download", input_url=url, creator_profile_id=row["id"])
    record = finish(system, job_id)
    made = fetch(system, record["output_file_id"], tmp_path / "a.mp4").read_bytes()
    assert made == (folder / "film.mp4").read_bytes()
    assert record["result"]["sha256"] == hashlib.sha256(made).hexdigest()
    assert guarded_site.seen[-1] == "Bearer secret"
    file = system.admin("GET", f"/files/{record['output_file_id']}")
    assert (file["filename_download"], file["type"]) == ("film.mp4", "video/mp4")
    assert "secret" not in system.log("worker")
    refused = system.app.wait(system.submit(None, {}, "download", input_url=url), 30)
    assert (refused["status"], refused["attempts"], refused["error"]) == ("failed", 1, "input_url answered with status 401")


@pytest.mark.parametrize(
    "params",
    [
        {"preset": "mobile", "duration": 1},
        {"format": "webm", "resolution": "144p", "preset": "ultrafast", "duration": 1, "loudness": -16},
        {"preset": "podcast"},
    ],
    ids=["preset", "webm", "podcast"],
)
def test_transcoding(system: System, film: str, tmp_path: Path, params: dict[str, Any]) -> None:
    record = finish(system, system.submit(film, params))
    with av.open(str(fetch(system, record["output_file_id"], tmp_path / "out"))) as media:
        assert abs(media.duration / av.time_base - params.get("duration", 5)) < 1 / 25
        videos = [one.codec_context.codec.canonical_name for one in media.streams.video]
        assert videos == {"webm": ["vp9"]}.get(params.get("format", ""), [] if params["preset"] == "podcast" else ["h264"])
        if videos:
            assert media.streams.video[0].width == record["result"]["width"]


def test_the_output_of_one_job_is_the_input_of_the_next(system: System, film: str) -> None:
    small = finish(system, system.submit(film, {"preset": "mobile", "duration": 1}))["output_file_id"]
    picture = finish(system, system.submit(small, {"at": 0.5}, "thumbnail"))
    assert picture["result"]["input_duration"] == 1


def test_a_cancel_ends_ffmpeg_within_three_seconds(system: System, tmp_path: Path) -> None:
    """By the command, as an operator gives it."""
    long = make_clip(tmp_path / "long.mp4", 60, "640x360")
    job_id = system.submit(long, SLOW)
    until(lambda: ours(system), 30, "ffmpeg at work")
    environment = {**system.stack.environment, "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", "chalicelib", "cancel", job_id]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    cancelled = time.monotonic()
    assert done.stdout == f"{job_id}: cancelled\n"
    until(lambda: not ours(system), 10, "ffmpeg gone")
    assert time.monotonic() - cancelled < 3
    record = system.app.wait(job_id, 5)
    assert (record["status"], record["error"]) == ("failed", "Cancelled")
    until(system.quiet, 10, "closed")
    assert system.outputs(job_id) == []
    assert list(Path(system.stack.environment["WORK_DIR"]).glob("job-*")) == []


def ours(system: System) -> list[str]:
    """Return the command lines of media processes that work in this system's folders."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = entry.read_bytes().decode(errors="replace").split("\0")
            if "ffmpeg" in Path(words[0]).name and any(system.stack.environment["WORK_DIR"] in word for word in words):
                found.append(" ".join(words))
    return found
