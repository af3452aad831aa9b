"""`python -m bench [NAME ...]`: measure, print a table, write `.local/bench.json`, draw the charts of docs/figures.md.

A comparison measures both sides alternately in one run and prints the ratio, because machines are noisy.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from bench import charts, cost, growth, idle, ledger, load, looking, overhead, queues, quotes, recovery
from bench.lambdas import cold, secrets
from bench.media import captions, packages, parts, quality, thumbnails
from infra.local.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench import Figures

BENCHES: dict[str, Callable[[], Figures]] = {
    "ledger": ledger.run,
    "growth": growth.run,
    "queues": queues.run,
    "recovery": recovery.run,
    "idle": idle.run,
    "cold": cold.run,
    "secrets": secrets.run,
    "cost": cost.run,
    "thumbnails": thumbnails.run,
    "captions": captions.run,
    "packages": packages.run,
    "quality": quality.run,
    "parts": parts.run,
    "load": load.run,
    "looking": looking.run,
    "overhead": overhead.run,
    "quotes": quotes.run,
}


def main() -> None:
    """Run the named benchmarks, or all."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one or more of {', '.join(BENCHES)} (all)")
    names = parser.parse_args().names or list(BENCHES)
    if unknown := set(names) - BENCHES.keys():
        parser.error(f"{', '.join(sorted(unknown))}: not one of {', '.join(BENCHES)}")
    target = ROOT / ".local" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    figures: Figures = json.loads(target.read_text()) if target.exists() else {}
    for name in names:
        print(f"measuring {name}", flush=True)
        measured = BENCHES[name]()
        _print(measured)
        figures |= measured
        target.write_text(json.dumps(figures, indent=2) + "\n")
    print(f"drawn {', '.join(charts.draw_all(figures)) or 'no chart'}", flush=True)


def _print(figures: Figures) -> None:
    for name, value in figures.items():
        for inner, figure in value.items() if isinstance(value, dict) else [("", value)]:
            print(f"{f'{name} {inner}':48} {figure:>12,}", flush=True)


if __name__ == "__main__":
    main()
