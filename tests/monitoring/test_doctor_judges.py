"""What the doctor says of what it saw: levels, codes, evidence, the command that comes next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.findings import FINDINGS
from core.monitoring.doctor.judge_fleet import (
    ConfigMode,
    FolderModes,
    Kept,
    Logins,
    PutAway,
    Schemas,
    StateModes,
    WorkTree,
    judge_git,
    judge_kept,
    judge_logins,
    judge_modes,
    judge_schemas,
)
from core.monitoring.doctor.judge_machine import (
    Clock,
    Disk,
    Owners,
    Processes,
    Room,
    User,
    judge_clock,
    judge_disks,
    judge_owners,
    judge_processes,
    judge_room,
)
from core.monitoring.doctor.model import Answer, Level, count, some, worst
from core.monitoring.kept import CopiesView

NOW = datetime(2026, 11, 21, 8, 41, tzinfo=UTC)
ROOT, ANNA, BERT = User(0, "root"), User(1000, "anna"), User(1001, "bert")
NO_COPIES = CopiesView(0, 0, 0, readable=True)
MIB = 1024 * 1024
ALL_SEEN = Processes(
    unreadable=0, users=(), hidden=False, container=False, unnamed=(), unknown=(), folders=("bots",)
)  # fmt: skip


def found(answer: Answer) -> list[tuple[str, Level]]:
    """Code and level of each trouble; every one has its page, its evidence and a command."""
    for trouble in answer.troubles:
        assert trouble.code in FINDINGS
        assert trouble.evidence
        assert trouble.command.words or trouble.command.user
    return [(trouble.code, trouble.level) for trouble in answer.troubles]


def test_levels_are_worse_in_the_order_of_a_report() -> None:
    """Unknown is worse than ok and hides no warning."""
    assert worst([]) is Level.OK
    assert worst([Level.OK, Level.UNKNOWN]) is Level.UNKNOWN
    assert worst([Level.UNKNOWN, Level.WARN]) is Level.WARN
    assert worst([Level.WARN, Level.CRIT, Level.OK]) is Level.CRIT


def test_exit_codes_are_those_of_a_nagios_plugin() -> None:
    """0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN."""
    assert [level.exit_code for level in (Level.OK, Level.WARN, Level.CRIT, Level.UNKNOWN)] == [0, 1, 2, 3]


def test_numbers_and_lists_read_as_people_write_them() -> None:
    """One, many, none; the first few and how many more."""
    assert [count(number, "process", "processes") for number in (0, 1, 1200)] == [
        "no process",
        "1 process",
        "1,200 processes",
    ]
    assert some("abc") == "a, b, c"
    assert some("abcde") == "a, b, c and 2 more"


@pytest.mark.parametrize(
    ("seen", "codes"),
    [
        (Owners(ANNA, ((ANNA, 3),), ANNA), []),
        (Owners(ANNA, (), None), []),
        (Owners(ANNA, ((ANNA, 3), (BERT, 1)), None), ["GV201"]),
        (Owners(ROOT, ((ANNA, 3), (BERT, 1)), ROOT), ["GV201", "GV201"]),
        (Owners(ANNA, ((ANNA, 3),), ROOT), ["GV202"]),
    ],
)
def test_files_of_other_users_are_said(seen: Owners, codes: list[str]) -> None:
    """With the user to run as; root is another user too, because it changes only what is root's."""
    answer = judge_owners(seen)

    assert found(answer) == [(code, Level.WARN) for code in codes]
    assert [one.command.user for one in answer.troubles if one.code == "GV201"] == [
        owner.name for owner, _number in seen.sessions if owner != seen.running
    ]


def test_what_the_running_user_owns_is_summed_up() -> None:
    """Sessions, state, both or nothing."""
    assert judge_owners(Owners(ANNA, ((ANNA, 2),), ANNA)).summary == "anna owns 2 sessions and the state folder"
    assert judge_owners(Owners(ANNA, ((ANNA, 1),), None)).summary == "anna owns 1 session"
    assert judge_owners(Owners(ANNA, (), None)).summary == "there is nothing yet to own"


@pytest.mark.parametrize(
    ("seen", "summary"),
    [
        (ALL_SEEN, "every process can be looked into"),
        (
            ALL_SEEN._replace(unreadable=2, users=("root",)),
            "2 processes of root may not be looked into; no session is open in one",
        ),
        (
            ALL_SEEN._replace(container=True, unreadable=2),
            "processes outside this container cannot be seen; no session is open in one",
        ),
        (
            ALL_SEEN._replace(hidden=True),
            "/proc hides the processes of other users; no session is open in one",
        ),
    ],
)
def test_processes_that_cannot_be_seen_harm_nobody_while_no_session_is_in_one(seen: Processes, summary: str) -> None:
    """The write lease answers for all processes of the machine."""
    answer = judge_processes(seen)

    assert answer == Answer(summary)
    assert answer.level is Level.OK


def test_a_holder_without_a_name_is_said() -> None:
    """Root would see it, unless the process is outside the container."""
    unseen = ALL_SEEN._replace(unnamed=("bots/a.session",), unreadable=4, users=("bert",))
    outside = unseen._replace(container=True)

    assert found(judge_processes(unseen)) == [("GV203", Level.WARN)]
    assert judge_processes(unseen).troubles[0].command == (("monitor_system.py", "locks", "bots"), "root", None)
    assert "4 processes of bert" in judge_processes(unseen).troubles[0].evidence
    assert found(judge_processes(outside)) == [("GV204", Level.WARN)]
    assert judge_processes(outside).troubles[0].command.user is None


def test_a_session_of_unknown_use_is_unknown() -> None:
    """By the user to ask as; never good."""
    seen = ALL_SEEN._replace(unknown=(("x/a", "bert"), ("x/b", "bert"), ("y/c", None)))

    answer = judge_processes(seen)

    assert [trouble.level for trouble in answer.troubles] == [Level.UNKNOWN, Level.UNKNOWN]
    assert [trouble.command.user for trouble in answer.troubles] == ["bert", None]
    assert "x/a, x/b" in answer.troubles[0].evidence


@pytest.mark.parametrize(
    ("kind", "level"),
    [
        ("nfs4", Level.CRIT),
        ("cifs", Level.CRIT),
        ("fuse.sshfs", Level.CRIT),
        ("fuse.mergerfs", Level.WARN),
        ("9p", Level.WARN),
        ("", Level.UNKNOWN),
    ],
)
def test_a_disk_that_may_be_shared_is_said(kind: str, level: Level) -> None:
    """Worse where it is one of the network's by name; for sessions and for state."""
    disks = (Disk("bots", kind, local=False, of_state=False), Disk("state", kind, local=False, of_state=True))

    assert found(judge_disks(disks)) == [("GV132", level), ("GV205", level)]


def test_local_disks_are_named() -> None:
    """Each kind once."""
    disks = tuple(
        Disk(path, kind, local=True, of_state=False) for path, kind in (("a", "ext4"), ("b", "ext4"), ("c", "xfs"))
    )

    assert judge_disks(disks) == Answer("local: ext4, xfs")
    assert judge_disks(()) == Answer("no folder to look at")


@pytest.mark.parametrize(
    ("free", "level"),
    [(21 * MIB, Level.OK), (21 * MIB - 1, Level.WARN), (MIB, Level.WARN), (MIB - 1, Level.CRIT), (0, Level.CRIT)],
)
def test_room_is_needed_for_twice_the_largest_session(free: int, level: Level) -> None:
    """And one MiB; below one MiB the bots themselves fail."""
    room = Room("bots", total=100 * MIB, free=free, inodes=0, inodes_free=0)

    assert judge_room((room,), largest=10 * MIB).level is level


@pytest.mark.parametrize(("free", "level"), [(10, Level.OK), (9, Level.WARN)])
def test_less_than_one_percent_is_little(free: int, level: Level) -> None:
    """However large the disk is."""
    room = Room("bots", total=1000 * MIB, free=free * MIB, inodes=1000, inodes_free=10)

    assert judge_room((room,), largest=0).level is level


@pytest.mark.parametrize(("free", "level"), [(10, Level.OK), (9, Level.WARN), (0, Level.CRIT)])
def test_a_disk_can_run_out_of_files(free: int, level: Level) -> None:
    """A journal is a file."""
    room = Room("bots", total=MIB * 100, free=MIB * 90, inodes=1000, inodes_free=free)

    assert judge_room((room,), largest=0).level is level


def test_the_fullest_disk_is_named() -> None:
    """Where all have room."""
    rooms = tuple(Room(path, MIB * 100, free, 0, 0) for path, free in (("a", MIB * 90), ("b", MIB * 50)))

    assert judge_room(rooms, largest=0).summary == "at least 52.4 MB free (b)"
    assert judge_room((), largest=0) == Answer("no folder to look at")


@pytest.mark.parametrize(("ahead", "codes"), [(-60, []), (300, []), (301, ["GV251"]), (86400 * 365, ["GV251"])])
def test_a_file_of_the_future_speaks_against_the_clock(ahead: int, codes: list[str]) -> None:
    """Five minutes are granted."""
    seen = Clock(NOW, (NOW + timedelta(seconds=ahead), "bots/a.session"), synchronised=True)

    assert found(judge_clock(seen)) == [(code, Level.WARN) for code in codes]


def test_a_clock_without_a_time_service_is_said() -> None:
    """Where the kernel does not tell, nothing is claimed."""
    assert found(judge_clock(Clock(NOW, None, synchronised=False))) == [("GV252", Level.WARN)]
    assert "is not told here" in judge_clock(Clock(NOW, None, synchronised=None)).summary
    assert "kept by a time service" in judge_clock(Clock(NOW, None, synchronised=True)).summary


def test_one_generation_of_telethon_is_well() -> None:
    """Sessions that could not be read are counted, not guessed."""
    assert judge_schemas(Schemas({8: ("a", "b")}, 0)) == Answer("2 sessions of schema 8")
    assert judge_schemas(Schemas({8: ("a",)}, 1)).summary.endswith(
        "1 other could not be read (in use, or no whole session)"
    )
    assert judge_schemas(Schemas({}, 0)) == Answer("no session could be compared")


def test_several_schemas_are_said_with_the_rare_ones_named() -> None:
    """The many are counted; a session of the few is where to look."""
    answer = judge_schemas(Schemas({8: ("a", "b"), 7: ("old",), 9: ("new",)}, 0))

    assert found(answer) == [("GV211", Level.WARN)]
    assert answer.troubles[0].evidence == "2 sessions of schema 8, and others: schema 7: old; schema 9: new"
    assert answer.troubles[0].command.words[-1] == "old"


def test_the_newest_schema_counts_as_the_common_one_where_none_is() -> None:
    """Half the fleet is upgraded: the other half is to follow."""
    assert "schema 7: old" in judge_schemas(Schemas({7: ("old",), 8: ("new",)}, 0)).troubles[0].evidence


def test_one_login_in_two_files_is_critical() -> None:
    """Both are named, and no mark or key is."""
    answer = judge_logins(Logins({b"\x01secret": ("a", "b"), b"\x02": ("c",)}, 2))

    assert found(answer) == [("GV212", Level.CRIT)]
    assert answer.troubles[0].evidence == "the same login in a, b"
    assert "secret" not in repr(answer)


def test_logins_that_are_in_one_file_each_are_well() -> None:
    """Those in use could not be compared."""
    assert judge_logins(Logins({b"1": ("a",), b"2": ("b",)}, 0)) == Answer("2 logins, each in one file")
    assert (
        judge_logins(Logins({}, 3)).summary
        == "no login to compare; 3 others could not be compared (in use, or not logged in)"
    )


def test_what_git_tracks_is_critical_and_what_it_would_take_is_a_warning() -> None:
    """Each with the command that ends it."""
    tree = WorkTree("/r", "/r/bots", "*.session*", None, tracked=("a.session",), loose=("b.session", "c.session"))

    answer = judge_git((tree,))

    assert found(answer) == [("GV221", Level.CRIT), ("GV222", Level.WARN)]
    forget, ignore = (trouble.command for trouble in answer.troubles)
    assert forget.words == ("git", "--literal-pathspecs", "-C", "/r/bots", "rm", "--cached", "--", "a.session")
    assert (ignore.words, ignore.append_to) == (("echo", "*.session*"), "/r/.gitignore")


def test_what_git_ignores_is_well() -> None:
    """And so is a folder outside of every work tree."""
    assert judge_git((WorkTree("/r", "/r/bots", "*.session*", None),)) == Answer("git ignores what lies in /r/bots")
    assert judge_git(()) == Answer("nothing lies in a git work tree")


def test_a_git_that_does_not_answer_is_unknown() -> None:
    """As the owner of the work tree it would."""
    answer = judge_git((WorkTree("/r", "/r/bots", "*.session*", "anna", refusal="dubious ownership"),))

    assert found(answer) == [("GV223", Level.UNKNOWN)]
    assert answer.troubles[0].command.user == "anna"


@pytest.mark.parametrize(
    ("mode", "reachable", "level"),
    [
        (0o600, True, Level.OK),
        (0o644, True, Level.CRIT),
        (0o644, False, Level.WARN),
        (0o602, True, Level.CRIT),
        (0o640, True, Level.WARN),
        (0o660, True, Level.OK),
    ],
)
def test_a_session_that_others_read_is_said(mode: int, reachable: bool, level: Level) -> None:
    """Critical where everybody can come to it; a group that may write was let in on purpose."""
    folder = FolderModes("bots", 0o700, dedicated=True, reachable=reachable, sessions=(("a", mode), ("b", 0o600)))

    answer = judge_modes((folder,), None)

    assert answer.level is level
    assert {code for code, _level in found(answer)} <= {"GV111"}
    assert "b" not in [one.evidence.rpartition(": ")[2] for one in answer.troubles]


@pytest.mark.parametrize(
    ("mode", "dedicated", "codes"),
    [(0o755, True, ["GV112"]), (0o755, False, []), (0o1777, True, []), (0o750, True, []), (0o700, True, [])],
)
def test_a_folder_of_nothing_but_sessions_is_closed(mode: int, dedicated: bool, codes: list[str]) -> None:
    """One that others have business in keeps its mode."""
    folder = FolderModes("bots", mode, dedicated=dedicated, reachable=False, sessions=(("a", 0o600),))

    assert found(judge_modes((folder,), None)) == [(code, Level.WARN) for code in codes]


@pytest.mark.parametrize(
    ("mode", "reachable", "level"),
    [(0o700, True, Level.OK), (0o755, True, Level.CRIT), (0o755, False, Level.WARN), (0o750, True, Level.WARN)],
)
def test_a_state_folder_that_others_enter_is_said(mode: int, reachable: bool, level: Level) -> None:
    """It is full of logins."""
    assert judge_modes((), StateModes("state", mode, reachable=reachable)).level is level


@pytest.mark.parametrize(
    ("mode", "reachable", "secrets", "level"),
    [
        (0o644, True, ("api_hash",), Level.CRIT),
        (0o644, False, ("api_hash",), Level.WARN),
        (0o640, True, ("api_hash",), Level.OK),
        (0o644, True, (), Level.OK),
    ],
)
def test_a_gavat_toml_with_a_secret_is_for_its_owner_and_group(
    mode: int, reachable: bool, secrets: tuple[str, ...], level: Level
) -> None:
    answer = judge_modes((), None, ConfigMode("gavat.toml", mode, reachable, secrets))

    assert found(answer) == ([] if level is Level.OK else [("GV225", level)])


def test_copies_and_backups_are_counted_together() -> None:
    """Each is a login; that there are some is no fault."""
    seen = Kept(CopiesView(2, 1, 4000, readable=True), CopiesView(3, 3, 6000, readable=True), (), (), NOW)

    assert judge_kept(seen) == Answer(
        "5 kept logins (10.0 kB): 2 from before changes, 3 scheduled; never start a bot on one"
    )
    assert judge_kept(Kept(NO_COPIES, NO_COPIES, (), (), NOW)) == Answer("no copy and no backup yet")


@pytest.mark.parametrize(("days", "codes"), [(30, []), (31, ["GV231"])])
def test_what_was_set_aside_is_forgotten_after_a_month(days: int, codes: list[str]) -> None:
    """Then it is said, with its size and where it is."""
    aside = PutAway("bots/set-aside", 2, 9000, NOW - timedelta(days=days))

    answer = judge_kept(Kept(NO_COPIES, NO_COPIES, (aside,), (), NOW))

    assert found(answer) == [(code, Level.WARN) for code in codes]


def test_copies_that_cannot_be_counted_are_unknown() -> None:
    """Their owner can."""
    answer = judge_kept(Kept(NO_COPIES, NO_COPIES, (), (("state/copies", "anna"),), NOW))

    assert found(answer) == [("GV232", Level.UNKNOWN)]
    assert answer.troubles[0].command.user == "anna"
