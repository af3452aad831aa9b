"""The API in this process, with a real Redis, the SQS emulator and the Directus stand-in; no worker."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import requests
from werkzeug.test import Client

from chalicelib import services, settings
from infra.local import processes
from infra.local.directus import accounts, installation
from infra.local.gateway import Gateway
from infra.local.process import LOOPBACK, LocalProcess, pick_port
from infra.local.stack import login
from tests.conftest import PREFIX
from tests.contract.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from werkzeug.test import TestResponse

    from chalicelib.ledger.scripts import Scripts

API = "/api/queue"


@dataclass
class Backends:
    """Where the stores of this session are."""

    directus: str
    environment: dict[str, str]
    tokens: dict[str, str]


@pytest.fixture(scope="session")
def backends(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backends]:
    home = tmp_path_factory.mktemp("contract")
    sqs_port, directus_port = pick_port(), pick_port()
    running = [processes.sqs_process(home / "sqs", sqs_port), processes.stand_in_process(home / "directus", directus_port)]
    for part in running:
        part.launch()
    for part in running:
        try:
            part.wait()
        except BaseException:
            for other in running:
                other.stop()
            raise
    directus, sqs = f"http://{LOOPBACK}:{directus_port}", f"http://{LOOPBACK}:{sqs_port}"
    environment = processes.environment(
        redis_url=redis_url, sqs_url=sqs, directus_url=directus, queues=processes.make_queues(sqs), work=home / "work"
    )
    tokens = {user.tier: login(directus, user.email, user.password) for user in accounts.DEMO_USERS}
    yield Backends(directus, environment | {"MEDIAQ_REDIS_PREFIX": PREFIX}, tokens)
    for part in running:
        part.stop()


@dataclass
class Api:
    """The API as a client sees it, and what a test needs to prepare."""

    backends: Backends
    client: Client
    services: services.Services
    peer: str = "203.0.113.9"
    user_ids: dict[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, token: str | None = None, **request: Any) -> TestResponse:
        """Make a call, from an address that is not loopback unless `peer` says so."""
        headers = dict(request.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        origin = {"REMOTE_ADDR": request.pop("peer", self.peer)}
        return self.client.open(
            request.pop("base", API) + path, method=method, headers=headers, environ_overrides=origin, **request
        )

    def enqueue(self, body: Any, tier: str = "enterprise", **request: Any) -> TestResponse:
        """Call `POST /media` as the demo user of a tier."""
        token = request.pop("token", self.backends.tokens[tier])
        return self.call("POST", "/media", token, json=body, **request)

    def directus(self, method: str, path: str, token: str = accounts.ADMIN_TOKEN, **request: Any) -> Any:
        """Call Directus, as its administrator unless said otherwise."""
        headers = {"Authorization": f"Bearer {token}"}
        answer = requests.request(method, self.backends.directus + path, headers=headers, timeout=30, **request)
        assert answer.status_code < 300, answer.text
        return answer.json()["data"] if answer.content else None

    def file(self, tier: str = "enterprise") -> str:
        """Upload a small file as the demo user of a tier."""
        token = self.backends.tokens[tier]
        return str(self.directus("POST", "/files", token, files={"file": ("clip.mp4", b"not really", "video/mp4")})["id"])

    def record(self, tier: str = "enterprise", **values: Any) -> str:
        """Create a record as the demo user of a tier, with a file of theirs unless another input is given."""
        if "input_url" not in values:
            values.setdefault("input_file_id", self.file(tier))
        body = {"operation": "transcoding", **values}
        return str(self.directus("POST", "/items/media_jobs", self.backends.tokens[tier], json=body)["id"])

    def user_id(self, tier: str) -> str:
        """Return the id of the demo user of a tier."""
        return str(self.directus("GET", "/users/me", self.backends.tokens[tier])["id"])

    def new_user(self, **values: Any) -> tuple[str, str]:
        """Make a user on the free tier; return id and static token."""
        token = uuid.uuid4().hex
        row = {"email": f"{token}@example.com", "role": "Media user", "token": token, "subscription_tier": "free", **values}
        return str(self.directus("POST", "/users", json=row)["id"]), token


@pytest.fixture
def api(backends: Backends, scripts: Scripts) -> Iterator[Api]:
    """The API with an empty Redis."""
    yield from serve(backends)


@pytest.fixture
def operator(api: Api, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment of whoever runs `python -m chalicelib`."""
    for name, value in api.backends.environment.items():
        monkeypatch.setenv(name, value)
    settings.current.cache_clear()
    yield
    settings.current.cache_clear()


@pytest.fixture
def plans(tmp_path: Path) -> Path:
    """A file for plans of a test's own."""
    return tmp_path / "plans.json"


def serve(backends: Backends, **changes: str) -> Iterator[Api]:
    """Wire the app to the backends, with some settings changed."""
    from app import app

    wired = services.Services(settings.load(backends.environment | changes))
    services.use(wired)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", backends.environment["AWS_ENDPOINT_URL"])
        yield Api(backends, Client(Gateway(app)), wired)
    services.use(None)


@pytest.fixture(scope="session", params=["standin", "real"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home: Path = tmp_path_factory.mktemp(request.param)
    port = pick_port()
    part: LocalProcess = (
        installation.part(home / "directus", port)
        if request.param == "real"
        else processes.stand_in_process(home / "directus", port)
    )
    part.start()
    yield Server(f"http://{LOOPBACK}:{port}")
    part.stop()
