"""`monitor_system.py doctor`: from a command line to lines, a document and an exit code; and the report's new facts."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.commands import monitor
from core.commands.doctor import command_text
from core.monitoring.doctor import CHECKS, Command
from core.session_files import sample_fleet
from tests.commands.terminal import on_terminal
from tests.session_files.holding import IDLE, holding
from tests.tool import BARE, MONITOR, Tool
from utils.leases import open_without_access_time

NAMES = [check.name for check in CHECKS]


@pytest.fixture
def twins(tmp_path: Path) -> Path:
    """Two sessions that hold one login, and one of its own."""
    folder = tmp_path / "bots"
    folder.mkdir(mode=0o700)
    sample_fleet.write_healthy(str(folder / "a"))
    sample_fleet.write_healthy(str(folder / "b"))
    shutil.copy(folder / "a.session", folder / "copy_of_a.session")
    return folder


def doctor(tool: Tool, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return tool.monitor("doctor", *words)


def document(tool: Tool, *words: str | Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(doctor(tool, "--json", *words).stdout)
    return found


def everything(folder: Path) -> dict[str, tuple[object, ...]]:
    """Every file with its bytes, and with its times where git does not read (`.git`)."""
    return {str(path): _seen(path) for path in folder.rglob("*")}


def _seen(path: Path) -> tuple[object, ...]:
    stat = path.lstat()
    if not path.is_file():
        return (stat.st_mode, stat.st_mtime_ns)
    descriptor = open_without_access_time(str(path))
    with open(descriptor, "rb") as opened:
        content = opened.read()
    return (stat.st_mode, stat.st_mtime_ns, None if ".git" in path.parts else stat.st_atime_ns, content)


def test_a_login_in_two_files_is_critical(tool: Tool, twins: Path) -> None:
    """Named worst first, with the command that tells more; exit code 2."""
    done = doctor(tool, "--sessions", twins)

    first, second, third = done.stdout.splitlines()[:3]
    assert (done.returncode, done.stderr) == (2, "")
    assert first.split()[:3] == ["✗", "crit", "same-login"]
    assert second.split(maxsplit=1) == ["GV212", f"the same login in {twins}/a.session, {twins}/copy_of_a.session"]
    assert "monitor_system.py why " in third
    assert "1 critical" in done.stdout.splitlines()[-1]


def test_the_key_is_not_shown(tool: Tool, twins: Path) -> None:
    """Not in text, not in JSON, not as hexadecimal."""
    with closing(sqlite3.connect(twins / "a.session")) as opened:
        (key,) = opened.execute("SELECT auth_key FROM sessions").fetchone()
    shown = doctor(tool, "--sessions", twins).stdout + json.dumps(document(tool, "--sessions", twins))

    assert len(key) == 256
    assert key.hex()[:16] not in shown.lower()
    assert key.decode("latin-1")[:8] not in shown


def test_looking_writes_nothing(tool: Tool, twins: Path) -> None:
    """No state folder, no key for fingerprints, no access time."""
    sample_fleet.crash_in_large_transaction(str(twins / "hot"))
    subprocess.run(["git", "-C", twins.parent, "init", "--quiet"], check=True)
    before = everything(twins.parent)

    doctor(tool, "--sessions", twins)

    assert everything(twins.parent) == before


def test_only_the_checks_that_are_named_are_made(tool: Tool, twins: Path) -> None:
    """In their usual order; all is well in them."""
    done = doctor(tool, "schemas", "user", "--sessions", twins)

    assert done.returncode == 0
    assert [line.split()[2] for line in done.stdout.splitlines()[:2]] == ["user", "schemas"]
    assert done.stdout.splitlines()[-1] == "2 checks, nothing found."


def test_checks_are_listed_and_not_made(tool: Tool, tmp_path: Path) -> None:
    """One line each; no folder is needed for that."""
    done = doctor(tool, "--list-checks", "--sessions", tmp_path / "missing")
    listed = document(tool, "--list-checks")

    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines()] == NAMES
    assert [one["name"] for one in listed["checks"]] == NAMES
    assert {one["level"] for one in listed["checks"]} == {listed["level"]} == {None}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["clok"], "there is no check clok · did you mean clock?"),
        (["zzz\x1b"], "there is no check zzz\\e · there are: user, holders"),
        (["/"], "/: is a folder, not a check · folders are named so: "),
        (["--sessions", "/nowhere/at/all"], "/nowhere/at/all: there is no such folder"),
    ],
)
def test_what_is_asked_wrongly_is_unknown(tool: Tool, words: list[str], said: str) -> None:
    """Exit code 3, as a plugin of Nagios; one line on stderr says what was meant."""
    asked = doctor(tool, "schemas", *words) if words[0].startswith("--") else doctor(tool, *words)

    assert asked.returncode == 3
    assert asked.stderr.startswith(said)
    assert len(asked.stderr.splitlines()) == 1


def test_a_folder_that_is_not_there_does_not_hide_what_is_wrong(tool: Tool, twins: Path) -> None:
    """The critical one decides; the missing one is named."""
    done = doctor(tool, "same-login", "--sessions", twins, "--sessions", twins / "missing")

    assert done.returncode == 2
    assert "there is no such folder" in done.stderr


def test_sessions_in_a_repository_are_told_with_a_line_that_helps(tool: Tool, twins: Path) -> None:
    """Pasted into a shell, each ends its trouble; the files stay."""
    subprocess.run(["git", "-C", twins.parent, "init", "--quiet"], check=True)
    subprocess.run(["git", "-C", twins, "add", "a.session"], check=True)
    before = document(tool, "git", "--sessions", twins)
    for finding in before["checks"][0]["findings"]:
        subprocess.run(["bash", "-ec", finding["command"]], check=True, capture_output=True)

    after = document(tool, "git", "--sessions", twins)

    assert [finding["code"] for finding in before["checks"][0]["findings"]] == ["GV221", "GV222"]
    assert before["exit_code"] == 2
    assert (after["exit_code"], after["checks"][0]["findings"]) == (0, [])
    assert (twins / "a.session").exists()


def test_a_readable_session_is_told_with_a_line_that_helps(tool: Tool, twins: Path) -> None:
    """It mends by the usual way, with a history."""
    (twins / "b.session").chmod(0o644)
    (finding,) = document(tool, "modes", "--sessions", twins)["checks"][0]["findings"]

    subprocess.run(["bash", "-ec", finding["command"]], check=True, capture_output=True, env=tool.env())

    assert finding["code"] == "GV111"
    assert (twins / "b.session").stat().st_mode & 0o777 == 0o600
    assert document(tool, "modes", "--sessions", twins)["level"] == "ok"


def test_a_readable_gavat_toml_with_a_secret_is_told_with_a_line_that_helps(
    tool: Tool, twins: Path, tmp_path: Path
) -> None:
    """Of the secret the name is told, and nothing else."""
    config = tmp_path / "gavat.toml"
    config.write_text("[client]\napi_id = 1\napi_hash = 'sesame'\n")
    config.chmod(0o644)
    tool = Tool(tool.state, {"GAVAT_CONFIG": str(config)})
    seen = document(tool, "modes", "--sessions", twins)
    (finding,) = seen["checks"][0]["findings"]

    subprocess.run(["bash", "-ec", finding["command"]], check=True, capture_output=True, env=tool.env())

    assert (finding["code"], "sesame" in json.dumps(seen)) == ("GV225", False)
    assert finding["evidence"] == f"{config} has mode 0644 and holds a secret: api_hash"
    assert document(tool, "modes", "--sessions", twins)["level"] == "ok"


def test_a_full_disk_is_told(twins: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In the process itself, where the disk can be made tiny."""
    tiny = os.statvfs_result((4096, 4096, 1000, 100, 100, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _path: tiny)

    code = monitor.main(["doctor", "disk-space", "--sessions", str(twins)])

    shown = capsys.readouterr().out
    assert code == 2
    assert "GV241  409.6 kB of 4.1 MB free below" in shown
    assert f"→ df -h -- {twins}" in shown


def test_a_file_of_the_future_is_told(tool: Tool, twins: Path) -> None:
    """By its name and how far it is ahead."""
    ahead = datetime(2099, 1, 1, tzinfo=UTC).timestamp()
    os.utime(twins / "b.session", (ahead, ahead))

    findings = document(tool, "clock", "--sessions", twins)["checks"][0]["findings"]

    assert findings[0]["code"] == "GV251"
    assert f"{twins}/b.session was written " in findings[0]["evidence"]


def test_a_hostile_name_drives_no_terminal_and_breaks_no_command(tool: Tool, tmp_path: Path) -> None:
    """It is escaped in evidence and quoted in commands."""
    folder = tmp_path / os.fsdecode(b"-x\x1b[31m\n$(touch pwned) \xff")
    folder.mkdir(mode=0o700)
    for name in ("a", "b\nOK fine"):
        shutil.copy(_healthy(tmp_path), folder / f"{name}.session")
    subprocess.run(["git", "-C", tmp_path, "init", "--quiet"], check=True)

    done = doctor(tool, "same-login", "git", "--sessions", folder)

    assert "\x1b" not in done.stdout
    assert "\nOK fine" not in done.stdout
    for line in done.stdout.splitlines():
        if line.lstrip().startswith("→ "):
            shlex.split(line.partition("→ ")[2])
    for check in document(tool, "same-login", "git", "--sessions", folder)["checks"]:
        for finding in check["findings"]:
            subprocess.run(["bash", "-c", finding["command"]], check=False, cwd=tmp_path, capture_output=True)
    assert not list(tmp_path.rglob("pwned"))


def _healthy(tmp_path: Path) -> Path:
    if not (tmp_path / "one.session").exists():
        sample_fleet.write_healthy(str(tmp_path / "one"))
    return tmp_path / "one.session"


@pytest.mark.parametrize("columns", [60, 100])
def test_lines_fit_the_terminal(tool: Tool, twins: Path, columns: int) -> None:
    """All but the commands, which are to be pasted whole."""
    shown = on_terminal(
        [*BARE, MONITOR, "doctor", "--color", "never", "--sessions", str(twins)], columns=columns, environ=tool.env()
    )

    lines = [line for line in shown.splitlines() if "→" not in line and "/" not in line]
    assert lines
    assert max(map(len, lines)) <= columns


def test_colours_come_on_top_of_signs_and_words(tool: Tool, twins: Path) -> None:
    """Never instead of them."""
    shown = doctor(tool, "same-login", "--color", "always", "--sessions", twins).stdout

    assert "\x1b[31m✗ crit   \x1b[0m  same-login" in shown


def test_report_tells_of_logs_and_of_processes(tool: Tool, twins: Path) -> None:
    """With the environment's Python, which has psutil; names escaped, arguments masked."""
    logs = twins.parent / "logs"
    logs.mkdir()
    (logs / "bot\n.log").write_text("database is locked\n" * 3 + "status=429\n", encoding="utf-8")
    (logs / "quiet.log").write_text("all is well\n", encoding="utf-8")
    words: list[str | Path] = [sys.executable, MONITOR, "report", "--logs", logs, twins]
    with holding(IDLE, twins / "b.session", "123456:secret-token") as pid:
        shown = tool.run(*words).stdout
        told = json.loads(tool.run(*words, "--json").stdout)

    assert "\nlogs        2 files, " in shown
    assert "3 × database is locked, 1 × 429\n" in shown
    assert "bot\\n.log" in shown
    assert f"pid {pid} " in shown
    assert "holds b\n" in shown
    assert "secret-token" not in shown + json.dumps(told)
    assert [one["sessions"] for one in told["processes"] if one["pid"] == pid] == [[f"{twins}/b.session"]]
    assert {one["locked"] for one in told["logs"]["files"]} == {0, 3}
    assert told["gpt"]["processes"] == 0


def test_report_says_what_it_cannot_tell_without_psutil(tool: Tool, twins: Path) -> None:
    """On a bare Python; the sessions are reported all the same."""
    done = tool.monitor("report", twins)

    assert done.returncode == 0
    assert "\nprocesses   not looked for: psutil is not installed" in done.stdout
    assert "\ngpt         no live bot asks a model\n" in done.stdout
    assert json.loads(tool.monitor("report", "--json", twins).stdout)["processes"] is None


def test_a_folder_of_logs_that_is_not_there_is_an_error(tool: Tool, twins: Path) -> None:
    """Only the usual places may be missing."""
    done = tool.monitor("report", "--logs", twins / "missing", twins)

    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no such folder of logs" in done.stderr


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (Command(("df", "-h", "--", "a b")), "df -h -- 'a b'"),
        (Command(("echo", "*.session*"), append_to="/r/.git ignore"), "echo '*.session*' >> '/r/.git ignore'"),
        (Command(("git", "-C", "x", "ls-files"), user="#42"), "sudo -u '#42' git -C x ls-files"),
    ],
)
def test_a_command_is_written_for_a_shell(command: Command, text: str) -> None:
    """Each word stays one word; a user without a name is no comment."""
    assert command_text(command) == text


def test_this_very_command_is_written_for_another_user() -> None:
    """Root where nobody else is named."""
    assert command_text(Command(user="#42")).startswith("sudo -u '#42' ")
    assert command_text(Command()).startswith("sudo -u root ")


def test_a_wrong_option_of_the_doctor_is_no_critical_finding(tool: Tool) -> None:
    """Its 2 means critical, so that a monitoring system reads usage errors as unknown."""
    assert tool.monitor("doctor", "--no-such-option").returncode == 3
    assert tool.monitor("report", "--no-such-option").returncode == 2
