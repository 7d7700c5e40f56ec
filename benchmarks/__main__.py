"""`python -m benchmarks`: measure, print, and write docs/benchmarks.md after a full run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks.bench import QUICK, Bench, Sizes, open_bench
from benchmarks.document import PAGE, line, page
from benchmarks.machine import facts
from benchmarks.model import Row
from benchmarks.rows import MEASUREMENTS
from utils.clock import utc_now


def main(words: Sequence[str] | None = None) -> int:
    """Measure and return the exit code: 1 when a limit was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="a tenth of the sizes, for trying; writes nothing")
    parser.add_argument(
        "--only",
        action="append",
        choices=MEASUREMENTS,
        metavar="NAME",
        help=f"only {', '.join(MEASUREMENTS)}; writes nothing",
    )
    arguments = parser.parse_args(words)
    sizes = QUICK if arguments.quick else Sizes()
    with open_bench(sizes) as bench:
        machine = facts(bench.memory, bench.disk)
        rows = _measure(bench, arguments.only or tuple(MEASUREMENTS))
        rates = bench.rates
    if not arguments.quick and not arguments.only:
        text = page(rows, rates, bench.said, machine=machine, runs=(sizes.runs, sizes.short_runs), now=utc_now())
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(text, encoding="utf-8")
        print(f"written to {PAGE.parent.name}/{PAGE.name}")
    missed = [row.name for row in rows if not row.ok]
    print(f"{len(missed)} of {len(rows)} limits missed" if missed else "no limit missed")
    return 1 if missed else 0


def _measure(bench: Bench, names: Sequence[str]) -> list[Row]:
    rows = []
    for name in names:
        for row in MEASUREMENTS[name](bench):
            print(line(row), flush=True)
            rows.append(row)
    return rows


if __name__ == "__main__":
    sys.exit(main())
