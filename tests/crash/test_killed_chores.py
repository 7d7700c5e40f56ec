"""The other chores killed at any call that changes a file: original or result is whole, and undo takes it back."""

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from core.session_files.moving.pack import read_pack
from tests.crash.chores import Chore, Workplace, keys_of, set_up, write_original
from tests.crash.laboratory import SEED, Laboratory
from tests.crash.proof import render_table

KILLS = 12
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
    write_original(folder)
    return folder


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("chore", CHORES, ids=lambda chore: chore.name)
def test_a_chore_killed_anywhere_leaves_the_original_or_the_result_whole(
    laboratory: Laboratory, original: Path, publish: Callable[[str, str], None], chore: Chore
) -> None:
    """The login can be read from what is there; undo of what was begun gives the session back as it was."""
    control = set_up(laboratory, original, chore)
    calls = control.do(chore.words).calls
    assert calls > 10
    points = range(1, calls + 1)
    kills = list(points) if laboratory.full else sorted(Random(SEED).sample(points, min(KILLS, calls)))
    wrong: list[str] = []
    killed = 0

    for kill_at in kills:
        workplace = set_up(laboratory, original, chore)
        before = workplace.contents(chore.session)
        killed += workplace.do(chore.words, kill_at=kill_at).killed
        wrong += [f"kill {kill_at} of {calls}: {what}" for what in _wrong(workplace, original, chore, before)]
        if not wrong:
            shutil.rmtree(workplace.root)

    head = ["command", "kills", "of write-type calls", "neither whole nor brought back"]
    publish(f"Killed {chore.name}", render_table(head, [[chore.name, killed, calls, len(wrong)]]))
    assert wrong == []
    assert killed >= max(1, len(kills) * 0.95)


def _wrong(workplace: Workplace, original: Path, chore: Chore, before: object) -> list[str]:
    wrong = []
    (key,) = keys_of(original, chore.session, workplace.laboratory.folder("read"))
    if key not in workplace.keys(chore.session):
        wrong.append("the login is nowhere")
    pack = workplace.root / "one.pack"
    if pack.exists():
        read_pack(str(pack))
    for run in workplace.open_runs():
        code = workplace.do(f"undo {run}").value
        if code != 0:
            wrong.append(f"undo {run} gave {code}")
    if not workplace.session(chore.session).exists():
        wrong.append("the session is not in its place after undo")
    elif workplace.contents(chore.session) != before:
        wrong.append("undo gave back another session")
    return wrong
