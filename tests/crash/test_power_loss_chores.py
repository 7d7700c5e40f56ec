"""The power goes while a chore works on a session: original or result is whole, and undo takes it back."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from core.errors import StateError
from core.session_files import sample_fleet
from core.session_files.backups.catalog import Backup, Catalog
from core.session_files.backups.errors import BackupUnusable
from core.session_files.backups.fetch import check
from core.state import RunHistory, StateFolder
from tests.crash.chores import Chore, Workplace, contents_of, set_up, write_original
from tests.crash.disks import Disk, disk_after
from tests.crash.laboratory import SEED, Laboratory
from tests.crash.power_loss import Recorder, read_record
from tests.crash.proof import render_table
from tests.crash.relight import relight

STATES = 4
MANY = 20
"""Sessions in one batch, of which the whole disk is synced at once."""


def _many(workplace: Workplace) -> None:
    for number in range(MANY):
        shutil.copy2(workplace.session("healthy"), workplace.session(f"bot_{number:02}"))


def _crash(workplace: Workplace) -> None:
    """A killed writer leaves a journal, without which its session is damaged."""
    sample_fleet.crash_in_large_transaction(str(workplace.fleet / "healthy"))


def _lose_the_session(workplace: Workplace) -> None:
    """Its journal alone is left."""
    _crash(workplace)
    workplace.session("healthy").unlink()


def _age_the_backup(workplace: Workplace) -> None:
    """The backup there is was taken a year ago, so that the next one pushes it out."""
    (manifest,) = workplace.state.glob("backups/healthy-*/*/manifest.json")
    document = json.loads(manifest.read_text())
    document["taken_at"] = "2025" + document["taken_at"][4:]
    manifest.write_text(json.dumps(document))
    os.utime(workplace.session("healthy"))


BACKUP, RESTORE = "files backup FLEET/healthy", "files restore healthy"
SALVAGE, REPAIR, PRUNE = "files salvage FLEET/damaged", "files repair-schema FLEET/half", "files prune --keep 5 FLEET"
KEEP_ONE = {"GAVAT_BACKUP_NEWEST": "1", "GAVAT_BACKUP_DAILY": "0", "GAVAT_BACKUP_WEEKLY": "0"}
CHORES = {
    "files prune": Chore(PRUNE, "healthy"),
    "files repair-schema": Chore(REPAIR, "half"),
    "files salvage": Chore(SALVAGE, "damaged"),
    "files restore": Chore(RESTORE, "healthy", first=BACKUP),
    "files restore, over a crashed session": Chore(RESTORE, "healthy", first=BACKUP, prepare=_crash),
    "files restore, beside an old journal": Chore(RESTORE, "healthy", first=BACKUP, prepare=_lose_the_session),
    "files --quarantine": Chore("files --quarantine --deep FLEET", "damaged"),
    "files move": Chore("files move FLEET/healthy --to ROOT/one.pack", "healthy"),
    "undo of files prune": Chore("undo LAST", "healthy", first=PRUNE),
    "undo of files repair-schema": Chore("undo LAST", "half", first=REPAIR),
    "undo of files salvage": Chore("undo LAST", "damaged", first=SALVAGE),
    "files backup, one": Chore(BACKUP, "healthy"),
    "files backup, pushing out an older one": Chore(
        BACKUP, "healthy", first=BACKUP, prepare=_age_the_backup, environment=KEEP_ONE
    ),
    f"files backup, {MANY} at once": Chore("files backup FLEET", "bot_07", prepare=_many),
}


@dataclass(frozen=True)
class Control:
    """What the chore does when nothing happens."""

    code: int
    before: object
    after: object
    keeps_name: bool
    """Whether a file bears the session's name before and after."""
    backups: int


@dataclass(frozen=True)
class Dark:
    """A workplace after the power went, and what it held before."""

    workplace: Workplace
    chore: Chore
    before: object
    going: frozenset[str]
    """Backups there were that the chore pushes out: half removed, they may be listed as unusable."""
    ended: bool
    """Whether the chore had ended by then, and had said that it was done."""


@pytest.fixture(scope="module")
def original(laboratory: Laboratory) -> Path:
    """A healthy session with 60 entities, a damaged one that still has its login, and a half-made one."""
    folder = laboratory.folder("original")
    write_original(folder)
    return folder


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", CHORES)
def test_a_power_loss_while_a_chore_works_leaves_the_original_or_the_result_whole(
    laboratory: Laboratory, original: Path, publish: Callable[[str, str], None], name: str
) -> None:
    """Under both disks; what the catalogue calls a backup is one, undo gives back what was, and a new run succeeds."""
    chore, random = CHORES[name], Random(f"{SEED} {name}")
    control = _control(laboratory, original, chore)
    states = 120 if laboratory.full else STATES
    wrong: dict[Disk, list[str]] = {disk: [] for disk in Disk}
    tried: Counter[Disk] = Counter()

    for number in range(states):
        disk = Disk.ORDERED if number % 3 == 2 else Disk.WEAK
        dark, where = _darken(set_up(laboratory, original, chore), chore, disk, random, at_end=number % 3 == 0)
        wrong[disk] += [f"seed {SEED}, {where}: {what}" for what in _wrong(dark, control)]
        tried[disk] += 1
        if not wrong[disk]:
            shutil.rmtree(dark.workplace.root)

    rows = [[name, disk, tried[disk], len(wrong[disk])] for disk in Disk]
    table = render_table(["chore", "disk", "states", "neither whole nor brought back"], rows)
    publish(f"Power loss: {name}", table)
    assert [what for disk in Disk for what in wrong[disk]] == []


def _control(laboratory: Laboratory, original: Path, chore: Chore) -> Control:
    workplace = set_up(laboratory, original, chore)
    before, had_file = workplace.contents(chore.session), workplace.session(chore.session).exists()
    code = workplace.do(chore.words).value
    keeps_name = had_file and workplace.session(chore.session).exists()
    return Control(code, before, workplace.contents(chore.session), keeps_name, len(_backups(workplace)))


def _darken(workplace: Workplace, chore: Chore, disk: Disk, random: Random, *, at_end: bool) -> tuple[Dark, str]:
    """Do the chore, and let the power go at a moment of it, or right after its end."""
    held = workplace.contents(chore.session)
    going = frozenset(one.folder for one in _backups(workplace) if chore.environment == KEEP_ONE)
    before, log = workplace.laboratory.folder("before"), workplace.root.with_suffix(".record")
    shutil.copytree(workplace.root, before, dirs_exist_ok=True)
    workplace.do(chore.words, record_to=log)
    recorder = Recorder(before)
    history = recorder.follow(workplace.root, read_record(log))
    crash_at = len(history.events) if at_end else random.randint(1, len(history.events))
    relight(workplace.root, recorder.left(), history, disk_after(history, crash_at, disk, random))
    shutil.rmtree(before)
    where = f"{disk}, event {crash_at} of {len(history.events)}, {workplace.root}"
    return Dark(workplace, chore, held, going, crash_at == len(history.events)), where


def _wrong(dark: Dark, control: Control) -> list[str]:
    workplace, session = dark.workplace, dark.chore.session
    wrong = [] if workplace.fleet.is_dir() else ["the fleet is gone"]
    found = workplace.everywhere(session)
    if dark.before not in found and control.after not in found:
        wrong.append("neither the original nor the result is whole")
    if control.keeps_name and not workplace.session(session).exists():
        wrong.append("no file bears the name of the session")
    wrong += _wrong_backups(dark, control)
    wrong += _wrong_history(workplace)
    return wrong or [*_wrong_undo(dark, control), *_wrong_again(dark, control)]


def _wrong_backups(dark: Dark, control: Control) -> list[str]:
    workplace = dark.workplace
    unusable = [error for shelf in _catalog(workplace) for error in shelf.unusable]
    wrong = [f"unusable: {error}" for error in unusable if os.path.dirname(error.path or "") not in dark.going]
    for backup in _backups(workplace):
        try:
            check(backup)
        except BackupUnusable as error:
            wrong.append(f"called good and is not: {error}")
        held = contents_of(Path(backup.folder), backup.manifest.name, workplace.laboratory.folder("read"))
        if not isinstance(held, dict):
            wrong.append(f"called good and no session: {backup.folder}")
    if dark.ended and len(_backups(workplace)) < control.backups:
        wrong.append(f"{len(_backups(workplace))} of the {control.backups} backups that it said it had made")
    return wrong


def _catalog(workplace: Workplace) -> Catalog:
    return Catalog(StateFolder(str(workplace.state)).backups)


def _backups(workplace: Workplace) -> list[Backup]:
    return [backup for shelf in _catalog(workplace) for backup in shelf.backups]


def _wrong_history(workplace: Workplace) -> list[str]:
    try:
        history = RunHistory.read(StateFolder(str(workplace.state)))
        if history is not None:
            with history:
                history.last_runs(10)
    except StateError as error:
        return [f"the history cannot be read: {error}"]
    return []


def _wrong_undo(dark: Dark, control: Control) -> list[str]:
    """What is not as it was after undo of all that was begun."""
    workplace = dark.workplace
    codes = {run: workplace.do(f"undo {run}").value for run in workplace.open_runs()}
    wrong = [f"undo {run} gave {code}: {workplace.said.read_text()[-300:]}" for run, code in codes.items() if code]
    before = control.after if dark.chore.is_undo else dark.before
    if workplace.contents(dark.chore.session) != before:
        wrong.append("undo gave back another session")
    return wrong


def _wrong_again(dark: Dark, control: Control) -> list[str]:
    """What a new run of the chore does otherwise than the first; an undo has nothing to take back any more."""
    workplace, chore = dark.workplace, dark.chore
    if chore.is_undo or "--to" in chore.words:
        return []
    workplace.do("files FLEET")  # what a killed writer leaves is mended first
    code = workplace.do(chore.words).value
    if code != control.code or workplace.contents(chore.session) != control.after:
        return [f"a new run gave {code} and not {control.code}: {workplace.said.read_text()[-300:]}"]
    return []
