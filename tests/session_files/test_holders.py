"""Who uses a session: every way to hold one is seen and named, and nothing that is held is touched."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest

from core.errors import GavatError
from core.session_files import is_session_locked, make_startable, sample_fleet
from core.session_files.looking import inspect
from core.session_files.model import FREE
from tests.session_files import holding as ways
from tests.session_files.holding import holding
from tests.tool import BARE, CLEANUP, ROOT, Tool, codes, states

EVERY_WAY = {
    "an idle client": ways.IDLE,
    "a client in a transaction": ways.IN_TRANSACTION,
    "a reader": ways.READING,
    "an idle client in WAL mode": ways.IDLE_IN_WAL,
    "a process that only has it open": ways.JUST_OPEN,
    "a process that looks at it for long": ways.LOOKING,
    "a bot that has only taken its lease": ways.LEASED,
}


@pytest.mark.parametrize("how", EVERY_WAY.values(), ids=EVERY_WAY)
def test_every_holder_is_seen_and_named(tool: Tool, sessions: Path, how: str) -> None:
    """The PID is told, nothing is changed, and afterwards the session is free again."""
    session = sessions / "a.session"
    if how != ways.IN_TRANSACTION:
        sample_fleet.write_healthy(str(sessions / "a"))
    with holding(how, session) as pid:
        document = tool.files(sessions)
        locked = is_session_locked(session)

    (seen,) = document["folders"][0]["sessions"]
    assert (seen["state"], [holder["pid"] for holder in seen["holders"]]) == ("in use", [pid])
    assert seen["actions"] == []
    assert document["exit_code"] == 0
    assert locked
    assert not is_session_locked(session)


def test_arguments_of_a_holder_are_masked(tool: Tool, sessions: Path) -> None:
    """A token on a command line is never shown."""
    sample_fleet.write_healthy(str(sessions / "a"))
    with holding(ways.IDLE, sessions / "a.session", "123456:secret-token"):
        shown = tool.cleanup("-v", sessions).stdout + tool.monitor("why", "--json", sessions / "a").stdout

    assert "python" in shown
    assert "secret-token" not in shown


def test_a_session_open_in_two_processes_is_said(tool: Tool, sessions: Path) -> None:
    """Two clients of one login are a finding of their own."""
    sample_fleet.write_healthy(str(sessions / "a"))
    with holding(ways.IDLE, sessions / "a.session"), holding(ways.IDLE, sessions / "a.session"):
        document = tool.files(sessions)

    assert codes(document) == {"a": ["GV133"]}


def test_a_lock_kept_by_a_forked_child_is_said(tool: Tool, sessions: Path) -> None:
    """The taker is gone, its child holds on: both PIDs are told."""
    sample_fleet.write_healthy(str(sessions / "a"))
    with holding(ways.LEASED_BY_CHILD, sessions / "a.session") as parent:
        document = tool.files(sessions)
    (seen,) = document["folders"][0]["sessions"]

    assert codes(document) == {"a": ["GV134"]}
    child = seen["holders"][0]["pid"]
    assert child != parent
    assert f"lock taken by pid {parent}, kept by its forked child {child}" in seen["findings"][0]["detail"]


def test_a_stopped_holder_still_holds(tool: Tool, sessions: Path) -> None:
    """A process that does not run is not a process that is gone."""
    with holding(ways.IN_TRANSACTION, sessions / "a.session") as pid:
        os.kill(pid, signal.SIGSTOP)
        document = tool.files(sessions)
        os.kill(pid, signal.SIGCONT)

    assert states(document) == {"a": "in use"}


def test_the_own_process_is_seen_without_being_opened(sessions: Path) -> None:
    """A session that this very process has open is in use, and asking does not drop its locks."""
    session = sample_fleet.leave_transaction_open(str(sessions / "own"))
    try:
        locked = is_session_locked(sessions / "own.session")
        report = asyncio.run(make_startable(sessions))

        assert locked
        assert [one.state for one in report.sessions] == ["in use"]
        session.save()  # the transaction was whole to its end
    finally:
        session.close()


def test_make_startable_mends_beside_a_held_session(
    crashed: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In a process that holds one session, the others are mended and the report says which can start."""
    monkeypatch.setenv("GAVAT_STATE", str(tmp_path / "state"))
    own = sample_fleet.leave_transaction_open(str(crashed / "own"))
    try:
        report = asyncio.run(make_startable(crashed))
    finally:
        own.close()

    assert {one.name: one.state for one in report.sessions} == {
        "cold": "mended", "healthy": "fine", "hot": "mended", "own": "in use", "wal": "mended",
    }  # fmt: skip
    assert {os.path.basename(path) for path in report.startable} == {
        "cold.session", "healthy.session", "hot.session", "wal.session",
    }  # fmt: skip
    assert report.run_id is not None


def test_make_startable_refuses_a_folder_that_is_not_there_and_does_the_others(
    crashed: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GAVAT_STATE", str(tmp_path / "state"))

    with pytest.raises(GavatError, match="nope: there is no such folder") as refused:
        asyncio.run(make_startable(tmp_path / "nope", crashed))

    assert "name folders" in str(refused.value.hint)
    assert {one.state for one in asyncio.run(make_startable(crashed)).sessions} == {"fine"}


def test_a_missing_session_is_not_locked(tmp_path: Path) -> None:
    """Nothing is created by asking."""
    assert not is_session_locked(tmp_path / "no.session")
    assert list(tmp_path.iterdir()) == []


def test_two_lookers_do_not_take_each_other_for_bots(tool: Tool, sessions: Path) -> None:
    """Each holds a file for microseconds while it asks; neither reports that as use."""
    sample_fleet.write_healthy(str(sessions / "a"))
    for number in range(400):
        copy = sessions / f"b{number}.session"
        copy.write_bytes((sessions / "a.session").read_bytes())
        copy.chmod(0o600)
    command = [*BARE, CLEANUP, "-n", "--deep", "--json", str(sessions)]

    both = [subprocess.Popen(command, env=tool.env(), stdout=subprocess.PIPE) for _looker in range(2)]
    documents = [json.loads(one.communicate()[0]) for one in both]

    assert [document["summary"] for document in documents] == [{"fine": 401}] * 2


def test_who_only_looked_for_longer_than_usual_is_no_bot(sessions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may stop it just while it has the file open: the scan names it, and the next look finds nobody."""
    sample_fleet.write_healthy(str(sessions / "a"))
    with ExitStack() as stack:
        stack.enter_context(holding(ways.LOOKING, sessions / "a.session"))
        monkeypatch.setattr(inspect, "time", SimpleNamespace(sleep=lambda _seconds: stack.close()))

        (seen,) = inspect.inspect_folder(str(sessions)).files

    assert seen.occupancy == FREE


def test_a_utils_of_somebody_else_is_refused_with_a_hint(tmp_path: Path) -> None:
    """A bot with its own `utils` learns why it cannot embed, instead of failing somewhere deep."""
    (tmp_path / "utils").mkdir()
    (tmp_path / "utils" / "__init__.py").touch()

    done = subprocess.run(
        [sys.executable, "-c", "import core"],
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "is not gavatcore's" in done.stderr
    assert "PYTHONPATH" in done.stderr
