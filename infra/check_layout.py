"""Checks the layout of the repository: `python -m infra.check_layout` is a part of `make lint`.

A folder has at most 15 source files, and a source file at most 300 lines, so that a newcomer can read a folder in one look.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

FILES_MAX = 15
LINES_MAX = 300
SOURCES = (".py", ".lua", ".js", ".css")
ROOTS = ("chalicelib", "workers", "infra", "client", "bench", "tests")
ROOT = Path(__file__).resolve().parents[1]


def problems(root: Path) -> list[str]:
    """Return what is too large, one line each."""
    sources = sorted(
        file.relative_to(root)
        for name in ROOTS
        for file in (root / name).rglob("*")
        if file.suffix in SOURCES and "node_modules" not in file.parts
    )
    folders = Counter(file.parent for file in sources if file.name != "__init__.py")
    found = [
        f"{folder}: {count} source files; a folder has at most {FILES_MAX}"
        for folder, count in sorted(folders.items())
        if count > FILES_MAX
    ]
    for file in sources:
        lines = len((root / file).read_text().splitlines())
        if lines > LINES_MAX:
            found.append(f"{file}: {lines} lines; a file has at most {LINES_MAX}")
    return found


def main() -> int:
    """Print the problems; exit code 1 if there are any."""
    found = problems(ROOT)
    print("\n".join(found), end="\n" if found else "")  # noqa: T201
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
