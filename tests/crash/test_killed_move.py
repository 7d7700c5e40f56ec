"""Handing a fleet over, killed at any call that changes a file: the same command goes on, and undo takes it back."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from core.session_files import sample_fleet
from core.session_files.database.file_format import MOVED_MARK
from core.session_files.moving.pack import read_pack
from tests.crash.chores import Workplace
from tests.crash.laboratory import SEED, Laboratory
from tests.crash.proof import render_table

KILLS = 20
NAMES = ("a.session", "b.session", "c.session")
MOVE = "files move FLEET --to ROOT/fleet.pack"
UNPACK = "files move ROOT/fleet.pack --to ROOT/elsewhere"


@pytest.fixture(scope="module")
def originals(laboratory: Laboratory) -> Path:
    """Three whole sessions."""
    folder = laboratory.folder("originals")
    folder.chmod(0o700)
    for name in NAMES:
        sample_fleet.write_healthy(str(folder / name.removesuffix(".session")))
    return folder


@pytest.fixture
def workplaces(laboratory: Laboratory, originals: Path) -> Iterator[Callable[[], Workplace]]:
    """Makes workplaces with those sessions, and removes the one before."""
    made: list[Workplace] = []

    def make() -> Workplace:
        if made:
            shutil.rmtree(made.pop().root)
        workplace = Workplace(laboratory, laboratory.folder("handed-over"))
        shutil.copytree(originals, workplace.fleet)
        (workplace.root / "elsewhere").mkdir(mode=0o700)
        made.append(workplace)
        return workplace

    yield make
    shutil.rmtree(made.pop().root)


def kills_among(laboratory: Laboratory, calls: int) -> list[int]:
    points = range(1, calls + 1)
    return list(points) if laboratory.full else sorted(Random(SEED).sample(points, min(KILLS, calls)))


def sessions_in(folder: Path) -> dict[str, bytes]:
    """What bears a session's name, and all that a run makes beside one."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.suffix != ".lock"}


@pytest.mark.timeout(3600)
def test_a_killed_move_goes_on_when_the_same_command_runs_again(
    laboratory: Laboratory,
    originals: Path,
    workplaces: Callable[[], Workplace],
    publish: Callable[[str, str], None],
) -> None:
    """Then all are packed and marked, and one undo of one run gives them all back."""
    calls = workplaces().do(MOVE).calls
    assert calls > 100
    killed = 0

    for kill_at in kills_among(laboratory, calls):
        workplace = workplaces()
        killed += workplace.do(MOVE, kill_at=kill_at).killed
        again = workplace.do(MOVE).value
        pack = workplace.root / "fleet.pack"

        where = f"kill {kill_at} of {calls} in {workplace.root}"
        if pack.exists() and again == 2:  # killed after its end was noted: nothing is left to go on with
            assert kill_at >= calls - 10, where
        else:
            assert again == 0, where
        assert {one.name for one in read_pack(str(pack))} == set(NAMES), where
        marked = sessions_in(workplace.fleet)
        assert set(marked) == set(NAMES), where
        assert all(data.startswith(MOVED_MARK) for data in marked.values()), where
        assert [path.name for path in workplace.root.iterdir() if "partial" in path.name] == [], where
        assert workplace.do("files FLEET").value == 0, where
        newest, *older = workplace.open_runs()
        assert workplace.do(f"undo {newest}").value == 0, where
        assert sessions_in(workplace.fleet) == sessions_in(originals), where
        assert [workplace.do(f"undo {run}").value for run in older] == [0] * len(older), where
        assert sessions_in(workplace.fleet) == sessions_in(originals), where

    publish("Killed move, run again", render_table(["kills", "of write-type calls"], [[killed, calls]]))


@pytest.mark.timeout(3600)
def test_a_killed_unpacking_is_taken_back_and_done_again(
    laboratory: Laboratory, originals: Path, workplaces: Callable[[], Workplace]
) -> None:
    """After undo its folder is as it was, no session half-made and no second name; then the pack comes out whole."""
    workplace = workplaces()
    workplace.do(MOVE)
    calls = workplace.do(UNPACK).calls
    assert calls > 50

    for kill_at in kills_among(laboratory, calls):
        workplace = workplaces()
        workplace.do(MOVE)
        (moved,) = workplace.open_runs()
        workplace.do(UNPACK, kill_at=kill_at)
        elsewhere = workplace.root / "elsewhere"
        half_made = any(name.startswith(".gavat-") for name in os.listdir(elsewhere))
        named = set(NAMES) & set(os.listdir(elsewhere))
        again = workplace.do(UNPACK).value

        where = f"kill {kill_at} of {calls} in {workplace.root}"
        assert again == (3 if half_made else 1 if named else 0), where
        for run in workplace.open_runs():
            if run != moved:
                assert workplace.do(f"undo {run}").value == 0, where
        assert sessions_in(elsewhere) == {}, where
        assert workplace.do(UNPACK).value == 0, where
        assert sessions_in(elsewhere) == sessions_in(originals), where
        assert {path.stat().st_nlink for path in elsewhere.glob("*.session")} == {1}, where


@pytest.mark.timeout(3600)
def test_an_undo_of_an_unpacking_killed_anywhere_is_finished_by_the_next(
    laboratory: Laboratory, originals: Path, workplaces: Callable[[], Workplace]
) -> None:
    """Each session is in its place or in quarantine at every moment, and in quarantine at the end."""

    def unpacked() -> tuple[Workplace, str]:
        workplace = workplaces()
        workplace.do(MOVE)
        workplace.do(UNPACK)
        return workplace, workplace.open_runs()[0]

    workplace, run = unpacked()
    calls = workplace.do(f"undo {run}").calls
    assert calls > 20

    for kill_at in kills_among(laboratory, calls):
        workplace, run = unpacked()
        elsewhere = workplace.root / "elsewhere"
        workplace.do(f"undo {run}", kill_at=kill_at)
        found = [path.name for path in elsewhere.rglob("*.session")]
        code = workplace.do(f"undo {run}").value

        where = f"kill {kill_at} of {calls} in {workplace.root}"
        assert sorted(found) == sorted(NAMES), where
        assert code == 0, where
        assert sessions_in(elsewhere) == {}, where
        put_away = {path.name: path.read_bytes() for path in elsewhere.glob("quarantine/*/*.session")}
        assert put_away == sessions_in(originals), where
