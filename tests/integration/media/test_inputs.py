"""Unusual files through the whole system; independent programs read the outputs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import pytest
import requests
from PIL import Image

from infra.local.demo import client_environment
from tests import inputs
from tests.integration.conftest import QUICK

if TYPE_CHECKING:
    from tests.integration.conftest import System

EXPECTED: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "unknown_sound.mov": ("transcoding", QUICK, ["stream_ignored"]),
    "commentary_first.mkv": ("transcoding", QUICK, []),
    "side_channels.mkv": ("transcoding", {"format": "ogg"}, []),
    "interlaced.mpg": ("transcoding", QUICK, []),
    "broken_off.mp4": ("transcoding", QUICK, ["input_truncated", "decode_errors"]),
    "photo.heic": ("thumbnail", {"width": 300}, []),
    "photo.avif": ("upload", {}, []),
    "animated.webp": ("transcoding", QUICK, []),
    "animated.png": ("thumbnail", {}, []),
    "time_code.mov": ("upload", {}, ["metadata_dropped"]),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("inputs")
    for name in EXPECTED:
        inputs.RECIPES[name](home / name)
    return home


def run(system: System, file: Path, operation: str, params: dict[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = system.app.wait(system.submit(file, params, operation), 60)
    return record


@pytest.mark.parametrize("name", EXPECTED)
def test_each_completes_and_says_what_was_wrong(system: System, folder: Path, tmp_path: Path, name: str) -> None:
    operation, params, warnings = EXPECTED[name]
    record = run(system, folder / name, operation, params)
    assert record["status"] == "completed", record["error"]
    assert [one["code"] for one in record["result"]["warnings"]] == warnings
    output = tmp_path / "output"
    system.app.download(record["output_file_id"], output)
    if operation == "thumbnail" or name == "photo.avif":
        with Image.open(output) as picture:
            assert picture.size == {"photo.heic": (300, 200), "photo.avif": (1200, 800)}.get(name, (320, 240))
        assert b"SECRET" not in output.read_bytes()
        return
    with av.open(str(output)) as film:
        kinds = [stream.type for stream in film.streams]
        assert kinds.count("data") == 0
        assert len(kinds) == {"side_channels.mkv": 1, "interlaced.mpg": 1, "animated.webp": 1}.get(name, 2)
        assert sum(1 for _ in film.decode(**{kinds[0]: 0})) > 9
        expected = {"broken_off.mp4": 1.8, "animated.webp": 1.0}.get(name, 3.0)
        assert float(film.duration or 0) / av.time_base == pytest.approx(expected, abs=0.15)


def test_warnings_are_seen_in_the_api_and_the_command(system: System, folder: Path) -> None:
    job_id = system.submit(folder / "broken_off.mp4")
    record = system.app.wait(job_id, 60)
    headers = {"Authorization": f"Bearer {system.token}"}
    job = requests.get(f"{system.stack.url('api')}/api/queue/jobs/{job_id}", headers=headers, timeout=10).json()["job"]
    assert job["warnings"] == record["result"]["warnings"]
    environment = os.environ | client_environment(system.stack.url("api"), system.stack.url("directus"), system.token)
    command = [Path(sys.prefix) / "bin" / "mediaq", "status", job_id]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=True).stdout
    assert "input_truncated: The input says that it is 3 s long" in said


def test_strict_fails_the_job(system: System, folder: Path) -> None:
    record = run(system, folder / "broken_off.mp4", "transcoding", {**QUICK, "strict": True})
    assert record["status"] == "failed"
    assert record["error"].startswith("The input says that it is 3 s long, but only 1.8")
    assert record["error"].endswith("params.strict is true")


def test_a_body_that_is_too_large_is_a_413(system: System) -> None:
    """Also while the client still sends: the answer is read to its end."""
    url = f"{system.stack.url('api')}/api/queue/media"
    headers = {"Authorization": f"Bearer {system.token}", "Content-Type": "application/json"}
    body = json.dumps({"jobId": "x", "padding": "x" * (12 << 20)}).encode()
    for sent in (body, iter([body[: 6 << 20], body[6 << 20 :]])):  # with a length, and in chunks
        answer = requests.post(url, data=sent, headers=headers, timeout=30)
        assert answer.status_code == 413
        assert answer.json() == {"error": "The request body must be at most 10 MB"}
        assert answer.headers["Content-Type"] == "application/json"
