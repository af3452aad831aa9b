"""Runs one of our modules in the sandbox, for libraries that parse untrusted media in process."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from workers.sandbox import sandbox

if TYPE_CHECKING:
    from collections.abc import Callable


HOME = str(Path(__file__).parents[2])


def run(
    module: str,
    arguments: list[str],
    *,
    folder: Path,
    limits: sandbox.Limits,
    on_line: Callable[[str], None],
    check: Callable[[], None],
) -> sandbox.Finished:
    """Run `main()` of `module` with `arguments`, as `sandbox.run` runs a command."""
    # -I: the job's folder is hostile and must not be on the module path. -S: the path is known.
    places = [HOME, *(one for one in sys.path if one)]
    code = f"import sys; sys.path[:0] = {places!r}; from {module} import main; main()"
    command = [sys.executable, "-ISB", "-c", code, *arguments]
    return sandbox.run(command, folder=folder, limits=limits, on_line=on_line, check=check)
