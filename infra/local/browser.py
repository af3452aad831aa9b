"""Headless Chromium, from an npm package: for the dashboard's tests, benchmarks and screenshots."""

from __future__ import annotations

import os
import tarfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.local import node
from infra.local.cache import digest, once

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

PACKAGE = Path(__file__).parent / "chromium"
UNPACK = """
const fs = require('fs'), zlib = require('zlib');
for (const [from, to] of [['chromium.br', 'chromium'], ['al2023.tar.br', 'libraries.tar'], ['fonts.tar.br', 'fonts.tar'],
                          ['swiftshader.tar.br', 'swiftshader.tar']])
  fs.writeFileSync(to, zlib.brotliDecompressSync(fs.readFileSync('node_modules/@sparticuz/chromium/bin/' + from)));
"""
FONTS = '<fontconfig><dir prefix="relative">fonts</dir><cachedir prefix="xdg">fontconfig</cachedir></fontconfig>'
"""Only its own fonts, so that screenshots are the same on every machine."""
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-first-run")
"""It loads only our own page, and its sandbox needs rights that a container lacks."""


def install() -> Path:
    """Install the locked package and return its folder.

    Raises:
        StartFailed: Node or the registry failed; the message has their output.
    """
    return once(f"chromium-{digest([*PACKAGE.iterdir(), Path(__file__)], node.version())}", _install)


@contextmanager
def launch() -> Iterator[Browser]:
    """Start Chromium with Playwright."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - development only

    home = install()
    environment: dict[str, Any] = {
        **os.environ,
        "LD_LIBRARY_PATH": str(home / "lib"),
        "FONTCONFIG_FILE": str(home / "fonts.conf"),
    }
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=home / "chromium", args=[*ARGUMENTS], env=environment)
        try:
            yield browser
        finally:
            browser.close()


def _install(folder: Path) -> None:
    node.install(PACKAGE, folder)
    node.run([str(node.node()), "-e", UNPACK], folder)
    (folder / "chromium").chmod(0o755)
    for name in ("libraries", "fonts", "swiftshader"):
        with tarfile.open(folder / f"{name}.tar") as packed:
            packed.extractall(folder, filter="data")
        (folder / f"{name}.tar").unlink()
    (folder / "fonts.conf").write_text(FONTS)
