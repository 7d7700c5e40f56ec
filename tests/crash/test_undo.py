"""Undo gives back what a run found; like the run it loses nothing when it is killed or when a bot starts meanwhile."""

import shutil
import signal
from collections.abc import Callable
from random import Random

import pytest

from tests.crash.bench import Bench, differing, set_up, unmended
from tests.crash.families import Fleet, Writer, build_fleet, lost_from
from tests.crash.judge import judge
from tests.crash.laboratory import SEED, Laboratory, all_points, sample
from tests.crash.proof import render_table
from tests.crash.victims import transactions
from tests.killing import Job, Manner, Running

Publish = Callable[[str, str], None]
KILLS = 30
GAPS = 24


@pytest.fixture(scope="module")
def fleet(laboratory: Laboratory) -> Fleet:
    """Every kind of family, made once."""
    return build_fleet(laboratory)


@pytest.mark.timeout(1800)
def test_undo_gives_back_every_byte_of_every_crash_state(laboratory: Laboratory) -> None:
    """A run over many crash states, taken back, leaves each file as the run found it."""
    bench = Bench(laboratory, laboratory.folder("undone"))
    bench.folder.mkdir()
    laboratory.crash(bench.folder, sample(all_points(laboratory), 2000 if laboratory.full else 98))
    before = bench.bytes()
    bench.run()

    code = bench.undo().value

    after = bench.bytes()
    assert differing(before, after) == []
    assert code == 0


@pytest.mark.timeout(3600)
def test_an_undo_killed_anywhere_loses_nothing(laboratory: Laboratory, fleet: Fleet, publish: Publish) -> None:
    """At every kill each family is whole, in place or in a copy; a second undo finishes, and a run mends them all."""
    bench = set_up(laboratory, fleet)
    before = bench.bytes()
    bench.run()
    calls = bench.undo().calls
    points = range(1, calls + 1)
    kills = list(points) if laboratory.full else sorted(Random(SEED).sample(points, min(KILLS, calls)))
    lost, not_undone, unfinished, killed = [], [], [], 0

    for kill_at in kills:
        bench = set_up(laboratory, fleet)
        bench.run()
        killed += bench.undo(kill_at=kill_at).killed
        scratch = laboratory.folder("judged")
        lost += [f"kill {kill_at} of {calls}: {what}" for what in lost_from(fleet, bench.folder, bench.state, scratch)]
        bench.undo()
        not_undone += [f"kill {kill_at} of {calls}: {name}" for name in differing(before, bench.bytes())]
        bench.run()
        unfinished += [f"kill {kill_at} of {calls}: {what}" for what in unmended(fleet, bench)]
        shutil.rmtree(bench.root)
        shutil.rmtree(scratch)

    head = [
        "kills",
        "of write-type calls",
        "families",
        "families lost",
        "not finished by a second undo",
        "not mended after",
    ]
    row = [killed, calls, len(kills) * (len(fleet.writers) + 2), len(lost), len(not_undone), len(unfinished)]
    publish("Killed undo", render_table(head, [row]))
    assert lost == []
    assert not_undone == []
    assert unfinished == []
    assert killed >= max(1, len(kills) * 0.95)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("stopped", ["run", "undo"])
def test_a_bot_that_starts_in_any_gap_keeps_its_commits_through_the_undo(
    laboratory: Laboratory, fleet: Fleet, publish: Publish, stopped: str
) -> None:
    """Run or undo stands still at a call, bots commit and stop, it goes on; none of their commits is undone."""
    bench = set_up(laboratory, fleet)
    calls = {"run": bench.run().calls, "undo": bench.undo().calls}[stopped]
    assert calls > 100
    points = range(1, calls + 1)
    stops = list(points) if laboratory.full else sorted(Random(SEED).sample(points, min(GAPS, calls)))
    worse: list[str] = []

    for stop_at in stops:
        bench = set_up(laboratory, fleet)
        if stopped == "undo":
            bench.run()
        working = bench.start(undo=stopped == "undo", kill_at=stop_at, manner=Manner.STOP)
        safe = _start_bots_in_the_gap(bench, fleet, working)
        if stopped == "run":
            bench.undo()
        worse += [f"{stopped} stopped at {stop_at} of {calls}, {bench.root}: {what}" for what in _damaged(bench, safe)]
        if not worse:
            shutil.rmtree(bench.root)

    head = ["stopped", "gaps", "bots started", "bots that lost a commit or their file"]
    row = [stopped, len(stops), len(stops) * len(_bots(fleet)), len(worse)]
    publish(f"Bots starting in a gap, then undo ({stopped} stopped)", render_table(head, [row]))
    assert worse == []


def _bots(fleet: Fleet) -> list[Writer]:
    """The families on which a bot can start: all but the half-created one, which Telethon cannot open."""
    return [writer for writer in fleet.writers if writer.acknowledged]


def _start_bots_in_the_gap(bench: Bench, fleet: Fleet, working: Running) -> dict[Writer, int]:
    """Start a bot on each family while the work stands still; how many commits each was told are safe."""
    working.stops()
    lives = {writer: bench.laboratory.parent.start(_life(bench, writer)) for writer in _bots(fleet)}
    for life in lives.values():
        life.ends_within(0.1)
    working.send_signal(signal.SIGCONT)
    working.wait()
    return {writer: max((writer.acknowledged, *life.wait().acknowledged)) for writer, life in lives.items()}


def _life(bench: Bench, writer: Writer) -> Job:
    last = min(writer.acknowledged + 2, len(transactions(writer.victim)))
    arguments = (bench.folder / writer.name, writer.victim, writer.acknowledged, last, 0.0)
    return Job(target="tests.crash.victims:live", args=arguments)


def _damaged(bench: Bench, safe: dict[Writer, int]) -> list[str]:
    judged = {writer: judge(bench.folder / writer.name, writer.victim, commits) for writer, commits in safe.items()}
    return [f"{writer.name}, {safe[writer]} safe: {found}" for writer, found in judged.items() if found.damaged]
