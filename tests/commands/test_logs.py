"""Log lines: one a change or failure, with run id, path and code, for whoever reads stderr by machine."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from telethon.tl.functions.messages import SendMessageRequest

from core.commands.logs import RunLog
from core.commands.output import Output
from core.commands.run_logs import log_to_stderr
from core.errors import FolderReadOnly
from core.session_files.model import EntryResult, Outcome, PlanEntry
from tests.deciders.builders import inspection, journal, plan
from tests.tool import Tool

RUN = "20261121-084126-3f2a"


@pytest.fixture
def entry() -> PlanEntry:
    return plan(inspection(journal()))


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_a_change_is_one_line_of_text(capsys: pytest.CaptureFixture[str], entry: PlanEntry) -> None:
    """When, level, run, code, absolute path, what was done."""
    RunLog(RUN, "text").result(EntryResult(entry, Outcome.DONE))

    (line,) = lines_of(capsys)
    path = os.path.abspath(entry.seen.family.path)
    assert line.endswith(f"Z INFO gavatcore.files run {RUN} GV102 {path}: mended: rolled back, DELETE mode")


def test_a_failure_is_an_error(capsys: pytest.CaptureFixture[str], entry: PlanEntry) -> None:
    """With the code of the failure; what was left alone for a good reason is none."""
    log = RunLog(RUN, "json")
    log.result(EntryResult(entry, Outcome.FAILED, "no copy could be made", "GV150"))
    log.result(EntryResult(entry, Outcome.LEFT_ALONE, "it changed", "GV142"))
    log.left(entry)
    log.problem(FolderReadOnly("nothing was changed", path="/srv/bots"))

    told = [json.loads(line) for line in lines_of(capsys)]
    assert [one["level"] for one in told] == ["ERROR", "INFO", "ERROR", "ERROR"]
    assert [one["code"] for one in told] == ["GV150", "GV142", "GV102", None]
    assert {one["run_id"] for one in told} == {RUN}
    assert told[-1] | {"at": ""} == {
        "at": "",
        "level": "ERROR",
        "logger": "gavatcore.files",
        "run_id": RUN,
        "path": "/srv/bots",
        "code": None,
        "message": "nothing was changed",
    }


def test_a_folder_that_was_made_private_has_a_line(tool: Tool, crashed: Path) -> None:
    """With the mode that it had; a run that changes no folder says nothing of it."""
    crashed.chmod(0o755)
    with_lines = Tool(tool.state, {"GAVAT_LOG_FORMAT": "json"})

    told = [json.loads(line) for line in with_lines.cleanup(crashed).stderr.splitlines()]
    again = with_lines.cleanup(crashed).stderr

    (line,) = (one for one in told if one["path"] == str(crashed))
    assert (line["level"], line["code"], line["message"]) == ("INFO", "GV112", "mended: set 0700, was 0755")
    assert again == ""


@pytest.mark.parametrize("style", ["text", "json"])
def test_a_hostile_name_forges_no_line(capsys: pytest.CaptureFixture[str], entry: PlanEntry, style: str) -> None:
    """Newlines and escape sequences of a file name are written as escapes."""
    family = entry.seen.family._replace(path="/srv/x\n<3>forged\x1b[31m\udce9.session")
    hostile = entry._replace(seen=entry.seen._replace(family=family))

    RunLog(RUN, style).result(EntryResult(hostile, Outcome.DONE))

    (line,) = lines_of(capsys)
    assert line.isprintable()


def test_the_journal_is_told_the_priority(
    capsys: pytest.CaptureFixture[str], entry: PlanEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where stderr is the journal's own socket, and nowhere else."""
    RunLog(RUN, "text").left(entry)
    stderr = os.fstat(2)
    monkeypatch.setattr(type(sys.stderr), "fileno", lambda _self: 2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{stderr.st_dev}:{stderr.st_ino}")
    RunLog(RUN, "text").left(entry)

    without, with_priority = lines_of(capsys)
    assert not without.startswith("<")
    assert with_priority.startswith("<3>")


def test_another_format_is_refused(tool: Tool) -> None:
    """Exit code 2, and what may stand there."""
    refused = Tool(tool.state, {"GAVAT_LOG_FORMAT": "xml"}).cleanup("-n")

    assert refused.returncode == 2
    assert "GAVAT_LOG_FORMAT: «xml» is no format of log lines · write text or json" in refused.stderr


@pytest.fixture
def _own_loggers() -> Iterator[None]:
    """What a fleet's process sets for all loggers is taken back."""
    root, ours = logging.getLogger(), logging.getLogger("gavatcore")
    before = (root.handlers, root.level, ours.level)
    yield
    root.handlers = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])
    logging.captureWarnings(capture=False)


@pytest.mark.usefixtures("_own_loggers")
def test_a_traceback_follows_in_lines_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """Indented, so that no text of an exception can be taken for another line."""
    log_to_stderr("text", Output(json=False, colour=False, quiet=False), quiet=False, verbose=False)
    try:
        raise ValueError("x\n2026-11-21T08:41:26Z INFO gavatcore.fleet: forged")
    except ValueError:
        logging.getLogger("gavatcore.fleet").exception("alice: a handler\nfailed")

    first, *others = lines_of(capsys)
    assert first.endswith("Z ERROR gavatcore.fleet: alice: a handler\\nfailed")
    assert all(line.startswith("    ") for line in others)
    assert any("forged" in line for line in others)


@pytest.mark.usefixtures("_own_loggers")
def test_a_fleet_writes_no_request_and_no_bytes_of_telethons(capsys: pytest.CaptureFixture[str]) -> None:
    """A request holds texts and phone numbers; bytes may be a key."""
    log_to_stderr("text", Output(json=False, colour=False, quiet=False), quiet=False, verbose=False)
    telethon = logging.getLogger("telethon.network.mtprotosender")
    request = SendMessageRequest("me", "the text of a message")

    telethon.info("connecting")
    telethon.error("Request caused struct.error: %s: %s", "short", request)
    telethon.warning("remaining data %r", b"a key")

    assert [line.partition(": ")[2] for line in lines_of(capsys)] == [
        "Request caused struct.error: short: SendMessageRequest",
        "remaining data '5 bytes'",
    ]


@pytest.mark.usefixtures("_own_loggers")
@pytest.mark.parametrize(("options", "levels"), [((False, False), "IW"), ((True, False), "W"), ((False, True), "DIW")])
def test_a_quiet_fleet_says_less_and_a_verbose_one_more(
    capsys: pytest.CaptureFixture[str], options: tuple[bool, bool], levels: str
) -> None:
    """Of our own lines; of all other libraries from WARNING on."""
    quiet, verbose = options
    log_to_stderr("text", Output(json=False, colour=False, quiet=quiet), quiet=quiet, verbose=verbose)
    for name in ("gavatcore.fleet", "somebody"):
        for level in (logging.DEBUG, logging.INFO, logging.WARNING):
            logging.getLogger(name).log(level, "x")

    told = [line.split(" ")[1:3] for line in lines_of(capsys)]
    assert "".join(level[0] for level, name in told if name == "gavatcore.fleet:") == levels
    assert [level for level, name in told if name == "somebody:"] == ["WARNING"]
