"""A Telethon writer killed at any call that changes a file: what each remedy then makes of its files."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.crash.judge import Judgement
from tests.crash.laboratory import SEED, Laboratory, State, all_points, sample, state_of
from tests.crash.proof import render_table
from tests.crash.remedies import Remedy, sidecars_of
from tests.crash.victims import Profile
from tests.killing import REPOSITORY, plain_environment

STATES = 500
SPARED = {0, 3}  # 3: a login killed before its version row cannot be mended by anybody, and is named
HEAD = ["remedy", "profile", "mode", "states", "damaged", "integrity fails", "torn", "key unreadable", "commits lost"]
HEAD += ["sidecars left", "Telethon cannot open"]


@dataclass(frozen=True)
class Crashed:
    """Many crash states in one folder, untouched since."""

    folder: Path
    states: list[State]


@pytest.fixture(scope="module")
def crashed(laboratory: Laboratory) -> Crashed:
    """500 sampled crash states, or every one in full scale."""
    cells = all_points(laboratory)
    points = [point for cell in cells for point in cell] if laboratory.full else sample(cells, STATES)
    folder = laboratory.folder("crashed")
    return Crashed(folder, laboratory.crash(folder, points))


def healed(laboratory: Laboratory, crashed: Crashed, remedy: Remedy) -> tuple[Path, int, list[Judgement]]:
    """The remedy on a copy of all states: the folder, the exit code, and every file judged."""
    folder = laboratory.copies(crashed.folder, remedy.name.lower())
    code = laboratory.heal(remedy, folder)
    return folder, code, [state.judge(folder) for state in crashed.states]


def table_of(remedy: Remedy, crashed: Crashed, judged: list[Judgement]) -> str:
    """One line per profile and journal mode, and one for all."""
    cells: dict[tuple[str, str], list[Judgement]] = {}
    for state, judgement in zip(crashed.states, judged, strict=True):
        cells.setdefault((state.point.profile, state.point.victim.mode), []).append(judgement)
    rows = [[remedy.name.lower(), *cell, *_counts(found)] for cell, found in cells.items()]
    return render_table(HEAD, [*rows, [remedy.name.lower(), "all", "all", *_counts(judged)]])


def _counts(judged: list[Judgement]) -> list[int]:
    return [
        len(judged),
        sum(found.damaged for found in judged),
        sum(found.integrity_fails for found in judged),
        sum(found.torn for found in judged),
        sum(found.key_unreadable for found in judged),
        sum(found.commits_lost for found in judged),
        sum(bool(found.sidecars) for found in judged),
        sum(not found.telethon_opens for found in judged),
    ]


def failures(crashed: Crashed, judged: list[Judgement]) -> list[str]:
    """Each damaged state, so that it can be made again."""
    pairs = zip(crashed.states, judged, strict=True)
    return [f"seed {SEED}: {state} {found}" for state, found in pairs if found.damaged]


Publish = Callable[[str, str], None]


@pytest.mark.timeout(1800)
def test_deleting_the_sidecars_damages_files_so_the_judge_can_fail(
    laboratory: Laboratory, crashed: Crashed, publish: Publish
) -> None:
    """The folk remedy, on copies of the same states, destroys many of them, some silently."""
    _, _, judged = healed(laboratory, crashed, Remedy.NAIVE)
    publish("Killed writer, then sidecars deleted", table_of(Remedy.NAIVE, crashed, judged))

    assert sum(found.damaged for found in judged) > len(judged) // 4
    assert any(found.integrity_fails for found in judged)
    assert any(found.torn for found in judged)


@pytest.mark.timeout(1800)
def test_letting_sqlite_recover_damages_nothing_but_leaves_sidecars(
    laboratory: Laboratory, crashed: Crashed, publish: Publish
) -> None:
    """The peer that the tool is measured against: plain open."""
    _, _, judged = healed(laboratory, crashed, Remedy.PLAIN_OPEN)
    publish("Killed writer, then plain open", table_of(Remedy.PLAIN_OPEN, crashed, judged))

    assert failures(crashed, judged) == []
    assert any(found.sidecars for found in judged)


@pytest.mark.timeout(1800)
def test_the_tool_mends_every_crash_state_and_leaves_no_sidecar(
    laboratory: Laboratory, crashed: Crashed, publish: Publish
) -> None:
    """One run over all states: nothing damaged, no acknowledged commit lost, no sidecar left."""
    folder, code, judged = healed(laboratory, crashed, Remedy.TOOL)
    publish("Killed writer, then the tool", table_of(Remedy.TOOL, crashed, judged))

    assert failures(crashed, judged) == []
    assert [path.name for state in crashed.states for path in sidecars_of(folder / state.name)] == []
    assert code in SPARED
    cannot_open = [state for state, found in zip(crashed.states, judged, strict=True) if not found.telethon_opens]
    assert [state for state in cannot_open if state.point.victim.profile is not Profile.FRESH] == []


@pytest.mark.timeout(1800)
def test_the_tool_opens_no_fewer_files_for_telethon_than_plain_open(laboratory: Laboratory, crashed: Crashed) -> None:
    """A first login killed before its version row stays half-created under both, and loses no login."""
    _, _, plain = healed(laboratory, crashed, Remedy.PLAIN_OPEN)

    _, _, judged = healed(laboratory, crashed, Remedy.TOOL)

    assert [found.telethon_opens for found in judged] == [found.telethon_opens for found in plain]
    half_created = [state for state, found in zip(crashed.states, judged, strict=True) if found.half_created]
    assert [state for state in half_created if state.acknowledged] == []


@pytest.mark.timeout(1800)
def test_a_second_run_of_the_tool_changes_no_byte(laboratory: Laboratory, crashed: Crashed) -> None:
    """Mending is idempotent: what one run left, the next leaves alone."""
    folder = laboratory.copies(crashed.folder, "twice")
    laboratory.heal(Remedy.TOOL, folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    laboratory.heal(Remedy.TOOL, folder)

    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.timeout(1800)
def test_a_kill_followed_at_once_by_the_tool_damages_nothing(laboratory: Laboratory) -> None:
    """The tool starts while the killed writer's files are a moment old, as a supervisor would run it."""
    points = sample(all_points(laboratory), 400 if laboratory.full else 42)

    for number, point in enumerate(points):
        folder = laboratory.folder(f"at-once-{number}")
        (state,) = laboratory.crash(folder, [point])
        code = laboratory.heal(Remedy.TOOL, folder)
        found = state.judge(folder)

        assert not found.damaged, f"seed {SEED}: {state} {found}"
        assert not found.sidecars, f"seed {SEED}: {state} {found}, exit code {code}, state in {state_of(folder)}"


def test_the_script_as_a_process_mends_like_the_command(laboratory: Laboratory) -> None:
    """cleanup_sessions.py, started as an operator starts it, on a few of the states."""
    folder = laboratory.folder("script")
    states = laboratory.crash(folder, sample(all_points(laboratory), 14))
    environment = {**plain_environment(), "GAVAT_STATE": str(state_of(folder))}
    command = [sys.executable, str(REPOSITORY / "cleanup_sessions.py"), str(folder)]

    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    judged = [state.judge(folder) for state in states]
    assert finished.returncode in SPARED, finished.stderr
    assert [found for found in judged if found.damaged or found.sidecars] == []
