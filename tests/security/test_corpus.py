"""Every hostile file through every operation: a clear final error or a success, and no side effect.

`make test` runs the quick part, `make verify` all of it (MEDIAQ_CORPUS=all), with a network namespace and without.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.domain.jobs import OPERATIONS
from chalicelib.errors import MediaRejected
from tests.media import run, run_ffmpeg, synthesise
from tests.security.corpus import CORPUS, NAMES, Bait
from workers.context import programs
from workers.context.work import Source
from workers.sandbox import sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ALL = os.environ.get("MEDIAQ_CORPUS") == "all"
MEMORY_MAX = 300 << 20
SECONDS_MAX = 60
QUICKLY: dict[str, dict[str, Any]] = {
    "transcoding": {"resolution": "144p", "preset": "ultrafast"},
    "thumbnail": {"candidates": 2},
}
PAIRS = [
    (name, operation)
    for number, name in enumerate(CORPUS)
    for place, operation in enumerate(OPERATIONS)
    if ALL or (not CORPUS[name].slow and place in (number % len(OPERATIONS), (number + 3) % len(OPERATIONS)))
]
OTHER_OUTPUTS: dict[str, dict[str, Any]] = {
    "package": {"format": "hls", "preset": "ultrafast"},
    "cover": {"visual": "cover", "preset": "ultrafast"},
    "waveform": {"visual": "waveform", "preset": "ultrafast", "resolution": "144p"},
    "quality": {"quality": True, "resolution": "144p", "preset": "ultrafast"},
}
"""Outputs of `transcoding` that open the input with arguments of their own."""
OTHER_PAIRS = [
    (name, output)
    for number, name in enumerate(CORPUS)
    for place, output in enumerate(OTHER_OUTPUTS)
    if ALL or (not CORPUS[name].slow and place == number % len(OTHER_OUTPUTS))
]
MODES = ("auto", "off") if ALL else ("off",)


@pytest.fixture(scope="session")
def bait(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bait]:
    """A secret film, magenta all over, and a server that nobody may call."""
    secret = tmp_path_factory.mktemp("tenant") / "secret.mp4"
    run_ffmpeg("-f", "lavfi", "-i", "color=magenta:size=64x48:duration=1", "-pix_fmt", "yuv420p", secret)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        calls: list[Any] = []
        over = threading.Event()

        def listen() -> None:
            while not over.is_set():
                try:
                    calls.append(server.accept()[0])
                except TimeoutError:
                    continue

        thread = threading.Thread(target=listen)
        thread.start()
        yield Bait(secret, server.getsockname()[1])
        over.set()
        thread.join()
        assert not calls, "a media process opened a socket"


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, bait: Bait) -> dict[str, Path]:
    """Files that were made already, by name: making some takes longer than refusing them."""
    return {}


@pytest.fixture
def hostile(
    request: pytest.FixtureRequest, made: dict[str, Path], bait: Bait, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    name = request.param
    if name not in made:
        made[name] = tmp_path_factory.mktemp("hostile") / "clip"
        CORPUS[name].make(made[name], bait)
    return made[name]


@pytest.fixture
def peaks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The memory of every process of the sandbox, in bytes."""
    seen: list[int] = []
    reap = sandbox._reap

    def noting(*arguments: Any) -> int:
        seen.append(reap(*arguments))
        return seen[-1]

    monkeypatch.setattr(sandbox, "_reap", noting)
    return seen


@pytest.fixture(autouse=True, params=MODES)
def namespace(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The walls must hold without a network namespace too: there is none on Lambda and Fargate."""
    monkeypatch.setattr(sandbox._Namespace, "mode", request.param)


@pytest.mark.parametrize(
    ("hostile", "operation"), PAIRS, indirect=["hostile"], ids=[f"{name}-{operation}" for name, operation in PAIRS]
)
def test_hostile_files(
    hostile: Path, operation: str, request: pytest.FixtureRequest, bait: Bait, tmp_path: Path, peaks: list[int]
) -> None:
    _meet(hostile, operation, QUICKLY.get(operation), request, tmp_path, peaks)


@pytest.mark.parametrize(
    ("hostile", "output"), OTHER_PAIRS, indirect=["hostile"], ids=[f"{name}-{output}" for name, output in OTHER_PAIRS]
)
def test_hostile_files_in_other_outputs(
    hostile: Path, output: str, request: pytest.FixtureRequest, bait: Bait, tmp_path: Path, peaks: list[int]
) -> None:
    _meet(hostile, "transcoding", OTHER_OUTPUTS[output], request, tmp_path, peaks)


def _meet(
    hostile: Path,
    operation: str,
    params: dict[str, Any] | None,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    peaks: list[int],
) -> None:
    """Run an operation on a hostile file: it is refused, or harmless, within the walls."""
    started = time.monotonic()
    name = request.node.callspec.params["hostile"]
    job = tmp_path / "job"
    outputs: list[Path] = []
    try:
        outputs = [output.path for output in run(operation, hostile, job, params, source=Source("")).outputs]
        assert CORPUS[name].harmless, "it was accepted"
    except MediaRejected as error:
        _check_words(str(error), tmp_path)
    assert time.monotonic() - started < SECONDS_MAX
    assert max(peaks) < MEMORY_MAX, f"{max(peaks) >> 20} MB"
    assert not any(_shows_the_secret(output) for output in outputs)
    assert _in_use(job) == []
    assert [entry.name for entry in tmp_path.iterdir()] == ["job"]  # which the worker deletes, whatever happens


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("operation", OPERATIONS if ALL else ["upload", "download"])
def test_names_of_honest_files(name: str, operation: str, tmp_path: Path) -> None:
    clip = synthesise(tmp_path / "clip.mp4", seconds=0.4, size="64x48")
    done = run(operation, clip, tmp_path / "job", QUICKLY.get(operation), source=Source(name))
    assert all(output.path.parent == tmp_path / "job" / "out" for output in done.outputs)


def _check_words(error: str, folder: Path) -> None:
    """A sentence for a person: not a code, not a path of this machine."""
    assert 20 < len(error) < 500
    assert error[0].isupper()
    assert str(folder) not in error
    assert "ended with code" not in error
    assert "Traceback" not in error


def _shows_the_secret(output: Path) -> bool:
    """Look at the first pixel, in another process: our own memory counts as that of the processes that we start."""
    command = [programs.find().ffmpeg, "-nostdin", "-v", "quiet", "-i", str(output), "-frames:v", "1", "-vf", "scale=1:1"]
    done = subprocess.run([*command, "-pix_fmt", "rgb24", "-f", "rawvideo", "-"], capture_output=True, check=False)
    red, green, blue = (*done.stdout[:3], 0, 0, 0)[:3]
    return red > 200 and green < 60 and blue > 200


def _in_use(folder: Path) -> list[str]:
    """Return the processes that still work in a folder."""
    from pathlib import Path as AnyPath

    found = []
    for entry in AnyPath("/proc").glob("[0-9]*/cwd"):
        try:
            if str(entry.readlink()).startswith(str(folder)):
                found.append(entry.parent.name)
        except OSError:
            continue
    return found
