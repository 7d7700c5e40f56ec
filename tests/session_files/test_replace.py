"""One session takes the place of another, which moves to quarantine whole; nobody ever meets a missing file."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import PlanOutdated, SessionFileBusy, UndoRefused
from core.session_files import sample_fleet
from core.session_files.looking.listing import find_family
from core.session_files.mending import replace as replacing
from core.session_files.mending.replace import (
    beside,
    put_in_quarantine,
    quarantine_folder,
    replace,
    return_from_quarantine,
)
from core.session_files.model import RepairAction, SessionFamily
from core.session_files.undoing.replaced import bring_back_replaced
from core.state import Change, ChangeStatus, RunHistory, StateFolder
from tests.tool import Tool


@pytest.fixture
def family(tmp_path: Path) -> SessionFamily:
    """A session with a hot journal in a private folder."""
    tmp_path.chmod(0o700)
    sample_fleet.crash_in_large_transaction(str(tmp_path / "a"))
    return find_family(str(tmp_path / "a.session"))


def _new(family: SessionFamily) -> str:
    Path(beside(family)).write_bytes(b"the new one")
    return beside(family)


def _contents(folder: Path) -> dict[str, bytes]:
    ours = (".lock", ".replaced-by")
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix not in ours)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_the_old_family_moves_under_its_names_and_comes_back(family: SessionFamily, tmp_path: Path) -> None:
    before = _contents(tmp_path)
    quarantine = quarantine_folder(family, "run")

    replace(family, _new(family), quarantine)

    assert _contents(tmp_path) == {
        "a.session": b"the new one",
        **{f"quarantine/run/{name}": data for name, data in before.items()},
    }
    assert (tmp_path / "a.session").stat().st_mode & 0o777 == 0o600
    assert return_from_quarantine(family.target, quarantine) == 2
    assert _contents(tmp_path) == before


def test_a_family_without_a_main_file_gives_way_too(family: SessionFamily, tmp_path: Path) -> None:
    """Restoring a session whose file was deleted: its old journal must not meet the new file."""
    os.unlink(family.target)
    orphan = find_family(family.path)

    replace(orphan, _new(orphan), quarantine_folder(orphan, "run"))

    assert sorted(_contents(tmp_path)) == ["a.session", "quarantine/run/a.session-journal"]


def test_a_held_session_is_not_replaced(family: SessionFamily, tmp_path: Path) -> None:
    before = _contents(tmp_path)

    with open(family.target, "rb"), pytest.raises(SessionFileBusy):
        replace(family, _new(family), quarantine_folder(family, "run"))

    assert _contents(tmp_path) == before


def test_a_family_that_changed_is_not_replaced(family: SessionFamily, tmp_path: Path) -> None:
    with open(family.target, "ab") as file:
        file.write(b"more")
    before = _contents(tmp_path)

    with pytest.raises(PlanOutdated):
        replace(family, _new(family), quarantine_folder(family, "run"))

    assert _contents(tmp_path) == before


def test_whoever_opens_it_in_that_moment_gets_the_old_file(
    family: SessionFamily, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The opener waits for our lease; it is noticed, all is put back, and it opens the file it meant."""
    before = _contents(tmp_path)
    inode = os.stat(family.target).st_ino
    opener = multiprocessing.get_context("fork").Pool(1)
    opened = []
    make_folders = replacing._make_folders

    def open_meanwhile(quarantine: str, parent: str) -> None:
        opened.append(opener.apply_async(_inode_of_opened, (family.target,)))
        time.sleep(0.3)
        make_folders(quarantine, parent)

    monkeypatch.setattr(replacing, "_make_folders", open_meanwhile)

    with pytest.raises(SessionFileBusy, match="in this very moment"):
        replace(family, _new(family), quarantine_folder(family, "run"))

    assert opened[0].get(timeout=30) == inode
    opener.terminate()
    assert _contents(tmp_path) == before


def _inode_of_opened(path: str) -> int:
    with open(path, "r+b") as file:
        return os.fstat(file.fileno()).st_ino


@pytest.mark.parametrize("step", ["link", "rename", "sync_folder"])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_kill_at_any_step_leaves_a_file_in_place_and_the_old_family_whole(
    family: SessionFamily, tmp_path: Path, step: str, count: int
) -> None:
    """What a killed run leaves is brought back by undo, which moves everything to its old place."""
    before = _contents(tmp_path)
    quarantine = quarantine_folder(family, "run")
    new = _new(family)
    pid = os.fork()
    if pid == 0:
        _kill_at(step, count)
        replace(family, new, quarantine)
        os._exit(0)
    os.waitpid(pid, 0)

    assert (tmp_path / "a.session").exists()
    for path in (Path(quarantine), Path(quarantine).parent):
        path.mkdir(exist_ok=True)
    return_from_quarantine(family.target, quarantine)
    Path(new).unlink(missing_ok=True)
    assert _contents(tmp_path) == before
    shutil.rmtree(tmp_path)


def _kill_at(step: str, count: int) -> None:
    owner = replacing if step == "sync_folder" else os
    real = getattr(owner, step)
    calls = []

    def killing(*arguments: object) -> object:
        calls.append(step)
        if len(calls) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments)

    setattr(owner, step, killing)


def test_quarantine_without_a_replacement_is_undone_too(family: SessionFamily, tmp_path: Path) -> None:
    before = _contents(tmp_path)
    quarantine = quarantine_folder(family, "run")

    put_in_quarantine(family, quarantine)

    assert _contents(tmp_path) == {f"quarantine/run/{name}": data for name, data in before.items()}
    assert return_from_quarantine(family.target, quarantine) == 2
    assert _contents(tmp_path) == before


def _killed(step: str, count: int, work: Callable[[], object]) -> None:
    """Do the work in a child that is killed at the count-th call of a step."""
    pid = os.fork()
    if pid == 0:
        _kill_at(step, count)
        work()
        os._exit(0)
    os.waitpid(pid, 0)


def _change(family: SessionFamily, quarantine: str, *, after: str | None = None) -> Change:
    return Change(
        "run", 1, family.path, "", RepairAction.RESTORE.value, None, 0o600, quarantine, ChangeStatus.STARTED, "", after
    )


def test_old_sidecars_do_not_return_to_a_session_that_was_used_after_the_kill(
    family: SessionFamily, tmp_path: Path
) -> None:
    """The journal was moved, the swap never came; a bot started meanwhile and wrote: its commits stay."""
    quarantine = quarantine_folder(family, "run")
    new = _new(family)
    _killed("rename", 2, lambda: replace(family, new, quarantine))  # the journal's, then the swap
    assert not (tmp_path / "a.session-journal").exists()
    with open(family.target, "ab") as bot:
        bot.write(b"commits of a bot")
    used = Path(family.target).read_bytes()

    with pytest.raises(UndoRefused, match="it was used since"):
        bring_back_replaced(_change(family, quarantine), "undo")

    assert Path(family.target).read_bytes() == used
    assert not (tmp_path / "a.session-journal").exists()


def test_an_undo_that_was_killed_between_file_and_sidecar_is_finished(family: SessionFamily, tmp_path: Path) -> None:
    """The old file is back and its journal not yet: the next undo knows the file again and brings the journal."""
    before = _contents(tmp_path)
    quarantine = quarantine_folder(family, "run")
    left = replace(family, _new(family), quarantine)
    change = _change(family, quarantine, after=left)
    _killed("rename", 2, lambda: bring_back_replaced(change, "undo"))
    assert not (tmp_path / "a.session-journal").exists()

    assert bring_back_replaced(change, "undo") == "back in its place"

    assert {name: data for name, data in _contents(tmp_path).items() if "/" not in name} == before


def test_what_a_killed_run_moved_is_named_by_the_next_run(tmp_path: Path) -> None:
    """Until it is brought back, its journal is in quarantine: exit 3 and the undo that helps."""
    sessions = tmp_path / "sessions"
    sessions.mkdir(mode=0o700)
    sample_fleet.crash_in_large_transaction(str(sessions / "a"))
    family = find_family(str(sessions / "a.session"))
    tool = Tool(tmp_path / "state")
    tool.cleanup("files", sessions / "nothing")
    tool.files("-q", tmp_path)
    quarantine = quarantine_folder(family, "20260101-000000-0001")
    with RunHistory.open(StateFolder(str(tool.state))) as history:
        history.record([_change(family, quarantine)._replace(run_id="20260101-000000-0001")])
    new = _new(family)
    _killed("rename", 2, lambda: replace(family, new, quarantine))

    done = tool.cleanup(sessions)

    assert done.returncode == 3
    assert "run 20260101-000000-0001 was killed while it moved this session" in done.stderr
    assert "undo 20260101-000000-0001" in done.stderr
