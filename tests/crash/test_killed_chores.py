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
from tests.crash.laboratory import SEED, Laboratory
from tests.crash.proof import render_table
from tests.crash.workplace import Workplace, keys_in, rows_of

KILLS = 12


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
        before = rows_of(original / f"{chore.session}.session")
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
    (key,) = keys_in(original, chore.session, workplace.laboratory.folder("read"))
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
    elif rows_of(path) != before:
        wrong.append("undo gave back another session")
    return wrong
