"""What operators do to a folder of session files after a crash: two peers, and the tool."""

import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import closing, suppress
from enum import StrEnum
from pathlib import Path

from tests.crash.judge import SIDECARS

FOLK_AGE_SECONDS = 300


class Remedy(StrEnum):
    """The target that tests/killing.py calls, with the folders to heal and the state folder."""

    NAIVE = "tests.crash.remedies:delete_sidecars"
    PLAIN_OPEN = "tests.crash.remedies:plain_open"
    TOOL = "tests.crash.remedies:tool"


def sessions_in(folder: Path) -> list[Path]:
    """The session files of one folder, sorted."""
    return sorted(folder.glob("*.session"))


def sidecars_of(path: Path) -> list[Path]:
    """The sidecars that stand beside a session file."""
    beside = (path.with_name(path.name + suffix) for suffix in SIDECARS)
    return [sidecar for sidecar in beside if sidecar.exists()]


def make_look_old(folder: Path, seconds: int = 600) -> None:
    """Set every file's times back, so that a remedy that goes by age acts."""
    for path in folder.iterdir():
        at = path.stat().st_mtime - seconds
        os.utime(path, (at, at))


def delete_sidecars(folder: Path, _state: Path) -> int:
    """The folk remedy: what looks old and is beside a session goes."""
    now = time.clock_gettime(time.CLOCK_REALTIME)
    for path in folder.iterdir():
        if path.name.endswith(SIDECARS) and now - path.stat().st_mtime > FOLK_AGE_SECONDS:
            path.unlink()
    return 0


def plain_open(folder: Path, _state: Path) -> int:
    """Let SQLite recover: open each file, read one row, close."""
    open_each(sessions_in(folder))
    return 0


def open_each(paths: Iterable[Path]) -> None:
    """Open and read each file; one that cannot be read stays as it is."""
    for path in paths:
        with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(path)) as database:
            database.execute("select count(*) from sqlite_master").fetchone()


def tool_again_and_again(folder: Path, state: Path, stop: Path) -> Counter[int]:
    """Run the tool on the folder until the stop file appears; how often it gave which exit code."""
    codes: Counter[int] = Counter()
    while not stop.exists():
        codes[tool(folder, state)] += 1
    return codes


def undo(state: Path, run_id: str) -> int:
    """Take one run of the tool back."""
    from core.commands import cleanup

    os.environ["GAVAT_STATE"] = str(state)
    return cleanup.main(["undo", run_id])


def command(state: Path, words: tuple[str, ...]) -> int:
    """Any command of cleanup_sessions.py."""
    from core.commands import cleanup

    os.environ["GAVAT_STATE"] = str(state)
    return cleanup.main(list(words))


def tool(folder: Path, state: Path) -> int:
    """One run of the tool on the folder, as its command line would."""
    from core.commands import cleanup

    os.environ["GAVAT_STATE"] = str(state)
    return cleanup.main(["files", str(folder)])
