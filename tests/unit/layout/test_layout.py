"""The layout checks fail when they should."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra import check_layout

ROOT = check_layout.ROOT


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{folder}:{folder / 'client'}"}
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("chalicelib/errors.py", "from chalicelib.settings import POOLS"),
        ("chalicelib/domain/jobs.py", "from chalicelib.usecases import retry"),
        ("workers/sandbox/sandbox.py", "from workers.media import probe"),
        ("chalicelib/usecases/retry.py", "from workers.media import probe"),
        ("client/mediaq/errors.py", "from chalicelib import errors"),
    ],
)
def test_an_import_upward_breaks_a_contract(tmp_path: Path, file: str, line: str) -> None:
    for name in ("chalicelib", "workers", "infra", "client"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / file).open("a") as source:
        source.write(f"\n{line}\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1
    assert "BROKEN" in done.stdout


def test_sizes(tmp_path: Path) -> None:
    room = tmp_path / "workers" / "room"
    room.mkdir(parents=True)
    for number in range(check_layout.FILES_MAX):
        (room / f"{number}.py").write_text("x = 1\n" * check_layout.LINES_MAX)
    (room / "__init__.py").write_text("")
    assert check_layout.problems(tmp_path) == []
    (room / "more.py").write_text("x = 1\n" * (check_layout.LINES_MAX + 1))
    assert check_layout.problems(tmp_path) == [
        "workers/room: 16 source files; a folder has at most 15",
        "workers/room/more.py: 301 lines; a file has at most 300",
    ]
