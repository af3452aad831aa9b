"""`python -m tests.chaos`: inject faults into the whole system for a given time. Exit code 1: an invariant was broken."""

from __future__ import annotations

import argparse
import random
import sys
import time

from infra.local.processes import ROOT
from infra.local.stack import forget
from tests.chaos.faults import FAULTS
from tests.chaos.run import Run, report

ROUND_SECONDS = 300.0


def main() -> int:
    """Run rounds of five minutes, each on a system of its own, until the time is up."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how long (10)")
    parser.add_argument("--seed", type=int, default=0, help="which faults come when; 0 takes one at random and says it")
    several = f"only this one; may be given several times: {', '.join(FAULTS)}"
    parser.add_argument("--fault", action="append", choices=list(FAULTS), metavar="NAME", help=several)
    parser.add_argument("--alone", action="store_true", help="each fault alone, 20 seconds each, instead of all mixed")
    options = parser.parse_args()
    seed = options.seed or random.randrange(1, 10_000)
    broken = 0
    if options.alone:
        plans = [(seed, 20.0, [name]) for name in options.fault or FAULTS]
    else:
        rounds = max(1, round(options.minutes * 60 / ROUND_SECONDS))
        plans = [(seed + number, options.minutes * 60 / rounds, options.fault) for number in range(rounds)]
    for number, (chosen, seconds, names) in enumerate(plans):
        home = ROOT / ".local" / "chaos" / f"{chosen}-{number}"
        forget(home)
        started = time.monotonic()
        sys.stdout.write(f"round {number + 1} of {len(plans)}: {seconds:.0f} s of trouble, and then some until all is quiet\n")
        sys.stdout.flush()
        run = Run(home, chosen, seconds, names)
        wrong = run.perform()
        broken += len(wrong)
        what = f"{names[0]}: " if options.alone and names else ""
        sys.stdout.write(f"{what}{report(run, wrong)} ({time.monotonic() - started:.0f} s)\n")
        sys.stdout.flush()
        if not wrong:
            forget(home)
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
