"""What the commands print with --json, over a fleet of really crashed sessions, is what the schemas say."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.commands.documents import session_document
from core.findings import FINDINGS
from core.state import StateFolder, run_lock
from tests.deciders.builders import file_stat, inspection, plan
from tests.documents.schemas import PREFIX, SCHEMAS, closed, errors
from tests.state.builders import ELSEWHERE, bot, process, put_file
from tests.telegram import TelegramThread
from tests.tool import CLEANUP, CORE, MONITOR, Tool
from utils.clock import utc_now

Document = dict[str, Any]


@dataclass(frozen=True)
class Printed:
    """One call of a command and the document that it printed."""

    command: str
    exit_code: int
    document: Document

    @property
    def name(self) -> str:
        return str(self.document["schema"]["name"])


@dataclass(frozen=True)
class Commands:
    """The programs with `--json`, each output kept."""

    tool: Tool
    kept: list[Printed]

    def cleanup(self, *arguments: str | Path) -> Document:
        return self._run(CLEANUP, *arguments)

    def monitor(self, *arguments: str | Path) -> Document:
        return self._run(MONITOR, *arguments)

    def core(self, *arguments: str | Path) -> Document:
        return self._run(CORE, *arguments)

    def _run(self, script: str, *arguments: str | Path) -> Document:
        done = self.tool.run(sys.executable, script, *arguments, "--json")
        command = " ".join([Path(script).name, *map(str, arguments)])
        try:
            document: Document = json.loads(done.stdout)
        except ValueError:
            pytest.fail(f"{command} printed no JSON: {done.stdout[:300]}{done.stderr[-300:]}")
        self.kept.append(Printed(command, done.returncode, document))
        return document


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> list[Printed]:
    """Every command, one after the other, over one sample fleet: looked at, mended, taken back."""
    base = tmp_path_factory.mktemp("documents")
    commands = Commands(Tool(base / "state"), [])
    (base / "bot.log").write_text("database is locked\n", encoding="utf-8")
    holder = commands.cleanup("demo", base / "fleet")["holder_pid"]
    try:
        look_at(commands, base / "fleet")
        mend_and_take_back(commands, base / "fleet")
        plan_and_apply(commands, base)
        log_in(commands, base)
        fail(commands, base)
    finally:
        os.kill(holder, signal.SIGTERM)
    return commands.kept


def publish_bots(state: StateFolder, fleet: Path) -> None:
    """A process of this host that is heard of, one of another host that is not, and what is no status."""
    session = bot("shop_01", path=str(fleet / "shop_01.session"), state="flooded", until=utc_now(), restarts=1)
    now = utc_now()
    spent = {"day": now.date().isoformat(), "tokens": 900, "money": 0.02, "daily_money": 1.0, "bots": 2}
    asked = {"hits": 3, "circuit": "open", "failures": {"quota": 1}, "budgets": {"openai": spent}}
    put_file(state, process(session, bot("shop_02", state="waiting"), at=now, rooms={"gpt": asked}, problem="x"))
    elsewhere = {"process": "eu-2.1.1", "host": "eu-2", "identity": ELSEWHERE}
    put_file(state, process(bot("shop_03"), **elsewhere))
    Path(state.status, "bad.json").touch()


def look_at(commands: Commands, fleet: Path) -> None:
    publish_bots(StateFolder(str(commands.tool.state)), fleet)
    commands.cleanup("files", "-n", fleet)
    commands.cleanup("-n", "--exit-code", "--deep", fleet)
    commands.monitor("report", fleet)
    commands.monitor("locks", fleet)
    for name in ("shop_01", "shop_02", "shop_03", "shop_07", "shop_10", "shop_11"):
        commands.monitor("why", fleet / name)
    commands.monitor("doctor", "--sessions", fleet)
    commands.monitor("doctor", "--list-checks")
    commands.monitor("doctor", "schemas", "--sessions", fleet)
    commands.monitor("report", "--logs", fleet.parent, fleet)
    commands.monitor("explain")
    commands.monitor("explain", "gv102")


def mend_and_take_back(commands: Commands, fleet: Path) -> None:
    strange_things(fleet)
    run_id = commands.cleanup("files", "--deep", fleet)["run_id"]
    commands.monitor("why", fleet / "shop_03")
    commands.monitor("report", "--deep", fleet)
    care_for(commands, fleet)
    commands.cleanup("undo", run_id)
    commands.cleanup("undo")
    commands.monitor("report", fleet, fleet / "missing")


def plan_and_apply(commands: Commands, base: Path) -> None:
    commands.cleanup("files", fleet := base / "fleet", "--plan-out", plan := base / "plan.json")
    commands.kept.append(Printed("--plan-out", 0, json.loads(plan.read_text(encoding="utf-8"))))
    commands.cleanup("--apply", plan)
    commands.cleanup("files", "-n", "--quarantine", fleet)


def log_in(commands: Commands, base: Path) -> None:
    """The session is logged in already; `test_login.py` checks the document of a new login, `test_run.py` of a run."""
    application = Tool(base / "state", {"GAVAT_API_ID": "1", "GAVAT_API_HASH": "hash"})
    with TelegramThread() as server:
        alice = server.call(lambda telegram: telegram.add_user("alice"))
        path = server.call(lambda _telegram: alice.session_file(base / "alice.session"))
        Commands(application, commands.kept).core("login", path)
        Commands(application, commands.kept).core("run", "-n", path)


def care_for(commands: Commands, fleet: Path) -> None:
    commands.cleanup("files", "prune", "-n", "--keep", "5", fleet)
    pruned = commands.cleanup("files", "prune", "--keep", "5", fleet)["run_id"]
    commands.cleanup("undo", pruned)
    commands.cleanup("files", "repair-schema", "-n", fleet)
    commands.cleanup("files", "salvage", fleet / "shop_02", "--out", fleet.parent / "rescued")
    commands.cleanup("files", "salvage", "-n", fleet)
    commands.cleanup("undo", commands.cleanup("files", "salvage", fleet)["run_id"])
    commands.cleanup(
        "undo", commands.cleanup("files", "move", fleet / "shop_02", "--to", fleet.parent / "pack")["run_id"]
    )
    commands.cleanup("files", "move", fleet.parent / "pack", "-n", "--to", fleet.parent)
    commands.cleanup("files", "backup", "-n", fleet)
    commands.cleanup("files", "backup", fleet, fleet / "missing")
    commands.cleanup("files", "restore")
    commands.cleanup("undo", commands.cleanup("files", "restore", "shop_02")["run_id"])
    commands.cleanup("files", "backup-purge", "shop_04")
    commands.cleanup("files", "backup-purge", "shop_04", "--yes")
    commands.cleanup("files", "repair-schema", fleet / "shop_02", "--downgrade", "7", "--out", fleet.parent / "older")


def strange_things(fleet: Path) -> None:
    """What else may bear a session's name."""
    (fleet / "folder.session").mkdir()
    (fleet / "nowhere.session").symlink_to(fleet / "gone")
    (fleet / "alias.session").symlink_to(fleet / "shop_02.session")
    (fleet / "empty.session").touch()
    (fleet / "shop_04.session.lock").touch()
    (fleet / os.fsdecode(b"caf\xe9\n.session")).write_bytes(b"no database" * 20)


def fail(commands: Commands, base: Path) -> None:
    state = StateFolder(str(base / "state"))
    commands.cleanup("undo", "20200101-000000-0000")
    commands.cleanup("files", "--exit-code", base / "fleet")
    commands.monitor("why", base / "fleet" / "nobody")
    commands.monitor("explain", "GV999")
    commands.monitor("--no-such-option")
    with run_lock(state):
        commands.cleanup("files", base / "fleet")
    Commands(Tool(base / "no-state"), commands.kept).cleanup("undo")


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_document_is_what_its_schema_says(name: str, printed: list[Printed]) -> None:
    """Each one that was printed, and at least one of each name."""
    of_that_name = [one for one in printed if one.name == name]

    found = {one.command: errors(SCHEMAS[name], one.document) for one in of_that_name}

    assert of_that_name
    assert {command: wrong for command, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_field_that_is_printed_is_described(name: str, printed: list[Printed]) -> None:
    """A field that was added to a document is added to its schema."""
    schema = closed(SCHEMAS[name])

    found = {one.command: errors(schema, one.document) for one in printed if one.name == name}

    assert {command: wrong for command, wrong in found.items() if wrong} == {}


def test_the_exit_code_in_a_document_is_that_of_the_process(printed: list[Printed]) -> None:
    """A script may ask either."""
    told = [(one.document["exit_code"], one.exit_code) for one in printed if "exit_code" in one.document]

    assert {told_code for told_code, _code in told} >= {0, 3, 4}
    assert all(in_document == of_process for in_document, of_process in told)


def test_a_failure_as_a_whole_is_an_error_document(printed: list[Printed]) -> None:
    """With the exit code of its kind: 2 for what was asked wrongly, 11 for another run at work."""
    failed = {(one.document["error"]["kind"], one.exit_code) for one in printed if one.name == "gavat.error"}

    assert failed == {("ConfigError", 2), ("RunLockHeld", 11)}


def test_only_a_lock_is_worth_trying_again(printed: list[Printed]) -> None:
    """`retryable` tells a script whether to wait."""
    retryable = {
        one.document["error"]["kind"]: one.document["error"]["retryable"]
        for one in printed
        if one.name == "gavat.error"
    }

    assert retryable == {"ConfigError": False, "RunLockHeld": True}


def test_the_fleet_shows_what_sessions_come_to(printed: list[Printed]) -> None:
    """The documents that were held against the schemas hold most of what there is to hold."""
    sessions = [
        session
        for one in printed
        for folder in one.document.get("folders", ())
        for session in folder.get("sessions", ())
    ]  # fmt: skip

    states = {session["state"] for session in sessions}
    found = {note["code"] for session in sessions for note in session["findings"]}

    assert states >= {"damaged", "mend", "mended", "skipped", "in use", "fine"}
    assert found >= {"GV101", "GV102", "GV104", "GV106", "GV111", "GV114", "GV120", "GV130", "GV140", "GV141"}
    assert any(session["holders"] for session in sessions)
    assert any(session["lock_file"] for session in sessions)


def test_the_documents_tell_of_bots(printed: list[Printed]) -> None:
    """Here and elsewhere, heard of and not, and what could not be read."""
    live = {
        one.name: one.document["live"] for one in printed if "live" in one.document and one.document["live"]["bots"]
    }

    assert live.keys() == {"gavat.report", "gavat.locks", "gavat.why"}
    assert {one["condition"] for one in live["gavat.report"]["processes"]} == {"fresh", "silent"}
    assert [one["why"] for one in live["gavat.locks"]["unread"]] == ["it is no JSON"]


def test_the_documents_tell_what_was_asked_of_models(printed: list[Printed]) -> None:
    """With a budget, so that what describes it is held against one."""
    told = [one.document["gpt"] for one in printed if one.name == "gavat.report"]

    assert {budget["share"] for one in told for budget in one["budgets"]} == {0.02}


def test_the_summary_counts_the_sessions(printed: list[Printed]) -> None:
    """Every session is in it once."""
    for one in printed:
        if "summary" in one.document:
            states = [session["state"] for folder in one.document["folders"] for session in folder["sessions"]]
            assert one.document["summary"] == {state: states.count(state) for state in states}


def test_explain_lists_every_finding(printed: list[Printed]) -> None:
    """Without a code all of them, with one only that."""
    listed = [
        [finding["code"] for finding in one.document["findings"]] for one in printed if one.name == "gavat.explain"
    ]

    assert listed == [list(FINDINGS), ["GV102"]]


@pytest.mark.parametrize(
    ("script", "words"), [(CLEANUP, ["files"]), (CLEANUP, ["-n"]), (MONITOR, ["report"]), (MONITOR, ["locks"])]
)
def test_a_folder_without_sessions_is_a_document_too(script: str, words: list[str], tmp_path: Path) -> None:
    """Empty arrays are arrays."""
    (tmp_path / "empty").mkdir(mode=0o700)

    done = Tool(tmp_path / "state").run(sys.executable, script, *words, "--json", tmp_path / "empty")

    document = json.loads(done.stdout)
    assert errors(SCHEMAS[document["schema"]["name"]], document) == []


def test_a_time_beyond_the_calendar_is_a_document_too() -> None:
    """A file may be dated in the year 14645; one such file must not hide the others."""
    far = file_stat()._replace(modified_ns=400_000_000_000 * 10**9)
    schema = {**SCHEMAS["gavat.why"], "$ref": "#/$defs/session"}
    for name in ("required", "properties"):
        del schema[name]

    document = session_document(plan(inspection(main=far)))

    assert errors(schema, document) == []


def test_every_schema_name_has_the_prefix() -> None:
    """Documents of this program are told from others by it."""
    assert all(name.startswith(PREFIX) for name in SCHEMAS)
