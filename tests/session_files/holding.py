"""Processes that hold a session the way bots do, ended by the test that started them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.tool import ROOT

_PRELUDE = "import os, sqlite3, sys, time; sys.path.insert(0, sys.argv[2]); path = sys.argv[1]\n"
_WAIT = "\nprint('ready', flush=True)\nsys.stdin.read()\n"

IDLE = "from telethon.sessions import SQLiteSession; session = SQLiteSession(path)"
IN_TRANSACTION = "from core.session_files.sample_fleet import leave_transaction_open as o; session = o(path[:-8])"
READING = (
    "c = sqlite3.connect(path, isolation_level=None); c.execute('BEGIN'); c.execute('SELECT * FROM version').fetchall()"
)
IDLE_IN_WAL = (
    "c = sqlite3.connect(path); c.execute('PRAGMA journal_mode=WAL'); c.execute('SELECT * FROM version').fetchall()"
)
JUST_OPEN = "f = open(path, 'rb')"
LOOKING = "f = os.open(path, os.O_RDONLY | os.O_NONBLOCK)"
LEASED = "from utils.leases import OsLock; lock = OsLock.acquire(path + '.lock')"
LEASED_BY_CHILD = LEASED + "\nif os.fork(): os._exit(0)"


@contextmanager
def holding(how: str, path: object, *arguments: str) -> Iterator[int]:
    """A process that holds the session `how` says, ready at the start of the block; gives its PID."""
    code = _PRELUDE + how + _WAIT
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path), str(ROOT), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield process.pid
        finally:
            process.stdin.close()
            process.wait(timeout=30)
