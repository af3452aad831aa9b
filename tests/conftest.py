"""Shared by all tests: a clean environment and a real Redis. A missing service fails a test; nothing is skipped."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import redis
from aws_lambda_powertools import Logger
from xdist.scheduler import LoadFileScheduling

from chalicelib.ledger.ledger import Ledger
from chalicelib.ledger.scripts import Scripts
from chalicelib.ledger.usage import UsageLedger
from chalicelib.struct_types import build_struct_types
from infra.local import browser, processes
from infra.local.process import LocalProcess, pick_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

OURS = ("AWS_", "DIRECTUS_", "REDIS_", "QUEUE_", "DEAD_LETTER_", "MEDIAQ_REDIS", "PLANS_", "INTERNAL_")
for name in [name for name in os.environ if name.startswith(OURS) and name != "AWS_ENDPOINT_URL"]:
    del os.environ[name]  # AWS_ENDPOINT_URL stays: it names another emulator for the integration tier
os.environ.update(processes.AWS_ENVIRONMENT)
Logger(service="mediaq")
os.environ["POWERTOOLS_METRICS_DISABLED"] = "true"

PREFIX = "{test}"


REAL_DIRECTUS = tuple(
    f"tests/integration/{name}.py"
    for name in (
        "test_path",
        "media/test_operations",
        "test_captions",
        "test_credentials",
        "test_upload",
        "packages/test_players",
    )
)
"""Files that share one system on the real Directus."""


class FileScheduling(LoadFileScheduling):
    """Runs the tests of a file in one process, and those of the files that share a system too."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return REAL_DIRECTUS[0] if file in REAL_DIRECTUS else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FileScheduling | None:
    """Schedule `--dist loadfile`."""
    return FileScheduling(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_collection_finish() -> None:
    """Prepare for tests that call the API and the workers in several threads."""
    build_struct_types("chalicelib")


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis server of this session's own."""
    state, port = tmp_path_factory.mktemp("redis") / "state", pick_port()
    server: LocalProcess = processes.redis_process(state, port).start()
    yield processes.redis_url(state, port)
    server.stop()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Headless Chromium: one in each test process, because Playwright cannot be started twice in one."""
    with browser.launch() as running:
        yield running


class LossyScripts(Scripts):
    """Loses the next answer when it is told to: Redis did what was asked, and nobody hears of it."""

    lose = False

    def _run(self, *args: Any) -> list[Any]:
        answer = super()._run(*args)
        if self.lose:
            self.lose = False
            raise redis.ConnectionError
        return answer


@pytest.fixture(scope="session")
def shared_scripts(redis_url: str) -> LossyScripts:
    """The scripts on that server."""
    return LossyScripts(redis_url, PREFIX)


@pytest.fixture
def scripts(shared_scripts: LossyScripts) -> LossyScripts:
    """The scripts on an empty server."""
    shared_scripts.redis.flushall()
    return shared_scripts


class Clock:
    """A clock that tests turn by hand, in ms."""

    def __init__(self) -> None:
        self.ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.ms

    def advance(self, ms: int) -> None:
        """Let `ms` pass."""
        self.ms += ms


@pytest.fixture
def clock() -> Clock:
    """A clock in 2027."""
    return Clock()


@pytest.fixture
def usage(scripts: Scripts) -> UsageLedger:
    """The charges in an empty ledger."""
    return UsageLedger(scripts)


@pytest.fixture
def ledger(scripts: Scripts, clock: Clock) -> Ledger:
    """An empty ledger whose time is `clock`."""
    return Ledger(scripts, clock)
