"""`python -m bench.soak`: run very many jobs that do nothing, and print what was seen. Exit code 1: some did not end once."""

from __future__ import annotations

import argparse
import json
import sys

from bench.soak.soak import Stalled, soak
from infra.local.processes import ROOT


def main() -> int:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--jobs", type=int, default=50_000, help="how many (50000)")
    parser.add_argument("--seconds", type=float, default=0.0, help="how long each takes (0)")
    options = parser.parse_args()
    try:
        figures = soak(options.jobs, options.seconds)
    except Stalled as error:
        sys.stderr.write(f"soak: {error}\n")
        return 1
    for name, values in figures.items():
        for inner, value in values.items():
            sys.stdout.write(f"{f'{name} {inner}':60} {value:>12,}\n")
    target = ROOT / ".local" / f"soak-{options.jobs}.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
