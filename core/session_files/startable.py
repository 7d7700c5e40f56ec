"""For other people's start-up code: put a folder right before the bots start, from any process.

A program that holds sessions must not open session files raw (closing any descriptor of one drops SQLite's locks), so
both functions work through a child process, which sees this one as a holder like any other.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from core.errors import GavatError
from core.session_files.looking.holders import own_open_files
from core.state.settings import ROOT

_CLEANUP = os.path.join(ROOT, "cleanup_sessions.py")
_MONITOR = os.path.join(ROOT, "monitor_system.py")
_ANOTHER_RUN = 11
_NOT_DONE = (1, 2)
"""Exit codes: the state folder or the disk stopped the work; a folder cannot be read."""
_WAIT_STEP = 0.25
_NOT_DONE_HINT = "name folders of *.session files that this user may read; see: cleanup_sessions.py files -n"


@dataclass(frozen=True, slots=True)
class SessionState:
    """What became of one session."""

    name: str
    path: str
    state: str
    """`fine`, `mended`, `in use`, `look at`, `damaged`, `unknown`, `failed`, `left alone`, `set aside` or
    `skipped`."""
    codes: tuple[str, ...]
    detail: str

    @property
    def startable(self) -> bool:
        """Whether a bot can be started on it now."""
        return self.state in ("fine", "mended")


@dataclass(frozen=True, slots=True)
class StartableReport:
    """The result for all folders asked about."""

    sessions: tuple[SessionState, ...]
    exit_code: int
    """That of `cleanup_sessions.py`: 0, or 3 when a session still needs something."""
    run_id: str | None

    @property
    def startable(self) -> tuple[str, ...]:
        """Paths of the sessions that a bot can be started on now."""
        return tuple(one.path for one in self.sessions if one.startable)


async def make_startable(*folders: str | os.PathLike[str], wait: float = 30.0) -> StartableReport:
    """Mend what needs mending in the folders (copied first) and say which sessions can be started.

    Sessions in use, by this process too, are left alone. `wait`: seconds to wait for another run that is at work.
    Raises GavatError when the work could not be done, or a folder could not be read; others are done then.
    """
    loop = asyncio.get_running_loop()
    give_up = loop.time() + wait
    while True:
        process = await asyncio.create_subprocess_exec(
            *_child(_CLEANUP, "files", "--json", *[os.fspath(folder) for folder in folders]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        output, errors = await process.communicate()
        code = process.returncode or 0
        if code != _ANOTHER_RUN or loop.time() >= give_up:
            break
        await asyncio.sleep(_WAIT_STEP)
    document = _document(output, errors)
    if "folders" not in document:
        raise GavatError(document["error"]["message"], hint=document["error"]["hint"])
    if code in _NOT_DONE:
        raise GavatError("; ".join(document["problems"]), hint=_NOT_DONE_HINT)
    sessions = tuple(_state(one) for folder in document["folders"] for one in folder["sessions"])
    return StartableReport(sessions, code, document["run_id"])


def is_session_locked(path: str | os.PathLike[str]) -> bool:
    """Whether a process uses the session (True also where that cannot be known); age and sidecars say nothing.

    Safe in a process that holds sessions: its own are recognised without being opened, all others are asked in a
    child process (about 60 ms; in a coroutine call it through `asyncio.to_thread`). A missing file is not locked.
    Raises GavatError when the child could not answer.
    """
    name = os.path.realpath(os.fspath(path))
    try:
        found = os.stat(name)
    except FileNotFoundError:
        return False
    if (found.st_dev, found.st_ino) in own_open_files():
        return True
    answer = subprocess.run(_child(_MONITOR, "why", "--json", name), capture_output=True, check=False)
    document = _document(answer.stdout, answer.stderr)
    if "session" not in document:
        raise GavatError(document["error"]["message"], path=name, hint=document["error"]["hint"])
    return bool(document["session"]["usage"] != "free")


def _child(script: str, *arguments: str) -> list[str]:
    return [sys.executable, "-I", "-S", script, *arguments]


def _document(output: bytes, errors: bytes) -> dict[str, Any]:
    try:
        document = json.loads(output)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise GavatError(f"the child process failed: {errors.decode(errors='replace').strip()[-500:]}")
    return document


def _state(session: dict[str, Any]) -> SessionState:
    notes = session["findings"]
    detail = session["detail"] or "; ".join(note["detail"] for note in notes)
    codes = tuple(note["code"] for note in notes)
    return SessionState(session["name"], session["path"], session["state"], codes, detail)
