"""Opening sessions beside the event loop: a few at a time, in threads of their own, and never left open behind."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent import futures
from pathlib import Path
from typing import Any, NamedTuple, Self
from weakref import WeakKeyDictionary

from telethon.sessions import Session, SQLiteSession

from core.client.backing_up import wait_for_backup
from core.client.leasing import Sharers, Wait, note_session
from core.client.preparation import Opened, Progress, open_given, open_session, session_path
from core.session_files.looking.listing import SUFFIX
from utils.redact import printable

_OPENING_ENDS_WITHIN = 1.5
"""Seconds that a cancelled start waits for the worker thread that opens the session."""
_OPENED_AT_ONCE = 8
"""Sessions that an event loop has opened for it at a time: its clients wait their turn, and it serves the others."""


class _Turns(NamedTuple):
    """Of one event loop."""

    free: asyncio.Semaphore
    threads: futures.ThreadPoolExecutor
    """Not the loop's own: an opening may wait for a lease as long as that lasts, and those serve handlers too."""

    @classmethod
    def new(cls) -> Self:
        return cls(asyncio.Semaphore(_OPENED_AT_ONCE), futures.ThreadPoolExecutor(_OPENED_AT_ONCE, "gavat-open"))


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, _Turns] = WeakKeyDictionary()


def session_file(session: str | Path | Session) -> str | None:
    """Path of a session's file; None for a session that lives elsewhere."""
    if isinstance(session, str | Path):
        return session_path(str(session))
    if isinstance(session, SQLiteSession) and session.filename != ":memory:":
        return session_path(session.filename)
    return None


def session_name(session: str | Path | Session) -> str:
    """A session's name, for people and logs."""
    path = session_file(session)
    return printable(path.rpartition("/")[2].removesuffix(SUFFIX)) if path else type(session).__name__


async def open_in_thread(session: str | Path | Session, sharers: Sharers, progress: Progress) -> Opened:
    """Open a session in a worker thread; a start that is cancelled meanwhile leaves nothing open behind.

    Raises what `open_session` and `open_given` raise.
    """
    if isinstance(session, SQLiteSession):
        # The file is looked at before anybody has it open, and opened anew
        session.close()  # noqa: ASYNC240  # of a Telethon session, not of a path
    is_given_up, is_over = threading.Event(), threading.Event()

    def open_unless_given_up() -> Opened:
        try:
            opened = _open(session, sharers, progress, is_given_up.wait)
            if is_given_up.is_set():  # seen here too: the event loop may be closed by now, and call nobody back
                opened.close()
            return opened
        finally:
            is_over.set()

    loop = asyncio.get_running_loop()
    turns = _turns_of(loop)
    async with turns.free:
        work = loop.run_in_executor(turns.threads, open_unless_given_up)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            is_given_up.set()
            work.add_done_callback(_close_late)
            # asyncio.run waits for the loop's own threads alone: one of those waits for this one
            ends: set[asyncio.Future[Any]] = {work, loop.run_in_executor(None, is_over.wait)}
            await asyncio.wait(ends, timeout=_OPENING_ENDS_WITHIN)
            raise


def _turns_of(loop: asyncio.AbstractEventLoop) -> _Turns:
    if loop not in _turns:
        for over in [one for one in list(_turns) if one.is_closed()]:
            del _turns[over]  # a semaphore that somebody waited for keeps its loop alive
        _turns[loop] = _Turns.new()
    return _turns[loop]


def _open(session: str | Path | Session, sharers: Sharers, progress: Progress, wait: Wait) -> Opened:
    path = session_file(session)
    if path is None:
        opened = open_given(session, sharers, progress, wait=wait)
    else:
        wait_for_backup(os.path.realpath(path))
        opened = open_session(path, sharers, progress, wait=wait)
    note_session(opened.leases, printable(path or session_name(session)))
    return opened


def _close_late(work: asyncio.Future[Opened]) -> None:
    if not work.cancelled() and work.exception() is None:
        work.result().close()
