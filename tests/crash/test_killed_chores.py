"""The other chores killed at any call that changes a file: original or result is whole, and undo takes it back."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from core.session_files import sample_fleet
from core.session_files.database.schema import definition
from core.session_files.moving.pack import read_pack
from core.state import ChangeStatus, RunHistory, StateFolder
from tests.crash.laboratory import SEED, Laboratory
from tests.crash.proof import render_table
from tests.killing import Job, Outcome

KILLS = 12
PLACES = ("fleet", "fleet/quarantine/*", "state/copies/*/*", "state/backups/*/*")
"""Where a session may be whole after a kill; under the pattern lies the family."""


@dataclass(frozen=True)
class Chore:
    """A command, and the session that it works on."""

    words: str
    session: str
    first: str = ""
    """A command that has to come before."""


CHORES = (
    Chore("files prune --keep 5 FLEET/healthy", "healthy"),
    Chore("files repair-schema FLEET/half", "half"),
    Chore("files salvage FLEET/damaged", "damaged"),
    Chore("files --quarantine --deep FLEET", "damaged"),
    Chore("files backup FLEET/healthy", "healthy"),
    Chore("files restore healthy", "healthy", first="files backup FLEET/healthy"),
    Chore("files move FLEET/healthy --to ROOT/one.pack", "healthy"),
)


@dataclass(frozen=True)
class Workplace:
    """A fleet of three sessions and the tool's state below one root."""

    laboratory: Laboratory
    root: Path

    @property
    def fleet(self) -> Path:
        return self.root / "fleet"

    @property
    def state(self) -> Path:
        return self.root / "state"

    def do(self, words: str, *, kill_at: int = 0) -> Outcome:
        """Run a command, or some of it."""
        argv = words.replace("FLEET", str(self.fleet)).replace("ROOT", str(self.root)).split()
        target = "tests.crash.remedies:command"
        log = self.root.with_name(self.root.name + ".log")
        job = Job(target=target, args=(self.state, tuple(argv)), watched=self.root, kill_at=kill_at, output=log)
        return self.laboratory.parent.run(job)

    def open_runs(self) -> list[str]:
        """Runs that have changes to take back, newest first."""
        history = RunHistory.read(StateFolder(str(self.state)))
        if history is None:
            return []
        with history:
            runs = [run.run_id for run in history.last_runs(10)]
            still = (ChangeStatus.STARTED, ChangeStatus.DONE)
            return [run for run in runs if any(one.status in still for one in history.changes_of(run))]

    def key_of(self, name: str) -> list[bytes]:
        """The keys that can be read of a session, wherever it is whole."""
        found = []
        for place in PLACES:
            for folder in self.root.glob(place):
                found += _keys(folder, name, self.laboratory.folder("read"))
        return found


@pytest.fixture(scope="module")
def original(laboratory: Laboratory) -> Path:
    """A healthy session with 60 entities, a damaged one that still has its login, and a half-made one."""
    folder = laboratory.folder("original")
    folder.chmod(0o700)
    sample_fleet.write_healthy(str(folder / "healthy"))
    sample_fleet.write_healthy(str(folder / "damaged"))
    with closing(sqlite3.connect(folder / "damaged.session")) as database:
        (root,) = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'update_state'").fetchone()
    with (folder / "damaged.session").open("r+b") as file:
        file.seek(4096 * (root - 1))
        file.write(b"\xaa" * 4096)
    os.utime(folder / "damaged.session", (1, 1))
    with closing(sqlite3.connect(folder / "half.session")) as database:
        database.execute(definition("version"))
        database.execute(definition("sessions"))
        database.execute("INSERT INTO sessions VALUES (2, '149.154.167.51', 443, ?, NULL, NULL)", (b"h" * 256,))
        database.commit()
    (folder / "half.session").chmod(0o600)
    return folder


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("chore", CHORES, ids=lambda chore: chore.words.split(" FLEET")[0])
def test_a_chore_killed_anywhere_leaves_the_original_or_the_result_whole(
    laboratory: Laboratory, original: Path, publish: Callable[[str, str], None], chore: Chore
) -> None:
    """The login can be read from what is there; undo of what was begun gives the session back as it was."""
    control = _set_up(laboratory, original, chore)
    calls = control.do(chore.words).calls
    assert calls > 10
    points = range(1, calls + 1)
    kills = list(points) if laboratory.full else sorted(Random(SEED).sample(points, min(KILLS, calls)))
    wrong: list[str] = []
    killed = 0

    for kill_at in kills:
        workplace = _set_up(laboratory, original, chore)
        before = _rows(original / f"{chore.session}.session")
        killed += workplace.do(chore.words, kill_at=kill_at).killed
        wrong += [f"kill {kill_at} of {calls}: {what}" for what in _wrong(workplace, original, chore, before)]
        if not wrong:
            shutil.rmtree(workplace.root)

    head = ["command", "kills", "of write-type calls", "neither whole nor brought back"]
    name = chore.words.split(" FLEET")[0]
    publish(f"Killed {name}", render_table(head, [[name, killed, calls, len(wrong)]]))
    assert wrong == []
    assert killed >= max(1, len(kills) * 0.95)


def _set_up(laboratory: Laboratory, original: Path, chore: Chore) -> Workplace:
    workplace = Workplace(laboratory, laboratory.folder("chore"))
    shutil.copytree(original, workplace.fleet)
    if chore.first:
        workplace.do(chore.first)
    return workplace


def _wrong(workplace: Workplace, original: Path, chore: Chore, before: object) -> list[str]:
    path = workplace.fleet / f"{chore.session}.session"
    wrong = []
    (key,) = _keys(original, chore.session, workplace.laboratory.folder("read"))
    if key not in workplace.key_of(chore.session):
        wrong.append("the login is nowhere")
    pack = workplace.root / "one.pack"
    if pack.exists():
        read_pack(str(pack))
    for run in workplace.open_runs():
        code = workplace.do(f"undo {run}").value
        if code != 0:
            wrong.append(f"undo {run} gave {code}")
    if not path.exists():
        wrong.append("the session is not in its place after undo")
    elif _rows(path) != before:
        wrong.append("undo gave back another session")
    return wrong


def _rows(path: Path) -> object:
    """What a session holds; of one that cannot be read, its bytes."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            tables = [
                row[0] for row in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1")
            ]
            return {
                table: sorted(database.execute(f'SELECT * FROM "{table}"').fetchall(), key=repr) for table in tables
            }
    except sqlite3.DatabaseError:
        return path.read_bytes()


def _keys(folder: Path, name: str, scratch: Path) -> list[bytes]:
    """The keys of a family as SQLite recovers it, on a copy."""
    for member in folder.glob(f"{name}.session*"):
        if member.is_file():
            shutil.copyfile(member, scratch / member.name)
    path = scratch / f"{name}.session"
    if not path.exists():
        return []
    try:
        with closing(sqlite3.connect(path)) as database:
            return [row[0] for row in database.execute("SELECT auth_key FROM sessions")]
    except sqlite3.DatabaseError:
        return []
