"""The measurements, by the name that `--only` takes; each gives one row or more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from benchmarks.bench import Bench
from benchmarks.care import backing_up, pruning, salvaging
from benchmarks.clients import starting_in_memory, starting_on_disk
from benchmarks.completions.rows import acquiring, crowding, hitting, missing, replaying
from benchmarks.fleets import check_mended
from benchmarks.measure import BARE, Run, in_turns, ours, peak_megabytes, peer, run
from benchmarks.model import Limit, Rate, Row, seconds_text
from benchmarks.ratio import ratio_row
from benchmarks.telling import telling

Measurement = Callable[[Bench], Iterator[Row]]


def helping(bench: Bench) -> Iterator[Row]:
    """`--help`, against importing argparse and nothing else."""
    asked, floor = in_turns(
        bench.sizes.short_runs,
        lambda: run(ours("--help"), state=bench.state),
        lambda: run([*BARE, "-c", "import argparse"], state=bench.state),
    )
    yield ratio_row("`--help` / `import argparse`", asked, floor, Limit(2.5, "×"))


def looking(bench: Bench) -> Iterator[Row]:
    """`-n` over healthy sessions, against a loop that lists, stats and reads 100 bytes of each."""
    count = bench.sizes.looked_at
    folder = bench.healthy(count)
    looked, loop = in_turns(
        bench.sizes.runs,
        lambda: run(ours("-n", folder), state=bench.state),
        lambda: run(peer("look", folder), state=bench.state),
    )
    bench.rates["look"] = Rate(count, looked.seconds)
    yield ratio_row(f"`-n`, {count:,} healthy / list, stat, read", looked, loop, Limit(3, "×"))


def looking_inside(bench: Bench) -> Iterator[Row]:
    """`-n --deep`, against a loop that opens each session with SQLite."""
    count = bench.sizes.looked_at
    folder = bench.healthy(count)
    looked, loop = in_turns(
        bench.sizes.runs,
        lambda: run(ours("-n", "--deep", folder), state=bench.state),
        lambda: run(peer("look_inside", folder), state=bench.state),
    )
    bench.rates["look inside"] = Rate(count, looked.seconds)
    yield ratio_row(f"`-n --deep`, {count:,} healthy / SQLite", looked, loop, Limit(1, "×", strict=True))


def growing(bench: Bench) -> Iterator[Row]:
    """`-n` over ten times as many sessions."""
    many, few = bench.sizes.looked_at, bench.sizes.looked_at // 10
    large, small = in_turns(
        bench.sizes.runs,
        lambda: run(ours("-n", bench.healthy(many)), state=bench.state),
        lambda: run(ours("-n", bench.healthy(few)), state=bench.state),
    )
    yield ratio_row(f"`-n`, {many:,} / {few:,} sessions", large, small, Limit(11, "×"))


def mending_in_memory(bench: Bench) -> Iterator[Row]:
    """Mending crashed files in memory, where only the work counts."""
    yield _mending(bench, bench.memory, "tmpfs")


def mending_on_disk(bench: Bench) -> Iterator[Row]:
    """Mending crashed files on the disk, where waiting for it counts too."""
    yield _mending(bench, bench.disk, "disk")


def mending_few(bench: Bench) -> Iterator[Row]:
    """Seven crashed files on the disk, the size that an older system states its time for."""
    yield _mending(bench, bench.disk, "disk", count=bench.sizes.few)


def remembering(bench: Bench) -> Iterator[Row]:
    """Peak memory of looking, with a bare interpreter as the floor."""
    count = bench.sizes.looked_at
    folder = bench.healthy(count)
    least = peak_megabytes([*BARE, "-c", "pass"], state=bench.state)
    for flags in (("-n",), ("-n", "--deep"), ("-n", "--json")):
        command = ours(*flags, folder)
        measured = median(peak_megabytes(command, state=bench.state) for _run in range(3))
        name = f"peak memory of `{' '.join(flags)}`, {count:,} sessions / `pass`"
        note = f"{(measured - least) * 1000 / count:.1f} KB a session above the bare interpreter"
        yield Row(name, f"{measured:.1f} MB", f"{least:.1f} MB", measured, Limit(60, " MB"), note)


MEASUREMENTS: dict[str, Measurement] = {
    "help": helping,
    "look": looking,
    "deep": looking_inside,
    "linear": growing,
    "memory": remembering,
    "mend-tmpfs": mending_in_memory,
    "mend-disk": mending_on_disk,
    "mend-few": mending_few,
    "prune": pruning,
    "backup": backing_up,
    "salvage": salvaging,
    "start-tmpfs": starting_in_memory,
    "start-disk": starting_on_disk,
    "telling": telling,
    "gpt-hit": hitting,
    "gpt-miss": missing,
    "gpt-crowd": crowding,
    "gpt-gate": acquiring,
    "gpt-trace": replaying,
}


def _mending(bench: Bench, place: Path, where: str, *, count: int | None = None) -> Row:
    files = bench.sizes.mended if count is None else count
    mended, loop, opened = in_turns(
        bench.sizes.runs,
        lambda: _mend(bench, place, files),
        lambda: _loop(bench, place, files, copies=True),
        lambda: _loop(bench, place, files, copies=False),
    )
    bench.rates[f"mend {files:,} on {where}"] = Rate(files, mended.seconds)
    note = f"{mended.seconds / opened.seconds:.2f}× the plain open ({seconds_text(opened.seconds)})"
    # The limit is for a real disk, where both wait; in memory an fsync is free and only the proofs are counted.
    limit = Limit(1.5, "×") if count is None and place == bench.disk else None
    return ratio_row(f"mending {files:,} crashed, {where} / copy, fsync, open", mended, loop, limit, note)


def _mend(bench: Bench, place: Path, files: int) -> Run:
    with bench.crashed(place, files) as (folder, state):
        done = run(ours(folder), state=state)
        if f"Mended {files:,} of {files:,}" not in done.output:
            raise RuntimeError(f"not all of {files} were mended: {done.output[-2000:]}")
        check_mended(folder)
        return done


def _loop(bench: Bench, place: Path, files: int, *, copies: bool) -> Run:
    with bench.crashed(place, files) as (folder, written):
        return run(peer("mend", folder, *[written] * copies), state=bench.state)
