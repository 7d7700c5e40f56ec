"""The chores on single sessions, and a place where one of them is done, killed, or loses its power."""

import os
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from core.session_files import sample_fleet
from core.session_files.database.schema import definition
from core.state import ChangeStatus, RunHistory, StateFolder
from tests.crash.judge import SIDECARS
from tests.crash.laboratory import Laboratory
from tests.killing import Job, Manner, Outcome

PLACES = ("fleet", "fleet/quarantine/*", "state/copies/*/*", "state/backups/*/*")
"""Where a session may be whole after a mishap; under the pattern lies the family."""


@dataclass(frozen=True)
class Chore:
    """A command, and the session that it works on."""

    words: str
    session: str
    first: str = ""
    """A command that has to come before."""
    prepare: Callable[["Workplace"], object] | None = None
    """What is done between the two."""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The command without what it is done to."""
        return self.words.split(" FLEET")[0]

    @property
    def is_undo(self) -> bool:
        """Whether it takes back what came first."""
        return self.words == "undo LAST"


@dataclass(frozen=True)
class Workplace:
    """A fleet of sessions and the tool's state below one root."""

    laboratory: Laboratory
    root: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def fleet(self) -> Path:
        """The sessions."""
        return self.root / "fleet"

    @property
    def state(self) -> Path:
        """The tool's own files."""
        return self.root / "state"

    @property
    def said(self) -> Path:
        """All that the commands printed."""
        return self.root.with_name(self.root.name + ".log")

    def do(
        self, words: str, *, kill_at: int = 0, manner: Manner = Manner.KILL, record_to: Path | None = None
    ) -> Outcome:
        """Run a command, or some of it; LAST stands for the last run that has changes to take back."""
        last = self.open_runs()[0] if "LAST" in words else ""
        argv = words.replace("FLEET", str(self.fleet)).replace("ROOT", str(self.root)).replace("LAST", last).split()
        return self.laboratory.parent.run(
            Job(
                target="tests.crash.remedies:command",
                args=(self.state, tuple(argv)),
                watched=self.root,
                kill_at=kill_at,
                manner=manner,
                record_to=record_to,
                environment=self.environment,
                output=self.said,
            )
        )

    def open_runs(self) -> list[str]:
        """Runs that have changes to take back, newest first."""
        history = RunHistory.read(StateFolder(str(self.state)))
        if history is None:
            return []
        with history:
            runs = [run.run_id for run in history.last_runs(10)]
            still = (ChangeStatus.STARTED, ChangeStatus.DONE)
            return [run for run in runs if any(one.status in still for one in history.changes_of(run))]

    def session(self, name: str) -> Path:
        """Where the session of that name belongs."""
        return self.fleet / f"{name}.session"

    def contents(self, name: str) -> object:
        """What the session holds in its place."""
        return contents_of(self.fleet, name, self.laboratory.folder("read"))

    def everywhere(self, name: str) -> list[object]:
        """What the session holds in each place where it may be."""
        return [contents_of(folder, name, self.laboratory.folder("read")) for folder in self._places()]

    def keys(self, name: str) -> list[bytes]:
        """The keys that can be read of a session, wherever it is."""
        folders = self._places()
        return [key for folder in folders for key in keys_of(folder, name, self.laboratory.folder("read"))]

    def _places(self) -> list[Path]:
        return [folder for place in PLACES for folder in self.root.glob(place)]


def set_up(laboratory: Laboratory, original: Path, chore: Chore) -> Workplace:
    """A workplace of its own, right before the chore."""
    workplace = Workplace(laboratory, laboratory.folder("chore"), chore.environment)
    shutil.copytree(original, workplace.fleet)
    if chore.first:
        workplace.do(chore.first)
    if chore.prepare is not None:
        chore.prepare(workplace)
    return workplace


def write_original(folder: Path) -> None:
    """A healthy session with 60 entities, a damaged one that still has its login, and a half-made one."""
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


def contents_of(folder: Path, name: str, scratch: Path) -> object:
    """All rows of a family as SQLite recovers it, on a copy.

    Of one that SQLite does not find whole, its bytes; of sidecars alone, theirs; None where there is nothing.
    """
    members = [folder / f"{name}.session{suffix}" for suffix in ("", *SIDECARS)]
    for member in filter(Path.is_file, members):
        shutil.copyfile(member, scratch / member.name)
    path = scratch / f"{name}.session"
    if not path.exists():
        return {one.name: one.read_bytes() for one in scratch.iterdir()} or None
    try:
        with closing(sqlite3.connect(path)) as database:
            if database.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                return path.read_bytes()
            tables = [
                row[0] for row in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1")
            ]
            return {
                table: sorted(database.execute(f'SELECT * FROM "{table}"').fetchall(), key=repr) for table in tables
            }
    except sqlite3.DatabaseError:
        return path.read_bytes()


def keys_of(folder: Path, name: str, scratch: Path) -> list[bytes]:
    """The keys that a session holds, as SQLite recovers it on a copy; those of a damaged one too."""
    contents_of(folder, name, scratch)
    if not (scratch / f"{name}.session").exists():
        return []
    try:
        with closing(sqlite3.connect(scratch / f"{name}.session")) as database:
            return [row[0] for row in database.execute("SELECT auth_key FROM sessions")]
    except sqlite3.DatabaseError:
        return []
