"""The whole system in real processes. A process that does not start fails the test."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from chalicelib.ledger.ledger import Ledger
from chalicelib.ledger.scripts import Scripts
from infra.local import processes
from infra.local.client import CreatorApp
from infra.local.directus import accounts
from infra.local.process import LocalProcess
from infra.local.stack import Stack, login
from tests import waiting
from tests.integration import guarded_site as guarded
from tests.integration.slow_site import SlowSite, serve
from workers.context import programs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.guarded_site import GuardedSite

EXAMPLE = Path(__file__).with_name("spec_example.mjs")
OUTAGE_SECONDS = float(os.environ.get("MEDIAQ_OUTAGE_SECONDS", "8"))
"""How long a dependency is away in the outage tests; `make verify` says 30."""

QUICK = {"format": "mp4", "resolution": "144p", "preset": "ultrafast"}
SLOW = {"format": "mp4", "codec": "h265", "preset": "slow"}


def make_clip(target: Path, seconds: float, size: str, *extra: str, sound: bool = True) -> Path:
    """Synthesise a clip; `extra` goes to the encoder."""
    tone = ["-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}", "-c:a", "aac", "-shortest"] if sound else []
    picture = ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate=25:duration={seconds}"]
    command = [programs.find().ffmpeg, "-nostdin", "-v", "error", "-y", *picture, *tone[:4], "-c:v", "libx264"]
    subprocess.run([*command, "-preset", "ultrafast", "-pix_fmt", "yuv420p", *extra, *tone[4:], str(target)], check=True)
    return target


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds, small, with sound."""
    return make_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", 2, "320x240")


@pytest.fixture(scope="session")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough for a transcode of some seconds."""
    return make_clip(tmp_path_factory.mktemp("clips") / "long.mp4", 4, "640x360")


@pytest.fixture(scope="session", autouse=True)
def site(clip: Path) -> Iterator[SlowSite]:
    """A web site that workers may download from; a job that takes as long as a test wants, and no processor time."""
    with pytest.MonkeyPatch.context() as patch:
        for site in serve(clip.read_bytes()):
            patch.setenv("FETCH_ALLOW", site.address)
            yield site


@dataclass
class System:
    """A running stack, as a creator's app and as a test see it."""

    stack: Stack
    extra: list[LocalProcess] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.token = login(self.stack.url("directus"), accounts.BEST.email, accounts.BEST.password)
        self.app = CreatorApp(self.stack.url("directus"), self.stack.url("api"), self.token)
        self.scripts = Scripts(self.stack.redis_url, "{mediaq}")
        self.ledger = Ledger(self.scripts)

    def submit(
        self, file: Path | str | None, params: dict[str, Any] = QUICK, operation: str = "transcoding", **values: Any
    ) -> str:
        """Upload (or reuse a file's id), create the record, enqueue; return the record's id."""
        file_id = self.app.upload(file) if isinstance(file, Path) else file
        job_id = self.app.create_record(operation, file_id, params=params)
        answer = self.app.enqueue(job_id, operation, params=params, **values)
        assert answer.status_code == 200, answer.text
        return job_id

    def stats(self) -> dict[str, int]:
        """Read the published counts."""
        counts: dict[str, int] = requests.get(f"{self.stack.url('api')}/api/queue/stats", timeout=10).json()["stats"]
        return counts

    def quiet(self) -> dict[str, int] | None:
        """Return the counts once nothing is open any more."""
        counts = self.stats()
        return counts if counts["waiting"] == counts["active"] == counts["delayed"] == 0 else None

    def admin(self, method: str, path: str, **request: Any) -> Any:
        """Call Directus as its administrator."""
        headers = {"Authorization": f"Bearer {accounts.ADMIN_TOKEN}"}
        answer = requests.request(method, self.stack.url("directus") + path, headers=headers, timeout=30, **request)
        assert answer.status_code < 300, answer.text
        return answer.json()["data"] if answer.content else None

    def outputs(self, job_id: str) -> list[str]:
        """Return the output files of a job that Directus has, named by the record or not."""
        files = self.admin("GET", f"/files?filter[title][_starts_with]={job_id}/&limit=-1")
        return [file["id"] for file in files]

    def worker(self, name: str, drain_seconds: float = 25, **environment: str) -> LocalProcess:
        """Start another worker, of one slot."""
        part = processes.worker_process(self.stack.environment | environment, self.stack.logs, name, 1, drain_seconds).start()
        self.extra.append(part)
        return part

    def running(self, site: SlowSite) -> str:
        """Enqueue a job that runs until `site.quick` is set; return the record's id once it runs."""
        job_id = site.begin(self.app)
        until(lambda: self.app.record(job_id)["status"] == "processing", 40, "running")
        return job_id

    def log(self, name: str) -> str:
        """Read a part's log."""
        return (self.stack.logs / f"{name}.log").read_text()


def run_example(directus: str, api: str, token: str, clip: Path) -> str:
    """Run the spec's JavaScript example with Node, as it stands there, addresses and token apart; return the output's id."""
    environment = {**os.environ, "DIRECTUS": directus, "API": api, "TOKEN": token, "CLIP": str(clip)}
    command = [Path(sys.prefix) / "bin" / "node", EXAMPLE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "Job enqueued: " in done.stdout
    return done.stdout.split("Job completed! ")[1].strip()


def until(true: Callable[[], Any], seconds: float, what: str) -> Any:
    """Wait for something in another process: see `waiting.until`."""
    return waiting.until(true, seconds, what, every=0.1)


def run_system(home: Path, directus: str = "standin", concurrency: int = 2) -> Iterator[System]:
    """Start a system and stop it afterwards."""
    system = System(Stack(home, directus=directus, concurrency=concurrency).start())
    yield system
    for part in system.extra:
        part.stop()
    system.stack.stop()


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system on the stand-in, shared by the files of a test process."""
    yield from run_system(tmp_path_factory.mktemp("system"))


@pytest.fixture
def no_worker(system: System, site: SlowSite) -> Iterator[None]:
    """The system without its worker, so that a test can start its own; they are stopped afterwards."""
    system.stack.processes["worker"].stop()
    yield
    site.quick.set()
    for process in system.extra:
        process.stop()
    system.extra.clear()
    system.stack.processes["worker"].start()


@pytest.fixture(scope="session")
def guarded_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedSite]:
    """A web site of private files that the workers of the real system may download from."""
    yield from guarded.serve(tmp_path_factory.mktemp("guarded"))


@pytest.fixture(scope="session")
def real_system(tmp_path_factory: pytest.TempPathFactory, site: SlowSite, guarded_site: GuardedSite) -> Iterator[System]:
    """A system on the real Directus. One test process starts it: see `REAL_DIRECTUS` of tests/conftest.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FETCH_ALLOW", f"{site.address} {guarded_site.address}")
        yield from run_system(tmp_path_factory.mktemp("real"), directus="real")
