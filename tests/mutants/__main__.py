"""Mutation tests of the protocol: `make mutants`, or `python -m tests.mutants NAME ...`.

cosmic-ray mutates the Python modules. Lua scripts have no such tool, so `changes.py` lists changes by hand, with some of Python that
no operator makes. Everything runs in a copy of the project. A mutant is killed if a test fails. Exit code 1: there are survivors.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

from infra.local.processes import ROOT
from tests.mutants.changes import CHANGES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORK = ROOT / ".local" / "mutants"
COPIED = ("app.py", "chalicelib", "workers", "infra", "tests", "client", "bench", "docs", "pyproject.toml", "requirements.txt")
COSMIC_RAY = str(ROOT / ".local" / "mutation" / "bin" / "cosmic-ray")
TIMEOUT_SECONDS = 300
PYTEST = (sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not slow")
CONFIG = """
[cosmic-ray]
module-path = "{module}"
timeout = {timeout}
excluded-modules = []
test-command = "{command}"

[cosmic-ray.distributor]
name = "local"

[cosmic-ray.filters.operators-filter]
exclude-operators = ["core/ReplaceBinaryOperator_BitOr_.*"]
"""  # `|` is a union of types in our annotations, which are not evaluated


class Target(NamedTuple):
    """A module, and the tests that must notice its mutants."""

    module: str
    tests: str


JOBS = "tests/contract/jobs/test_"
TARGETS = {
    "ledger": Target("chalicelib/ledger/ledger.py", "tests/unit/ledger"),
    "lease": Target("workers/attempt/lease.py", "tests/unit/attempt/test_lease.py tests/unit/attempt/test_lease_rules.py"),
    "lease_keeper": Target("workers/attempt/lease_keeper.py", "tests/unit/attempt/test_lease_keeper.py"),
    "ticket_keeper": Target("workers/runtime/ticket_keeper.py", "tests/unit/runtime/test_ticket_keeper.py"),
    "claims": Target("workers/runtime/claims.py", "tests/unit/runtime/test_claims.py"),
    "tickets": Target("chalicelib/queues/tickets.py", "tests/unit/runtime/test_tickets.py"),
    "cancel": Target("chalicelib/usecases/cancel.py", f"{JOBS}cancel.py {JOBS}interleaving.py"),
    "runner": Target("workers/runtime/runner.py", f"{JOBS}lambda_handler.py {JOBS}retry_after.py {JOBS}disk_space.py"),
    "attempt": Target("workers/attempt/attempt.py", f"{JOBS}lambda_handler.py {JOBS}retry_after.py {JOBS}interleaving.py"),
}


def main() -> int:
    """Run the named targets, `changes`, or all."""
    names = sys.argv[1:] or [*TARGETS, "changes"]
    if unknown := set(names) - {*TARGETS, "changes"}:
        print(f"mutants: {', '.join(sorted(unknown))}: must be one of {', '.join(TARGETS)}, changes", file=sys.stderr)
        return 2
    survivors = 0
    for name in names:
        killed, alive = _by_hand() if name == "changes" else _by_tool(name, TARGETS[name])
        print(f"{name}: {killed + len(alive)} mutants, {killed} killed, {len(alive)} survived", flush=True)
        print("".join(f"  {line}\n" for line in alive), end="", flush=True)
        survivors += len(alive)
    return 1 if survivors else 0


def _copy(name: str) -> None:
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for one in COPIED:
        source = ROOT / one
        if source.is_dir():
            shutil.copytree(source, folder / one, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / one)


def _by_tool(name: str, target: Target) -> tuple[int, list[str]]:
    _copy(name)
    folder = WORK / name
    command = f"{shlex.join(PYTEST)} {target.tests}"
    (folder / "mutants.toml").write_text(CONFIG.format(module=target.module, timeout=TIMEOUT_SECONDS, command=command))
    for words in (("init", "mutants.toml", "session.sqlite"), ("exec", "mutants.toml", "session.sqlite")):
        subprocess.run([COSMIC_RAY, *words], cwd=folder, check=True)
        if words[0] == "init":
            filtering = COSMIC_RAY.replace("cosmic-ray", "cr-filter-operators")
            subprocess.run([filtering, "session.sqlite", "mutants.toml"], cwd=folder, check=True)
            _one_of_each(folder / "session.sqlite")
    dumped = subprocess.run(
        [COSMIC_RAY, "dump", "session.sqlite"], cwd=folder, check=True, capture_output=True, text=True
    ).stdout
    killed, alive = 0, []
    for item, result in map(json.loads, dumped.splitlines()):
        outcome = (result or {}).get("test_outcome")
        if outcome == "survived":
            [mutation] = item["mutations"]
            line = mutation["start_pos"][0]
            text = (ROOT / target.module).read_text().splitlines()[line - 1].strip()
            alive.append(f"{target.module}:{line} {mutation['operator_name'].removeprefix('core/')}: {text}")
        elif outcome in ("killed", "incompetent"):
            killed += 1
    return killed, alive


def _one_of_each(session: Path) -> None:
    """Keep one mutant of each kind at each place: cosmic-ray replaces every comparison by nine others."""
    with sqlite3.connect(session) as database:
        rows = database.execute(
            "SELECT job_id, operator_name, start_pos_row, start_pos_col FROM mutation_specs ORDER BY operator_name, occurrence"
        ).fetchall()
        seen = set()
        for job_id, operator, row, column in rows:
            place = (operator.removeprefix("core/").split("_")[0], row, column)
            if place in seen:
                for table in ("mutation_specs", "work_results", "work_items"):
                    database.execute(f"DELETE FROM {table} WHERE job_id = ?", (job_id,))
            seen.add(place)


def _by_hand() -> tuple[int, list[str]]:
    _copy("changes")
    folder = WORK / "changes"
    killed, alive = 0, []
    for change in CHANGES:
        file = folder / change.file
        original = file.read_text()
        assert original.count(change.old) == 1, (
            f"{change.breaks}: {change.file} has its text {original.count(change.old)} times"
        )
        file.write_text(original.replace(change.old, change.new))
        done = subprocess.run(
            [*PYTEST, *change.tests.split()], cwd=folder, capture_output=True, timeout=TIMEOUT_SECONDS * 4, check=False
        )
        file.write_text(original)
        if done.returncode == 0:
            alive.append(f"{change.breaks} ({change.file})")
        else:
            killed += 1
            print(f"  killed: {change.breaks}: {_first_failure(done.stdout.decode())}", flush=True)
    return killed, alive


def _first_failure(text: str) -> str:
    return next(_failures(text), "no failed test: see the copy in .local/mutants")


def _failures(text: str) -> Iterator[str]:
    return (line.split(" - ")[0] for line in text.splitlines() if line.startswith(("FAILED", "ERROR")))


if __name__ == "__main__":
    sys.exit(main())
