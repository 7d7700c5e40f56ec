"""What the plan leaves alone, and what it says of it."""

from __future__ import annotations

import pytest

from core.session_files.database.file_format import MOVED_MARK, read_header
from core.session_files.model import (
    Contents,
    EntryKind,
    Evidence,
    FileInspection,
    JournalHeat,
    RepairAction,
    Sidecar,
    Verdict,
)
from core.session_files.moving.leave import plan_move
from core.session_files.plan import plan_file, plan_folder
from tests.deciders.builders import (
    NOW,
    OWNER,
    ROLLBACK_HEADER,
    TELETHON,
    WAL_HEADER,
    codes,
    entry,
    family,
    file_stat,
    folder,
    held,
    inspection,
    journal,
    not_a_session,
    orphan,
    plan,
    shm,
    unknowable,
    wal,
)


@pytest.mark.parametrize("contents", [TELETHON, None], ids=["looked inside", "outside only"])
def test_a_healthy_private_session_is_fine(contents: Contents | None) -> None:
    """No finding, nothing to do."""
    planned = plan(inspection(contents=contents))

    assert (planned.verdict, planned.notes, planned.actions) == (Verdict.FINE, (), ())
    assert not planned.needs_mending


def test_a_healthy_session_whose_header_gives_no_page_count_is_fine() -> None:
    """Old writers leave the count stale; then the size of the file says it."""
    planned = plan(inspection(header=ROLLBACK_HEADER._replace(page_count=0)))

    assert (planned.verdict, planned.notes) == (Verdict.FINE, ())


@pytest.mark.parametrize(
    ("kind", "code", "verdict"),
    [
        (EntryKind.NOT_REGULAR, "GV140", Verdict.SKIPPED),
        (EntryKind.DANGLING, "GV141", Verdict.SKIPPED),
        (EntryKind.LOOP, "GV141", Verdict.SKIPPED),
        (EntryKind.ALIAS, "GV114", Verdict.SKIPPED),
        (EntryKind.UNREADABLE, "GV143", Verdict.UNKNOWN),
    ],
)
def test_what_is_no_session_is_named_and_left(kind: EntryKind, code: str, verdict: Verdict) -> None:
    """A folder, FIFO or link gets a word and no action."""
    planned = plan(not_a_session(kind, note="a FIFO"))

    assert (planned.verdict, codes(planned), planned.actions) == (verdict, [code], ())
    assert planned.notes[0].detail == "a FIFO"


@pytest.mark.parametrize("pids", [(), (41,)], ids=["holder not named", "one holder"])
def test_a_session_in_use_is_left_alone(pids: tuple[int, ...]) -> None:
    """Its journal is the writer's own; nothing about it is a fault."""
    planned = plan(inspection(journal(), occupancy=held(*pids)))

    assert (planned.verdict, planned.notes, planned.actions) == (Verdict.IN_USE, (), ())
    assert not planned.needs_mending


def test_a_session_in_use_that_others_may_read_is_told() -> None:
    """GV111 is for later: a mode is set when nobody has the file open."""
    planned = plan(inspection(occupancy=held(41), main=file_stat(mode=0o644)))

    assert (planned.verdict, codes(planned), planned.actions) == (Verdict.IN_USE, ["GV111"], ())
    assert planned.notes[0].detail == "readable by everyone (0644), to be set when it is free"


def test_a_session_open_in_two_processes_is_told() -> None:
    """Two clients of one login: GV133 names both, in order."""
    planned = plan(inspection(occupancy=held(57, 41)))

    assert (planned.verdict, codes(planned)) == (Verdict.IN_USE, ["GV133"])
    assert planned.notes[0].detail == "open in 2 processes: 41, 57"


def test_a_lock_kept_by_a_forked_child_is_told() -> None:
    """GV134 when the process that took the lock is not among those that hold it."""
    planned = plan(inspection(occupancy=held(57, evidence=Evidence.LEASE, lease_pid=41)))

    assert (planned.verdict, codes(planned)) == (Verdict.IN_USE, ["GV134"])
    assert planned.notes[0].detail == "lock taken by pid 41, kept by its forked child 57"


@pytest.mark.parametrize("lease_pid", [None, 57], ids=["taker not known", "taker holds it"])
def test_a_lock_held_by_its_taker_is_no_finding(lease_pid: int | None) -> None:
    """A bot that holds its own lock is as it should be."""
    planned = plan(inspection(occupancy=held(57, evidence=Evidence.LEASE, lease_pid=lease_pid)))

    assert (planned.verdict, planned.notes) == (Verdict.IN_USE, ())


@pytest.mark.parametrize(
    ("evidence", "code"),
    [
        (Evidence.PERMISSION, "GV131"),
        (Evidence.OPEN_FILES, "GV131"),
        (Evidence.LEASE, "GV131"),
        (Evidence.FILE_SYSTEM, "GV132"),
        (Evidence.NONE, "GV142"),
    ],
)
def test_unknown_use_means_hands_off(evidence: Evidence, code: str) -> None:
    """Nobody can say who uses it: a finding with the reason, no action even beside a hot journal."""
    planned = plan(inspection(journal(), occupancy=unknowable(evidence, "no answer")))

    assert (planned.verdict, codes(planned), planned.actions) == (Verdict.UNKNOWN, [code], ())
    assert planned.notes[0].detail == "no answer"


@pytest.mark.parametrize(
    ("seen", "needs"),
    [
        (inspection(occupancy=unknowable()), False),
        (inspection(shm(), occupancy=unknowable()), False),
        (inspection(journal(JournalHeat.COLD, size=0), occupancy=unknowable()), False),
        (inspection(journal(None), occupancy=unknowable()), True),
        (inspection(wal(None), occupancy=unknowable()), True),
    ],
    ids=["nothing beside it", "a -shm", "an empty journal", "a journal", "a WAL"],
)
def test_unknown_use_with_signs_of_need_asks_for_a_person(seen: FileInspection, needs: bool) -> None:
    """Only a sidecar with bytes that could matter makes an unknown session one that needs something."""
    planned = plan(seen)

    assert planned.needs_mending is needs


@pytest.mark.parametrize(
    ("seen", "detail"),
    [
        (orphan(journal()), "hot -journal of 8.7 kB without its session"),
        (orphan(journal(JournalHeat.UNKNOWN)), "-journal of 8.7 kB without its session"),
        (orphan(wal(), shm()), "-wal of 12.4 kB, -shm of 32.8 kB without its session"),
    ],
)
def test_sidecars_without_a_session_are_set_aside(seen: FileInspection, detail: str) -> None:
    """GV106: a new session of that name would swallow them."""
    planned = plan(seen)

    assert (planned.verdict, codes(planned)) == (Verdict.MEND, ["GV106"])
    assert planned.notes[0].detail == detail
    assert planned.actions == (RepairAction.SET_ASIDE,)
    assert planned.needs_mending


def test_a_family_that_is_gone_gets_no_action() -> None:
    """Between two looks its owner removed it, sidecars and all: there is nothing that could be set aside."""
    planned = plan(orphan())

    assert (planned.actions, planned.needs_mending) == ((), False)
    assert codes(planned) == ["GV142"]


@pytest.mark.parametrize(("sidecars", "needs"), [((), False), ((journal(),), True)], ids=["clean", "hot journal"])
def test_a_hard_linked_session_is_left_alone(sidecars: tuple[Sidecar, ...], needs: bool) -> None:
    """GV113: through the other name its journal is not seen, so nobody can say what is whole."""
    planned = plan(inspection(*sidecars, main=file_stat(links=2)))

    assert (planned.verdict, codes(planned), planned.actions) == (Verdict.UNKNOWN, ["GV113"], ())
    assert planned.notes[0].detail == "2 names for one file"
    assert planned.needs_mending is needs


@pytest.mark.parametrize(
    "sidecar",
    [journal(JournalHeat.UNKNOWN), journal(None), wal(None)],
    ids=["journal", "journal never looked at", "WAL"],
)
def test_a_sidecar_that_could_not_be_read_means_hands_off(sidecar: Sidecar) -> None:
    """GV143: it may be the only copy of a login, so nothing is said or done as if it held nothing."""
    planned = plan(inspection(sidecar, header=WAL_HEADER))

    assert (planned.verdict, codes(planned), planned.actions) == (Verdict.UNKNOWN, ["GV143"], ())
    assert planned.needs_mending


@pytest.mark.parametrize("verdict", [Verdict.FINE, Verdict.UNKNOWN], ids=["own file", "another's file"])
def test_a_link_to_a_file_of_another_user_is_not_followed(verdict: Verdict) -> None:
    """GV115: whoever owns the folder could point the tool, run as root, at anybody's file."""
    owner = OWNER if verdict is Verdict.FINE else OWNER + 1
    linked = family()._replace(target="/elsewhere/b.session")

    planned = plan_file(inspection(of=linked), now=NOW, folder_owner=owner)

    assert planned.verdict is verdict
    assert codes(planned) == ([] if verdict is Verdict.FINE else ["GV115"])
    assert planned.actions == ()


@pytest.mark.parametrize("folder_owner", [None, OWNER + 1])
def test_a_file_of_another_user_that_is_no_link_is_judged(folder_owner: int | None) -> None:
    """A folder of root with sessions of bots is common; and without a folder nothing is compared."""
    planned = plan_file(inspection(), now=NOW, folder_owner=folder_owner)

    assert planned.verdict is Verdict.FINE


def test_a_sidecar_of_another_user_is_not_played_back() -> None:
    """GV143: whoever may write the folder could plant a journal that replaces the login."""
    planted = journal()._replace(stat=file_stat(8720, uid=OWNER + 1))

    planned = plan(inspection(planted))

    assert (planned.verdict, codes(planned), planned.actions) == (Verdict.UNKNOWN, ["GV143"], ())


def test_a_session_that_its_group_may_write_keeps_its_mode() -> None:
    """Bots of several users share it on purpose; it is said and left."""
    planned = plan(inspection(main=file_stat(mode=0o660)))

    assert (planned.verdict, codes(planned), planned.actions) == (Verdict.ATTENTION, ["GV111"], ())


@pytest.mark.parametrize("mode", [0o2770, 0o2755, 0o775])
def test_a_folder_made_for_a_group_keeps_its_mode(mode: int) -> None:
    """Taking it away would lock out a bot in mid-use."""
    planned = plan_folder(folder(mode), (inspection(),), now=NOW)

    assert not planned.tighten_folder


def test_a_folder_keeps_its_mode_while_a_session_in_it_is_used() -> None:
    """The bot may live on that very permission."""
    planned = plan_folder(folder(0o755), (inspection(occupancy=held(7)),), now=NOW)

    assert not planned.tighten_folder


def test_the_marker_of_a_moved_session_is_passed_over() -> None:
    """It is no damaged file: it stands there on purpose, and the finding says how to take it back."""
    marker = inspection(header=read_header(MOVED_MARK + b"by run x"), contents=None)

    planned = plan_file(marker, now=NOW)

    assert (planned.verdict, planned.actions, planned.needs_mending) == (Verdict.SKIPPED, (), False)
    assert [note.code for note in planned.notes] == ["GV116"]


def test_only_whole_free_sessions_are_handed_over() -> None:
    """All others are a reason to move none."""
    whole = plan_move(entry(Verdict.FINE, inspection()))
    held_one = plan_move(entry(Verdict.IN_USE, inspection(occupancy=held(1))))
    to_mend = plan_move(entry(Verdict.MEND)._replace(actions=(RepairAction.ROLL_BACK,)))
    skipped = entry(Verdict.SKIPPED)

    assert whole.actions == (RepairAction.MOVE,)
    assert [note.code for note in whole.notes] == ["GV164"]
    assert (held_one.actions, held_one.needs_mending) == ((), True)
    assert (to_mend.actions, to_mend.needs_mending) == ((), True)
    assert plan_move(skipped) == skipped
