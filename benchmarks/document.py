"""The tables, for the terminal and for docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from benchmarks import older_systems
from benchmarks.fleets import ROOT
from benchmarks.model import HEAD, Rate, Row

PAGE = ROOT / "docs" / "benchmarks.md"
_INTRODUCTION = """\
# Benchmarks

Written by `make bench` on {date}; do not edit. To measure again: `make bench`. To try one row or a tenth of the
sizes, which writes nothing here: `make bench ARGS="--quick"`, `make bench ARGS="--only look"`.

A peer is the least that any program would have to do for the same answer: a bare loop in the same interpreter
(`python3 -I -S`, no package installed). Both are whole processes, from start to end, run in turns; the median of
{runs} runs counts ({short_runs} for `--help`). Only the ratio is judged: seconds are those of this machine.
"""

_HOW = """\
Mending is measured on equal shares of hot journals, cold journals and WALs left by killed Telethon writers, a fresh
fleet for each run, the state folder on the same file system. The loop beside it copies and opens; the tool also proves
that nobody has the file, reads it before, checks its integrity and its login after, and keeps a history.
A backup is judged beside the bare calls with an integrity check, because every backup is verified: on a large session
the check alone costs more than the copy, so the bare call without it (shown beside) is out of reach.
`files prune` commits with `synchronous=EXTRA`, and the loop beside it does not: VACUUM cuts the file after it has
removed its journal, and a power loss in between would damage the session (proof.md). With that, the check and
Python's start the row of one session lies at its limit: 1.18 to 1.53 times from run to run. Salvage is a rate of this
machine: 15 to 34 MB/s were seen. A running client is 29 to 36 KB above a bare one (its tasks, leases, what it waits
to save): 1.17 to 1.21 times.
Clients are started all at once, without a stagger, on sessions that have run before, against one server in a process
of its own that serves both sides; the time is from the first client to the last start, imports left out. These
two rows lie at their limits and move with the machine: 1.9 to 2.1 times on the disk, 2.4 to 2.9 in memory, with the
same code.
Completions are measured with the real SDK against a scripted provider on loopback, which answers at once: its call
takes 1.6 to 5 ms there, so a share of it is more than it would be of a real one. The trace `shop-fleet-day`
(`benchmarks/completions/trace.py`) is 40 bots over a quarter of an hour: looking up what repeats eleven times a TTL,
small talk, and chat with its history, which never repeats and saves no call. It is replayed sixty times as fast, at a
provider that allows twelve requests in each (scaled) minute; the peers' own waits between tries are not scaled, in
their favour. LiteLLM runs in an environment of its own. A miss costs 150 to 270 µs more than the bare SDK's call: 1.03
to 1.06 times, at the limit. The stall is 9 to 11 ms but for a full pass of Python's garbage collector, which takes 50
to 90 ms with all that the SDK has loaded, holds any loop up, and falls into the time that is watched or does not.
Looking is measured in memory. Where other work shares the machine, the fastest runs tell more than the median.
"""


def page(
    rows: Sequence[Row],
    rates: Mapping[str, Rate],
    said: Mapping[str, str],
    *,
    machine: Mapping[str, str],
    runs: tuple[int, int],
    now: datetime,
) -> str:
    """The whole of docs/benchmarks.md."""
    introduction = _INTRODUCTION.format(date=f"{now:%Y-%m-%d}", runs=runs[0], short_runs=runs[1])
    return "\n".join(
        [
            introduction,
            "## Beside the figures of the older systems",
            "",
            table(older_systems.HEAD, older_systems.stated_figures(rates, said)),
            "",
            "## Beside a bare loop",
            "",
            table(HEAD, (row.cells() for row in rows)),
            "",
            _HOW,
            "",
            "## Machine",
            "",
            table(("what", "which"), machine.items()),
            "",
        ]
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, padded so that it reads in a terminal too."""
    cells = [head, *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in cells]
    padded.insert(1, ["-" * width for width in widths])
    return "\n".join(f"| {' | '.join(row)} |" for row in padded)


def line(row: Row) -> str:
    """One row as it is told on the terminal the moment it is measured."""
    name, ours, peer, measured, limit, verdict, note = row.cells()
    return f"{verdict:<6}  {name:<56}  {ours:>8} / {peer:>8}  {measured:>8}  {limit:<8}  {note}"
