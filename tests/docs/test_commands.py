"""Runs every command in the documents like a reader: page by page, each in one shell, in a copy of the project's folder.

`make demo`, `up` and `down` run; other targets of make are only looked up, because the tests cannot run themselves. Commands that
need an AWS account are parsed, and our own commands in them are looked up.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from chalicelib.settings import POOLS
from infra.local.processes import ROOT
from tests.docs.pages import COMMANDS, PAGES, Block, blocks, name_of, prose
from tests.integration.test_local import make_project, project, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["project"]
ENQUEUES_AGAIN = ("docs/api/media.md",)
"""Pages whose examples enqueue the same records: no job may end between two of them, so the pools are paused."""
STARTS_ITSELF = ("docs/tutorial.md", "README.md", "CONTRIBUTING.md")
RUNNABLE = {"sh": "{text}", "python": "python - <<'END_OF_EXAMPLE'\n{text}\nEND_OF_EXAMPLE"}
RUNNABLE["js"] = "node --input-type=module - <<'END_OF_EXAMPLE'\n{text}\nEND_OF_EXAMPLE"
PRELUDE = """
set -euo pipefail
make() {{ case $1 in demo|up|down) command make "$@" ;; *) grep -q "^$1:" Makefile ;; esac; }}
pip() {{ [ "$*" = "install ./client" ]; python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir wheels ./client; }}
export PATH={bin}:"$PATH"
{start}
set -x
"""


def shell_blocks(page: Path, *, cloud: bool) -> list[Block]:
    return [block for block in blocks(page) if block.language == "sh" and block.cloud == cloud]


def script_of(page: Path) -> str:
    """The commands of a page in order; in the API reference also the examples in Python and JavaScript."""
    languages = RUNNABLE if name_of(page).startswith("docs/api/") else {"sh": RUNNABLE["sh"]}
    return "\n".join(
        languages[block.language].replace("{text}", block.text)
        for block in blocks(page)
        if block.language in languages and not block.cloud
    )


def prepare(folder: Path) -> None:
    """Add what a clone has, with what `make setup` has made."""
    for name in ("Makefile", ".venv", "requirements", "requirements.txt", "pyproject.toml", "README.md"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "client", folder / "client", ignore=shutil.ignore_patterns("__pycache__", "dist"))


def run_page(page: Path, checkout: Path, start: str) -> None:
    script = PRELUDE.format(bin=ROOT / ".venv" / "bin", start=start) + script_of(page)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MEDIAQ_"))}
    done = subprocess.run(
        ["bash", "-c", script], cwd=checkout, env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, f"{done.stderr[-3000:]}\n{done.stdout[-1000:]}"
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A checkout with a running system, shared by the pages that expect one."""
    for folder in make_project(tmp_path_factory.mktemp("docs")):
        prepare(folder)
        done = run(folder, "up")
        assert done.returncode == 0, done.stderr
        yield folder


@pytest.mark.parametrize("page", [page for page in PAGES if name_of(page) in STARTS_ITSELF], ids=name_of)
def test_the_commands_of_a_page_that_starts_the_system(page: Path, project: Path) -> None:
    prepare(project)
    run_page(page, project, "")


@pytest.mark.parametrize(
    "page", [page for page in PAGES if name_of(page) not in STARTS_ITSELF and shell_blocks(page, cloud=False)], ids=name_of
)
def test_the_commands_of_a_page(page: Path, running: Path) -> None:
    start = [". .local/env"]
    if name_of(page) in ENQUEUES_AGAIN:
        pools = [f"MEDIAQ_TOKEN=$MEDIAQ_ADMIN_TOKEN mediaq admin {{}} {pool}" for pool in POOLS]
        start += [pool.format("pause") for pool in pools]
        start.append(f"trap '{'; '.join(pool.format('resume') for pool in pools)}' EXIT")
    run_page(page, running, "\n".join(start))


@pytest.mark.parametrize("page", [page for page in PAGES if shell_blocks(page, cloud=True)], ids=name_of)
def test_the_commands_that_need_an_account(page: Path) -> None:
    for block in shell_blocks(page, cloud=True):
        text = re.sub(r"<[^>\n]+>", "PLACEHOLDER", block.text)
        subprocess.run(["bash", "-n"], input=text, text=True, check=True)
        for target in re.findall(r"^make (\S+)", text, re.MULTILINE):
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), target
        for command in re.findall(r"python -m infra\.cloud (\S+)", text):
            subprocess.run([sys.executable, "-m", "infra.cloud", command, "--help"], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_command_hides_outside_a_fence(page: Path) -> None:
    """Where this file would not find it."""
    indented = re.findall(r"^ {4,}(\S+) \S.*$", prose(page), re.MULTILINE)
    assert [word for word in indented if word in COMMANDS] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_in_the_documents_compiles(page: Path) -> None:
    for block in blocks(page):
        if block.language == "python":
            compile(block.text, name_of(page), "exec")


def test_the_copy_is_stopped(project: Path) -> None:
    """The fixture's own promise: a page that fails half way leaves nothing running."""
    assert run(project, "down").returncode == 0
