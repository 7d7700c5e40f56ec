"""The power goes while a writer writes, or the tool mends: what was not fsynced may be gone, torn or reordered."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import pytest

from tests.crash.bench import Bench, set_up
from tests.crash.disks import Disk, files_after
from tests.crash.families import Fleet, build_fleet, lost_from
from tests.crash.judge import Judgement, judge
from tests.crash.laboratory import SEED, Laboratory
from tests.crash.power_loss import History, Recorder, read_record
from tests.crash.proof import render_table
from tests.crash.remedies import Remedy
from tests.crash.victims import Mode, Profile, Victim

Publish = Callable[[str, str], None]


@dataclass(frozen=True)
class Dark:
    """One family on a disk after the power went."""

    name: str
    victim: Victim
    disk: Disk
    acknowledged: int


@pytest.fixture(scope="module")
def blackout(laboratory: Laboratory) -> tuple[Path, list[Dark]]:
    """Families of recorded writers at seeded moments, under both disks, in one folder."""
    folder = laboratory.folder("blackout")
    states: list[Dark] = []
    each = 300 if laboratory.full else 15
    for victim in (Victim(mode=mode, profile=profile) for profile in Profile for mode in Mode):
        history = record_writer(laboratory, victim)
        random = Random(f"{SEED}/{victim}")
        for disk in Disk:
            for _ in range(each):
                crash_at = random.randint(1, len(history.events))
                acknowledged = max(victim.settled, history.acknowledged(crash_at))
                state = Dark(f"bot-{len(states):05}.session", victim, disk, acknowledged)
                for name, contents in files_after(history, crash_at, disk, random).items():
                    (folder / name.replace("bot.session", state.name)).write_bytes(contents)
                states.append(state)
    return folder, states


def record_writer(laboratory: Laboratory, victim: Victim) -> History:
    """The undisturbed life of a writer, as events on a disk that held only its settled file."""
    folder, before = laboratory.folder("recorded"), laboratory.folder("before")
    path, log = folder / "bot.session", folder.with_suffix(".record")
    for place in (path, before / path.name):
        laboratory.settle(place, victim)
    laboratory.parent.run(replace(laboratory.writer(path, victim), record_to=log))
    return Recorder(before).follow(folder, read_record(log))


def healed(laboratory: Laboratory, blackout: tuple[Path, list[Dark]], remedy: Remedy) -> list[Judgement]:
    """A remedy on copies of all states."""
    folder = laboratory.copies(blackout[0], f"blackout-{remedy.name.lower()}")
    laboratory.heal(remedy, folder)
    return [judge(folder / state.name, state.victim, state.acknowledged) for state in blackout[1]]


def table_of(remedy: Remedy, states: list[Dark], judged: list[Judgement]) -> str:
    """One line per disk."""
    rows = []
    for disk in Disk:
        found = [one for state, one in zip(states, judged, strict=True) if state.disk is disk]
        broken = sum(one.integrity_fails or one.torn for one in found)
        lost = sum(one.commits_lost for one in found)
        keys = sum(one.key_unreadable for one in found)
        left = sum(bool(one.sidecars) for one in found)
        rows.append([remedy.name.lower(), disk, len(found), broken, lost, keys, left])
    head = ["remedy", "disk", "states", "broken or torn", "commits lost", "keys lost", "sidecars left"]
    return render_table(head, rows)


@pytest.mark.timeout(1800)
def test_plain_open_after_a_power_loss_loses_at_most_the_last_commit(
    laboratory: Laboratory, blackout: tuple[Path, list[Dark]], publish: Publish
) -> None:
    """The peer: SQLite's own promise at synchronous=FULL, whose last unlink may not have reached the disk."""
    judged = healed(laboratory, blackout, Remedy.PLAIN_OPEN)
    publish("Power loss, then plain open", table_of(Remedy.PLAIN_OPEN, blackout[1], judged))

    pairs = list(zip(blackout[1], judged, strict=True))
    assert [f"seed {SEED}: {pair}" for pair in pairs if pair[1].integrity_fails or pair[1].torn] == []
    assert [f"seed {SEED}: {pair}" for pair in pairs if pair[1].commits_lost > 1] == []


@pytest.mark.timeout(1800)
def test_deleting_the_sidecars_after_a_power_loss_breaks_files_so_the_judge_can_fail(
    laboratory: Laboratory, blackout: tuple[Path, list[Dark]], publish: Publish
) -> None:
    """The folk remedy breaks more than one state in ten."""
    judged = healed(laboratory, blackout, Remedy.NAIVE)
    publish("Power loss, then sidecars deleted", table_of(Remedy.NAIVE, blackout[1], judged))

    assert sum(found.damaged for found in judged) > len(judged) // 10


@pytest.mark.timeout(1800)
def test_the_tool_after_a_power_loss_is_never_worse_than_plain_open(
    laboratory: Laboratory, blackout: tuple[Path, list[Dark]], publish: Publish
) -> None:
    """State by state: the same commits, the same key, no damage that plain open does not meet, and no sidecar left."""
    plain = healed(laboratory, blackout, Remedy.PLAIN_OPEN)

    judged = healed(laboratory, blackout, Remedy.TOOL)

    publish("Power loss, then the tool", table_of(Remedy.TOOL, blackout[1], judged))
    worse = [
        f"seed {SEED}: {state}\n  plain {before}\n  tool  {after}"
        for state, before, after in zip(blackout[1], plain, judged, strict=True)
        if after.sidecars or replace(after, sidecars=()) != replace(before, sidecars=())
    ]
    assert worse == []


@pytest.fixture(scope="module")
def fleet(laboratory: Laboratory) -> Fleet:
    """Every kind of family, made once."""
    return build_fleet(laboratory)


def record_tool(laboratory: Laboratory, fleet: Fleet, *, undo: bool) -> History:
    """One undisturbed run of the tool on the fleet (or its undo), as events on a disk that held what was before it."""
    bench, before = set_up(laboratory, fleet), laboratory.folder("before")
    if undo:
        bench.run()
    shutil.copytree(bench.root, before, dirs_exist_ok=True)
    log = bench.root.with_suffix(".record")
    bench.start(undo=undo, record_to=log).wait()
    return Recorder(before).follow(bench.root, read_record(log))


def light_again(laboratory: Laboratory, files: dict[str, bytes]) -> Bench:
    """A bench with what the disk held, and a folder for the fleet whatever it held."""
    bench = Bench(laboratory, laboratory.folder("dark"))
    bench.folder.mkdir()
    for name, contents in files.items():
        (bench.root / name).parent.mkdir(parents=True, exist_ok=True)
        (bench.root / name).write_bytes(contents)
    return bench


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("work", ["run", "undo"])
def test_a_power_loss_while_the_tool_works_loses_no_family(
    laboratory: Laboratory, fleet: Fleet, publish: Publish, work: str
) -> None:
    """Under both disks each family is whole, in place or in the state folder, and a new run keeps it so."""
    history, random = record_tool(laboratory, fleet, undo=work == "undo"), Random(SEED)
    states = 1000 if laboratory.full else 50
    lost: dict[Disk, list[str]] = {disk: [] for disk in Disk}

    for number in range(states):
        disk, crash_at = list(Disk)[number % 2], random.randint(1, len(history.events))
        bench = light_again(laboratory, files_after(history, crash_at, disk, random))
        where = f"seed {SEED}, {work}, {disk}, event {crash_at} of {len(history.events)}, {bench.root}"
        lost[disk] += [f"{where}: {what}" for what in _lost(laboratory, fleet, bench)]
        bench.run()
        lost[disk] += [f"{where}, after a new run: {what}" for what in _lost(laboratory, fleet, bench)]
        if not lost[disk]:
            shutil.rmtree(bench.root)

    families = states // 2 * (len(fleet.writers) + 2)
    rows = [[work, disk, states // 2, families, len(lost[disk])] for disk in Disk]
    table = render_table(["work", "disk", "states", "families", "lost"], rows)
    publish(f"Power loss while the tool works ({work})", table)
    assert lost == {disk: [] for disk in Disk}


def _lost(laboratory: Laboratory, fleet: Fleet, bench: Bench) -> list[str]:
    scratch = laboratory.folder("judged")
    found = lost_from(fleet, bench.folder, bench.state, scratch)
    shutil.rmtree(scratch)
    return found
