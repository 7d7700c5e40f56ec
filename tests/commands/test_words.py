"""How the output reads: one row a finding, lines that fit the terminal, slips of the keyboard answered."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from core.commands.files.reporting import Ending, Words, tell
from core.commands.output import Output
from core.session_files import sample_fleet
from core.session_files.looking.inspect import inspect_folder
from core.session_files.plan import plan_folder
from core.session_files.verdicts import FolderReport
from tests.commands.terminal import CLEARED, on_terminal, written_to_terminal
from tests.commands.test_pastable import paste
from tests.session_files.holding import IN_TRANSACTION, LEASED, holding
from tests.tool import BARE, CLEANUP, MONITOR, Tool
from utils.clock import utc_now

EVERY_WIDTH = pytest.mark.parametrize("columns", [60, 80, 100, 140])


@pytest.fixture
def motley(crashed: Path) -> Path:
    """Sessions with two findings, with long ones, and with long names."""
    sample_fleet.crash_in_wal_mode(str(crashed / "open_wal"))
    (crashed / "open_wal.session").chmod(0o644)
    sample_fleet.write_healthy(str(crashed / "a_name_that_is_longer_than_thirty_characters"))
    os.truncate(crashed / "a_name_that_is_longer_than_thirty_characters.session", 8192)
    (crashed / "twin.session").symlink_to("well.session")
    return crashed


def table(text: str) -> list[str]:
    """The lines between headline and commands."""
    return text.split("\n\n")[1].splitlines()


def test_each_finding_has_a_row_of_its_own(tool: Tool, motley: Path) -> None:
    """State, name and step stand on the first; the columns stay columns."""
    rows = table(tool.cleanup("-n", motley).stdout)
    (first,) = (row for row in rows if " open_wal " in row)
    second = rows[rows.index(first) + 1]

    assert re.search(
        r"^  mend +open_wal +GV104  29 frames wait in the WAL +checkpoint, then DELETE mode, then set", first
    )
    assert re.search(r"^ +GV111  readable by everyone \(0644\)$", second)
    assert first.index("GV104") == second.index("GV111")


@EVERY_WIDTH
@pytest.mark.parametrize("words", [(CLEANUP, "-n"), (MONITOR, "report"), (MONITOR, "locks"), (MONITOR, "why", "hot")])
def test_lines_fit_the_terminal(tool: Tool, motley: Path, words: tuple[str, ...], columns: int) -> None:
    """All but commands, paths and the closing sentences, which are wrapped by the terminal and copied whole."""
    script, *rest = words
    place = str(motley / rest.pop()) if len(rest) == 2 else str(motley)
    shown = on_terminal([*BARE, script, "--color", "never", *rest, place], columns=columns, environ=tool.env())

    long = [line for line in shown.splitlines() if len(line) > columns and line.startswith("  ")]

    assert "GV1" in shown or "locks" in rest
    assert [line for line in long if str(motley) not in line] == []


@EVERY_WIDTH
def test_nothing_is_cut_on_a_terminal(tool: Tool, motley: Path, columns: int) -> None:
    """The same words as in a pipe, in other lines; but a young file grows older meanwhile."""
    before = tool.cleanup("-n", motley).stdout
    shown = on_terminal([*BARE, CLEANUP, "--color", "never", "-n", str(motley)], columns=columns, environ=tool.env())
    after = tool.cleanup("-n", motley).stdout

    assert _words(shown) in (_words(before), _words(after))


def _words(text: str) -> list[str]:
    return sorted(re.sub(r"\b\d+ s\b", "some s", text.replace("→", " ")).split())


def test_a_pipe_has_one_line_for_each_finding(tool: Tool, motley: Path) -> None:
    """Whatever the width of the terminal it was started from."""
    narrow = Tool(tool.state, {"COLUMNS": "40"})

    rows = table(narrow.cleanup("-n", motley).stdout)

    assert len(rows) == len([row for row in rows if "GV" in row]) == 5


@pytest.mark.parametrize(
    ("script", "word", "answer"),
    [
        (CLEANUP, "undoo", "there is no command, file or folder undoo · did you mean undo? "),
        (CLEANUP, "reprot", "there is no command, file or folder reprot · did you mean report of monitor_system.py? "),
        (MONITOR, "reprot", "there is no command, file or folder reprot · did you mean report? "),
        (MONITOR, "undo", "undo belongs to cleanup_sessions.py · "),
        (CLEANUP, "why", "why belongs to monitor_system.py · "),
        (CLEANUP, "salvage", "there is no command, file or folder salvage · did you mean files salvage? "),
        (MONITOR, "status", "there is no command, file or folder status · commands: report, locks, why, doctor, "),
    ],
)
def test_a_slip_is_answered_with_the_command(tool: Tool, script: str, word: str, answer: str) -> None:
    """One line, exit code 2, and the call as it was meant."""
    refused = tool.run(*BARE, script, "--color", "never", word, "x y")

    first = refused.stderr.splitlines()[0]
    assert refused.returncode == 2
    assert first.startswith(answer)
    assert first.endswith("'x y'") or "commands: " in answer
    assert (refused.stdout, refused.stderr.count("\n")) == ("", 1)


def test_the_word_behind_an_option_is_no_command(tool: Tool, crashed: Path) -> None:
    """Whatever it is like."""
    done = tool.run("bash", "-c", f"cd {crashed} && {' '.join(BARE)} {CLEANUP} --plan-out undoo {crashed}")

    assert (done.returncode, done.stderr) == (0, "")
    assert (crashed / "undoo").exists()


def test_a_proposed_command_of_two_words_is_two_words(tool: Tool, crashed: Path) -> None:
    """`cleanup_sessions.py 'files salvage'` would be one that nobody knows."""
    refused = tool.cleanup("salvage", "-n", crashed)

    assert "cleanup_sessions.py files salvage -n " in refused.stderr
    assert paste(refused.stderr.partition("? ")[2].strip()).returncode == 0


@pytest.mark.parametrize("script", [CLEANUP, MONITOR])
def test_a_session_in_the_place_of_a_folder_is_told_with_or_without_its_ending(
    tool: Tool, crashed: Path, script: str
) -> None:
    short, whole = (tool.run(*BARE, script, crashed / name) for name in ("well", "well.session"))

    assert (short.returncode, short.stdout, short.stderr) == (2, "", whole.stderr)
    assert short.stderr.startswith(f"{crashed}/well.session: is a file, not a folder of sessions · ")


def test_a_report_of_folders_that_are_not_there_is_no_report(tool: Tool, crashed: Path) -> None:
    """Nothing stands before the mistake; as JSON it is in the document."""
    missing = tool.monitor("report", crashed / "a", crashed / "b")

    assert (missing.returncode, missing.stdout) == (2, "")
    assert missing.stderr == "".join(f"{crashed}/{name}: there is no such folder\n" for name in "ab")
    assert json.loads(tool.monitor("--json", crashed / "a").stdout)["schema"]["name"] == "gavat.report"


def test_a_misspelt_session_is_answered_with_the_nearest(tool: Tool, crashed: Path) -> None:
    """By a path that can be pasted."""
    refused = tool.cleanup("files", "prune", "-n", "--older", "1d", crashed / "wel")

    assert refused.returncode == 2
    assert refused.stderr == f"{crashed}/wel: there is no such folder or session · did you mean {crashed}/well?\n"


def test_the_last_runs_are_broken_between_words(tool: Tool, crashed: Path) -> None:
    """The terminal would break them anywhere."""
    tool.run("bash", "-c", f"cd {crashed.parent} && {' '.join(BARE)} {CLEANUP} sessions")

    shown = on_terminal([*BARE, MONITOR, str(crashed)], columns=60, environ=tool.env()).splitlines()

    (first,) = (index for index, line in enumerate(shown) if line.startswith("last runs"))
    told = shown[first : first + 4]
    assert [line for line in told if len(line) > 60] == []
    assert "files sessions 1 change exit 0" in " ".join(" ".join(told).split())


def test_a_place_without_logs_reads_as_a_sentence(tool: Tool, crashed: Path) -> None:
    usual, named = (tool.monitor("report", *words, crashed).stdout for words in ((), ("--logs", crashed)))

    assert "\nlogs        there is no *.log in logs/ or the current folder; --logs DIR names another folder" in usual
    assert f"\nlogs        there is no *.log in {crashed}/; --logs DIR" in named


def test_a_run_that_changed_nothing_offers_no_way_back(crashed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There was something to mend, and it was not mended: a folder of somebody else, say."""
    now = utc_now()
    seen = inspect_folder(str(crashed))
    reports = [FolderReport(plan_folder(seen.folder, seen.files, now=now, min_age=timedelta(0)), {})]
    ending = Ending(reports, [], "20261121-084126-3f2a", 3, now, 0.1, "copies", Words())

    tell(ending, Output(json=False, colour=False, quiet=False), quiet=False, verbose=False)

    assert capsys.readouterr().out.endswith("\nMended 0 of 2 in 0.10 s.\n")


def test_a_folder_that_is_named_like_a_command_of_the_other_script_is_a_folder(tool: Tool, tmp_path: Path) -> None:
    """What exists is what is meant."""
    (tmp_path / "locks").mkdir(mode=0o700)

    done = tool.run("bash", "-c", f"cd {tmp_path} && {' '.join(BARE)} {CLEANUP} -n locks")

    assert (done.returncode, done.stderr) == (0, "")


def test_who_holds_a_session_is_said_once(tool: Tool, crashed: Path) -> None:
    """No word stands twice in a row, and the evidence is not repeated."""
    sample_fleet.write_healthy(str(crashed / "leased"))
    with holding(IN_TRANSACTION, crashed / "busy.session"), holding(LEASED, crashed / "leased.session"):
        locks = tool.monitor("locks", crashed).stdout
        why = tool.monitor("why", crashed / "busy").stdout

    assert re.search(
        r"^  in use   busy +pid \d+ python.* since \S+, holds a SQLite lock; beside it: -journal", locks, re.MULTILINE
    )
    assert re.search(
        r"^  in use   leased +pid \d+ python.* since \S+, holds its lock file$",
        locks,
        re.MULTILINE,
    )
    assert re.search(r"^  free     hot +nobody \(write lease\); beside it: -journal", locks, re.MULTILINE)
    assert re.search(r"^  holder    pid \d+ python.* since \S+, holds a SQLite lock$", why, re.MULTILINE)
    assert re.search(r"\b(\w+)\b:? \1\b", locks + why) is None


def test_a_file_that_was_not_read_because_it_is_in_use_is_said_to_be_so(tool: Tool, crashed: Path) -> None:
    """Its journal mode is no riddle."""
    with holding(LEASED, crashed / "well.session"):
        why = tool.monitor("why", crashed / "well").stdout

    assert "\n  journal   mode not read while in use\n" in why


def test_json_tells_what_was_done(tool: Tool, crashed: Path) -> None:
    """`detail` of a mended session is not empty."""
    (crashed / "gone.session-journal").write_bytes((crashed / "hot.session-journal").read_bytes())
    document = tool.files(crashed)

    told = {one["name"]: (one["detail"], one["set_aside"]) for one in document["folders"][0]["sessions"]}

    aside = f"set-aside/{document['run_id']}"
    assert told == {
        "hot": ("rolled back, DELETE mode", None),
        "gone": (f"moved to {aside}", str(crashed / aside)),
        "well": ("", None),
    }


def test_the_holder_of_the_sample_fleet_looks_like_a_bot(tool: Tool, tmp_path: Path) -> None:
    """`python bot.py`, as in a process table, and its script leaves nothing behind."""
    made = tool.run(sys.executable, CLEANUP, "demo", "--json", tmp_path / "fleet")
    holder = json.loads(made.stdout)["holder_pid"]
    try:
        shown = tool.monitor("locks", tmp_path / "fleet").stdout
        script = Path(f"/proc/{holder}/cmdline").read_text(encoding="utf-8").split("\0")[-2]
    finally:
        os.kill(holder, signal.SIGTERM)

    assert re.search(rf"  shop_01  pid {holder} python\S* bot.py since ", shown)
    assert not os.path.exists(script)


AT_ONCE = (
    "import os, sys; sys.path.insert(0, os.path.dirname(sys.argv[1]))\n"
    "import core.commands.output as output\n"
    "import core.commands.cleanup as cleanup\n"
    "output._QUIET_START = output._REDRAW = 0.0\n"
    "sys.exit(cleanup.main(sys.argv[2:]))"
)
"""A command whose progress is seen from its first moment on."""


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        ((), ("looked at 1 of 2", "looked at 2 of 2", "mend 1 of 1")),
        (("backup",), ("back up 1 of 2", "back up 2 of 2")),
        (("repair-schema",), ("looked at 1 of 2", "looked at 2 of 2")),
    ],
)
def test_progress_says_how_much_there_is_to_do(
    tool: Tool, crashed: Path, verb: tuple[str, ...], words: tuple[str, ...]
) -> None:
    """On a terminal; in a pipe there is no such line."""
    command = [sys.executable, "-c", AT_ONCE, CLEANUP, "files", *verb, str(crashed)]

    piped = tool.run(*command, "-n")
    shown = written_to_terminal(command, columns=200, environ=tool.env())

    assert CLEARED not in piped.stderr
    drawn = re.findall(re.escape(f"{CLEARED}{crashed}: ") + r"([^\r]*)", shown)
    assert tuple(drawn) == words
