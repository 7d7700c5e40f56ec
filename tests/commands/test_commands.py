"""The commands as people meet them: help, words, colours, silence, exit codes, interruption."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from core.commands.programs import CLEANUP as CLEANUP_PROGRAM
from core.commands.programs import CORE as CORE_PROGRAM
from core.commands.programs import MONITOR as MONITOR_PROGRAM
from core.commands.programs import Program
from core.findings import FINDINGS
from core.state import RunHistory, StateFolder, run_lock
from tests.tool import BARE, CLEANUP, ROOT, Tool

PROGRAMS = ((CLEANUP_PROGRAM, "cleanup"), (MONITOR_PROGRAM, "monitor"), (CORE_PROGRAM, "core"))
COMMANDS = [(program.script, way, name) for program, way in PROGRAMS for name in program.commands]


@pytest.mark.parametrize(("script", "way", "name"), COMMANDS)
def test_every_command_helps_with_examples(tool: Tool, script: str, way: str, name: str) -> None:
    """Each `--help` says what it does and shows at least one command line to copy."""
    helped = getattr(tool, way)(*name.split(), "--help")

    assert helped.returncode == 0
    assert "examples:" in helped.stdout
    assert f"  {script} " in helped.stdout
    assert name in helped.stdout.partition("\n")[0]


@pytest.mark.parametrize(("program", "way"), PROGRAMS)
def test_the_default_help_lists_every_command(tool: Tool, program: Program, way: str) -> None:
    """A reader of --help finds all there is."""
    listed = getattr(Tool(tool.state, {"COLUMNS": "120"}), way)("--help").stdout

    known = program.commands.items()
    assert all(re.search(rf"^  {name} +{re.escape(line)}$", listed, re.MULTILINE) for name, line in known)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "a command is missing · see "),
        (("--json",), "a command is missing · see "),
        (("bots",), "there is no command bots · see "),
        (("rum",), "there is no command, file or folder rum · did you mean run? "),
        (("lgoin", "x"), "there is no command, file or folder lgoin · did you mean login? "),
        (("undo",), "undo belongs to cleanup_sessions.py · "),
    ],
)
def test_a_program_without_a_default_wants_a_command(tool: Tool, words: tuple[str, ...], said: str) -> None:
    """One line, exit code 2."""
    refused = tool.core(*words)

    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert refused.stderr.startswith(said)


def test_no_command_word_means_files(tool: Tool, crashed: Path) -> None:
    """`-n DIR`, `files -n DIR` and `-n files DIR` are the same."""
    shown = {
        tool.cleanup(*words).stdout for words in (("-n", crashed), ("files", "-n", crashed), ("-n", "files", crashed))
    }

    assert len(shown) == 1
    assert "GV102" in shown.pop()


def test_no_folder_means_the_setting(tool: Tool, crashed: Path) -> None:
    """GAVAT_SESSIONS names the folders that are meant when none is given."""
    set_so = Tool(tool.state, {"GAVAT_SESSIONS": str(crashed)})

    assert "2 sessions" in set_so.cleanup("-n").stdout
    assert "there is no such folder · name the folder" in tool.run(*BARE, CLEANUP, "-n").stderr


def test_a_dry_run_may_tell_by_its_exit_code(tool: Tool, crashed: Path) -> None:
    """0 without --exit-code, 4 with it while there is work, 0 again when there is none."""
    before = (tool.cleanup("-n", crashed).returncode, tool.cleanup("-n", "--exit-code", crashed).returncode)
    tool.cleanup(crashed)

    assert before == (0, 4)
    assert tool.cleanup("-n", "--exit-code", crashed).returncode == 0
    assert tool.cleanup("--exit-code", crashed).returncode == 2


def test_quiet_is_silent_when_all_is_well(tool: Tool, crashed: Path) -> None:
    """Cron mails nothing after a good run, and something when a person is needed."""
    good = tool.cleanup("-q", crashed)
    (crashed / "cut.session").write_bytes((crashed / "well.session").read_bytes()[:5000])
    os.utime(crashed / "cut.session", (1, 1))
    bad = tool.cleanup("-q", crashed)

    assert (good.returncode, good.stdout, good.stderr) == (0, "", "")
    assert bad.returncode == 3
    assert "GV120" in bad.stdout


def test_verbose_lists_the_fine_ones_too(tool: Tool, crashed: Path) -> None:
    """Without -v a healthy session is only counted."""
    assert "well" not in tool.cleanup("-n", crashed).stdout.partition("\n")[2]
    assert "well" in tool.cleanup("-n", "-v", crashed).stdout


def test_colour_is_for_terminals_and_on_demand(tool: Tool, crashed: Path) -> None:
    """No escape sequence in a pipe; --color always paints, NO_COLOR and --json do not."""
    assert "\x1b" not in tool.cleanup("-n", crashed).stdout
    assert "\x1b[33mmend" in tool.cleanup("-n", "--color", "always", crashed).stdout
    assert "\x1b" not in tool.cleanup("-n", "--json", "--color=always", crashed).stdout


def test_json_is_one_document_and_errors_are_documents_too(tool: Tool, crashed: Path) -> None:
    """Stdout of --json parses whole, whatever happens."""
    assert json.loads(tool.cleanup("--json", "-n", crashed).stdout)["schema"]["name"] == "gavat.files"
    wrong = tool.cleanup("--json", "--bla")

    assert json.loads(wrong.stdout)["error"]["kind"] == "ConfigError"
    assert wrong.returncode == 2


def test_a_second_run_at_the_same_time_is_refused(tool: Tool, crashed: Path) -> None:
    """Exit code 11, the holder named; looking is still allowed."""
    state = StateFolder(str(tool.state))
    state.make()
    with run_lock(state):
        refused = tool.cleanup(crashed)
        looked = tool.cleanup("-n", crashed)

    assert refused.returncode == 11
    assert f"held by pid {os.getpid()}" in refused.stderr
    assert looked.returncode == 0


def test_sigterm_ends_a_run_with_130_and_whole_files(tool: Tool, crashed: Path) -> None:
    """The signal comes while it works: what was begun is finished, and the next run does the rest."""
    for number in range(150):
        (crashed / f"copy_{number}.session").write_bytes((crashed / "hot.session").read_bytes())
        (crashed / f"copy_{number}.session-journal").write_bytes((crashed / "hot.session-journal").read_bytes())
    with subprocess.Popen([*BARE, CLEANUP, str(crashed)], env=tool.env(), stderr=subprocess.PIPE) as process:
        while not (tool.state / "copies").is_dir() or not any((tool.state / "copies").iterdir()):
            assert process.poll() is None, "the run ended before it could be interrupted"
        process.send_signal(signal.SIGTERM)
        _out, errors = process.communicate()

    assert process.returncode == 130
    assert b"interrupted; every session is whole, in place or in its copy" in errors
    assert tool.cleanup(crashed).returncode == 0
    assert not list(crashed.glob("*-journal"))


def test_a_closed_pipe_is_no_error(tool: Tool, crashed: Path) -> None:
    """`| head -1` leaves no traceback behind."""
    command = f"{' '.join(BARE)} {CLEANUP} -n -v {crashed} | head -1"

    shown = tool.run("bash", "-o", "pipefail", "-c", command)

    assert "Traceback" not in shown.stderr


def test_report_and_locks_show_the_fleet(tool: Tool, crashed: Path) -> None:
    """Counts, copies and the last runs; locks shows what lies beside."""
    tool.cleanup(crashed)
    report = tool.monitor("report", crashed)
    locks = tool.monitor("locks", crashed)

    assert report.returncode == locks.returncode == 0
    assert "2 sessions: 2 fine" in report.stdout
    assert "1 copy of 1 session" in report.stdout
    assert re.search(
        r"^last runs   [-0-9a-f]+  [-0-9]+ [0-9:]+  files \S+  1 change  exit 0$", report.stdout, re.MULTILINE
    )
    assert locks.stdout == "2 sessions: 0 in use, 0 unknown, 2 free\n"


def test_why_tells_facts_findings_and_the_past(tool: Tool, crashed: Path) -> None:
    """Before: the hot journal and what would be done. Afterwards: what was done."""
    before = tool.monitor("why", crashed / "hot").stdout
    tool.cleanup(crashed)
    after = tool.monitor("why", crashed / "hot.session").stdout

    assert "GV102 hot journal" in before
    assert "would: roll back, then DELETE mode" in before
    assert "Done to it before:" in after
    assert tool.monitor("why", crashed / "nothing").returncode == 2
    assert Tool(tool.state, {"GAVAT_SESSIONS": str(crashed)}).monitor("why", "hot").stdout == after


@pytest.mark.parametrize("code", FINDINGS)
def test_every_code_is_explained(tool: Tool, code: str) -> None:
    """Meaning, danger and what to do, for each."""
    explained = tool.monitor("explain", code.lower())

    assert explained.returncode == 0
    assert explained.stdout.startswith(f"{code} {FINDINGS[code].title}")
    assert "Danger:" in explained.stdout
    assert "What to do:" in explained.stdout


def test_an_unknown_code_and_an_unknown_run_are_one_line(tool: Tool) -> None:
    """Exit code 2 and the way to the list."""
    code = tool.monitor("explain", "GV999")
    run = tool.cleanup("undo", "20200101-000000-0000")

    assert (code.returncode, run.returncode) == (2, 2)
    assert code.stderr.count("\n") == run.stderr.count("\n") == 1


def test_undo_without_a_name_lists_the_runs(tool: Tool, crashed: Path) -> None:
    """The newest first, each with when it began, what it did and how it ended."""
    run_id = json.loads(tool.cleanup("--json", crashed).stdout)["run_id"]

    assert re.fullmatch(rf"{run_id}  [-0-9]+ [0-9:]+  files \S+  1 change  exit 0\n", tool.cleanup("undo").stdout)


def test_a_history_without_runs_says_so(tool: Tool) -> None:
    state = StateFolder(str(tool.state))
    state.make()
    with RunHistory.open(state):
        pass

    listed = tool.cleanup("undo")

    assert (listed.returncode, listed.stdout, listed.stderr) == (0, "There is no run yet.\n", "")


INTERRUPTED_AT = """\
import signal, sys

def interrupt(event, arguments):
    if event == sys.argv[1] and arguments[0] == sys.argv[2]:
        sys.argv[1] = ""
        signal.raise_signal(signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores it
sys.addaudithook(interrupt)
sys.path.insert(0, sys.argv[3])
from core.commands.cleanup import main
sys.exit(main(sys.argv[4:]))
"""
"""`cleanup_sessions.py` that gets Ctrl-C at a certain moment (sys.addaudithook)."""


@pytest.mark.parametrize(
    ("moment", "said", "told"),
    [
        (("import", "core.commands.files.work"), "interrupted\n", ""),
        (("open", "FOLDER"), "interrupted; no session was changed\n", "Mended 0 of 2 in "),
    ],
)
def test_an_interruption_tells_only_what_is_true(
    tool: Tool, crashed: Path, moment: tuple[str, str], said: str, told: str
) -> None:
    """Before anything began there is no copy to speak of, and no run to take back."""
    event, argument = (word.replace("FOLDER", str(crashed)) for word in moment)

    done = tool.run(*BARE, "-c", INTERRUPTED_AT, event, argument, ROOT, crashed)

    assert (done.returncode, done.stderr) == (130, said)
    assert told in done.stdout
    assert "Take it back" not in done.stdout
    assert (crashed / "hot.session-journal").exists()
