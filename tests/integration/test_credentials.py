"""Credentials end to end on the real Directus: used by workers, and found nowhere else."""

from __future__ import annotations

import json
import os
import re
import ssl
import subprocess
import sys
import threading
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.directus import accounts
from infra.local.processes import ROOT
from mediaq import ApiError, Client
from tests.integration.conftest import until
from tests.integration.guarded_site import GuardedFiles
from tests.unit.network.site import make_certificate
from workers.network.credentials import make_keypair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.conftest import System

SECRET = "s3cret-of-the-whole-system"
HEADER = f"Bearer {SECRET}"


class TlsSite(ThreadingHTTPServer):
    """Private files behind https, for those who have the secret."""

    daemon_threads = True

    def __init__(self, folder: Path, certificate: tuple[Path, Path]) -> None:
        super().__init__(("127.0.0.1", 0), partial(GuardedFiles, directory=str(folder)))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.host = f"localhost:{self.server_port}"
        self.seen: list[str | None] = []
        self.header = HEADER
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture(scope="module")
def tls_site(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TlsSite, Path]]:
    folder = tmp_path_factory.mktemp("files")
    (folder / "film.mp4").write_bytes(clip.read_bytes())
    certificate = make_certificate(tmp_path_factory.mktemp("tls"))
    server = TlsSite(folder, certificate)
    yield server, certificate[0]
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def client(real_system: System, tls_site: tuple[TlsSite, Path]) -> Iterator[Client]:
    """A client of the real system, whose worker may reach the site."""
    site, certificate = tls_site
    stack = real_system.stack
    stack.processes["worker"].stop()
    worker = real_system.worker("credentials", FETCH_ALLOW=site.host, SSL_CERT_FILE=str(certificate))
    yield Client(f"{stack.url('api')}/api/queue", stack.url("directus"), real_system.token)
    worker.stop()
    real_system.extra.remove(worker)
    stack.processes["worker"].start()


@pytest.fixture(scope="module")
def key(client: Client, tls_site: tuple[TlsSite, Path]) -> str:
    made = client.credentials.create("Files", "bearer", [tls_site[0].host], {"token": SECRET})
    return str(made["id"])


def test_a_download_uses_it_and_its_owner_sees_that(client: Client, key: str, tls_site: tuple[TlsSite, Path]) -> None:
    site, _ = tls_site
    job_id = client.submit(f"https://{site.host}/private/film.mp4", "download", creator_profile_id=key)
    job = client.wait(job_id, 60, every=0.3)
    assert job.result is not None
    assert site.seen[-1] == HEADER
    found = client.credentials.show(key)
    assert (found["last_status"], found["last_used_at"] is not None) == ("ok", True)


def test_one_that_is_refused_says_so(client: Client, tls_site: tuple[TlsSite, Path]) -> None:
    site, _ = tls_site
    wrong = client.credentials.create("Wrong", "bearer", [site.host], {"token": "other"})["id"]
    job_id = client.submit(f"https://{site.host}/private/film.mp4", "download", creator_profile_id=wrong)
    until(lambda: client.job(job_id).finished, 60, "the job ends")
    assert client.job(job_id).error == "input_url answered with status 401"
    assert client.credentials.show(wrong)["last_status"] == "input_url answered with status 401"
    client.credentials.delete(wrong)
    with pytest.raises(ApiError, match="no such credential"):
        client.credentials.show(wrong)


def test_a_worker_tries_it(client: Client, key: str, tls_site: tuple[TlsSite, Path]) -> None:
    site, _ = tls_site
    assert client.credentials.test(key, f"https://{site.host}/private/film.mp4") == {
        "ok": True,
        "state": "answered",
        "status": 200,
        "error": "",
    }
    missing = client.credentials.test(key, f"https://{site.host}/private/none.mp4")
    assert (missing["state"], missing["status"]) == ("answered", 404)
    assert client.credentials.show(key)["last_status"] == "404"


def memory_of(pid: int) -> Iterator[bytes]:
    """Yield the writable memory of a process."""
    with Path(f"/proc/{pid}/maps").open() as maps, Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in maps:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if found and "[v" not in line:
                start, end = (int(part, 16) for part in found.groups())
                memory.seek(start)
                try:
                    yield memory.read(end - start)
                except OSError:
                    continue


def test_the_secret_is_nowhere_else(client: Client, key: str, real_system: System) -> None:
    """Not in logs, Redis, records, answers; nor in the memory of an API that serves the credential, nor in its environment."""
    stack = real_system.stack
    places: dict[str, str | bytes] = {file.name: file.read_bytes() for file in stack.logs.glob("*.log")}
    assert any(b"credential used" in text for text in places.values() if isinstance(text, bytes))
    redis = real_system.scripts.redis
    redis.execute_command("BGREWRITEAOF")
    for name in redis.scan_iter(count=1000):
        places[f"redis {name}"] = redis.dump(name) or b""
    for file in (stack.home / "redis").rglob("*"):
        if file.is_file():
            places[f"redis file {file.name}"] = file.read_bytes()
    for collection in ("media_jobs", "platform_connections"):
        places[collection] = json.dumps(real_system.admin("GET", f"/items/{collection}?limit=-1"))
    places["answers"] = json.dumps([client.credentials.list(), client.credentials.show(key)])
    stack.processes["api"].stop()  # the process that received the secret; the next one never does
    stack.processes["api"].start()
    client.credentials.list()
    client.credentials.change(key, name="Renamed")
    process = stack.processes["api"].process
    assert process is not None
    places["environment of the API"] = Path(f"/proc/{process.pid}/environ").read_bytes()
    for number, part in enumerate(memory_of(process.pid)):
        places[f"memory of the API {number}"] = part
    found = [name for name, text in places.items() if SECRET.encode() in (text if isinstance(text, bytes) else text.encode())]
    assert found == []
    worker = real_system.extra[-1].process
    assert worker is not None
    assert re.search(r"^Max core file size +0 +0 ", Path(f"/proc/{worker.pid}/limits").read_text(), re.MULTILINE)
    keys = (accounts.CREDENTIALS_PRIVATE_KEY.encode(), accounts.CREDENTIALS_KEY.encode())
    assert not [name for name, text in places.items() if name.startswith("environment") and any(one in text for one in keys)]  # type: ignore[operator]


def test_all_credentials_are_sealed_anew_with_a_new_key(client: Client, key: str, real_system: System) -> None:
    public, private = make_keypair()
    environment = {**os.environ, **real_system.stack.environment, "CREDENTIALS_PUBLIC_KEY": public}
    environment["CREDENTIALS_PRIVATE_KEYS"] = f"{private},{accounts.CREDENTIALS_PRIVATE_KEY}"

    def rotate(**changes: str) -> Any:
        command = [sys.executable, "-m", "workers.network.credentials", "rotate"]
        return subprocess.run(command, cwd=ROOT, env={**environment, **changes}, capture_output=True, text=True, check=False)

    before = real_system.admin("GET", f"/items/platform_connections/{key}")["credentials"]
    done = rotate()
    assert (done.returncode, re.sub(r"^[1-9]\d*", "n", done.stdout)) == (0, "n rotated, 0 current, 0 failed\n"), done.stderr
    assert real_system.admin("GET", f"/items/platform_connections/{key}")["credentials"] != before
    again = rotate()
    assert re.match(r"0 rotated, [1-9]\d* current, 0 failed", again.stdout)
    other_public, other_private = make_keypair()
    wrong = rotate(CREDENTIALS_PRIVATE_KEYS=other_private)
    assert (wrong.returncode, "must fit CREDENTIALS_PUBLIC_KEY" in wrong.stderr) == (2, True)
    lost = rotate(CREDENTIALS_PUBLIC_KEY=other_public, CREDENTIALS_PRIVATE_KEYS=other_private)
    assert lost.returncode == 1
    assert f"{key}: The credential was sealed with a key that this worker does not have: store its secret again" in lost.stderr
    assert SECRET not in done.stdout + done.stderr + lost.stderr
    environment |= {"CREDENTIALS_PUBLIC_KEY": accounts.CREDENTIALS_PUBLIC_KEY}
    back = rotate(CREDENTIALS_PRIVATE_KEYS=f"{accounts.CREDENTIALS_PRIVATE_KEY},{private}")
    assert back.returncode == 0


def test_by_the_command(real_system: System, tls_site: tuple[TlsSite, Path], client: Client, tmp_path: Path) -> None:
    stack = real_system.stack
    environment = {**os.environ, "MEDIAQ_API": f"{stack.url('api')}/api/queue", "MEDIAQ_DIRECTUS": stack.url("directus")}
    environment["MEDIAQ_TOKEN"] = real_system.token

    def run(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        command = [Path(sys.prefix) / "bin" / "mediaq", "credentials", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, input=given, capture_output=True, text=True, timeout=60, check=False
        )

    added = run("add", "Mine", "--kind", "bearer", "--host", tls_site[0].host, "--from-stdin", given=f"{SECRET}\n")
    assert added.returncode == 0, added.stderr
    made = added.stdout.strip()
    assert made in run("list").stdout
    url = f"https://{tls_site[0].host}/private/film.mp4"
    assert run("test", made, url).stdout == "answered with status 200\n"
    assert run("rename", made, "Other").returncode == 0
    assert run("replace", made, "--from-stdin", given="new\n").returncode == 0
    assert run("test", made, url).stdout == "answered with status 401\n"
    assert "Other" in run("list", "--json").stdout
    assert run("delete", made).returncode == 0
    assert "no such credential" in run("delete", made).stderr
    wrong = run("add", "Mine", "--kind", "basic", "--host", "a.example", "--from-stdin", given="not json")
    assert (wrong.returncode, SECRET not in wrong.stderr) == (2, True)
