"""A workplace for any command of the tool: run it, kill it, and read what is left."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from core.state import ChangeStatus, RunHistory, StateFolder
from tests.crash.laboratory import Laboratory
from tests.killing import Job, Outcome

PLACES = ("fleet", "fleet/quarantine/*", "state/copies/*/*", "state/backups/*/*")
"""Where a session may be whole after a kill; under the pattern lies the family."""


@dataclass(frozen=True)
class Workplace:
    """A fleet and the tool's state below one root, in which every changing call counts."""

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
                found += keys_in(folder, name, self.laboratory.folder("read"))
        return found


def rows_of(path: Path) -> object:
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


def keys_in(folder: Path, name: str, scratch: Path) -> list[bytes]:
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
