"""The disk gets full at any call of a chore and stays so: original or result is whole, a run with room succeeds."""

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.crash.chores import Chore, Workplace, set_up, write_original
from tests.crash.laboratory import SEED, Laboratory
from tests.crash.proof import render_table
from tests.killing import Manner

FILLS = 4
NO_ROOM = ("disk is full", "is the disk full", "free some space", "No space left on device")
CHORES = (
    Chore("files prune --keep 5 FLEET/healthy", "healthy"),
    Chore("files repair-schema FLEET/half", "half"),
    Chore("files salvage FLEET/damaged", "damaged"),
    Chore("files restore healthy", "healthy", first="files backup FLEET/healthy"),
)


@pytest.fixture(scope="module")
def original(laboratory: Laboratory) -> Path:
    """A healthy session with 60 entities, a damaged one that still has its login, and a half-made one."""
    folder = laboratory.folder("original")
    write_original(folder)
    return folder


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("chore", CHORES, ids=lambda chore: chore.name)
def test_a_disk_that_gets_full_anywhere_leaves_the_original_or_the_result_whole(
    laboratory: Laboratory, original: Path, publish: Callable[[str, str], None], chore: Chore
) -> None:
    """In its place and with its name; the reason is said, a run with room gives the result, and undo what was."""
    control = set_up(laboratory, original, chore)
    before = control.contents(chore.session)
    calls = control.do(chore.words).calls
    after = control.contents(chore.session)
    points = range(1, calls + 1)
    fills = list(points) if laboratory.full else sorted(Random(SEED).sample(points, min(FILLS, calls)))
    wrong: list[str] = []
    failed = 0

    for fill_at in fills:
        workplace = set_up(laboratory, original, chore)
        code = workplace.do(chore.words, kill_at=fill_at, manner=Manner.FILL).value
        failed += code != 0
        found = _wrong_when_full(workplace, chore, code, (before, after)) or _wrong_with_room(
            workplace, chore, before, after
        )
        wrong += [f"full at {fill_at} of {calls}, {workplace.root}: {what}" for what in found]
        if not wrong:
            shutil.rmtree(workplace.root)

    head = ["command", "disks full", "of write-type calls", "runs that failed", "neither whole nor done later"]
    publish(f"Full disk: {chore.name}", render_table(head, [[chore.name, len(fills), calls, failed, len(wrong)]]))
    assert wrong == []
    assert failed > 0


def _wrong_when_full(workplace: Workplace, chore: Chore, code: object, either: tuple[object, object]) -> list[str]:
    before, after = either
    said, held = workplace.said.read_text(), workplace.contents(chore.session)
    wrong = []
    if not workplace.session(chore.session).exists():
        wrong.append("no file bears the name of the session")
    if held not in (before, after):
        wrong.append("neither the original nor the result")
    if code not in (0, 1, 3) or (code == 0 and held != after):
        wrong.append(f"exit code {code}: {said[-300:]}")
    lines = [line for line in said.splitlines() if any(why in line for why in NO_ROOM)]
    about_history = sum("history" in line for line in lines)
    if "Traceback" in said or about_history > 1 or len(lines) - about_history > 1 or (code != 0 and not lines):
        wrong.append(f"not said in one line for the session and one for the history: {said}")
    return wrong


def _wrong_with_room(workplace: Workplace, chore: Chore, before: object, after: object) -> list[str]:
    wrong = []
    if (code := workplace.do(chore.words).value) != 0 or workplace.contents(chore.session) != after:
        wrong.append(f"a run with room gave {code}: {workplace.said.read_text()[-300:]}")
    if left := [path.name for path in workplace.fleet.glob(".*")]:
        wrong.append(f"left beside the sessions: {left}")
    for run in workplace.open_runs():
        workplace.do(f"undo {run}")
    if workplace.contents(chore.session) != before:
        wrong.append(f"undo gave back another session: {workplace.said.read_text()[-300:]}")
    return wrong
