"""One Telethon session file on disk: inspect → plan → apply → report. Never while a bot has it open.

model/      what the other modules talk about: frozen data
database/   bytes of a SQLite file → what it holds (pure)
plan        what each session needs (pure); sidecar_work: what lies beside it; verdicts: what is finally said of it
looking/    listing a folder, asking who has a file open, reading the pages of free ones; changes nothing
mending/    copies, recovery, setting aside, permissions, replacing
backups/    scheduled backups of live and idle sessions, and bringing them back
upkeep/     keeping healthy ones small and readable: pruning, repairing schemas
moving/     handing sessions to another host in a pack
undoing/    taking back what a run changed
startable   the door for other people's start-up code; sample_fleet: really crashed sessions for a demonstration

Imports run up this list, never down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.session_files.startable import SessionState, StartableReport, is_session_locked, make_startable

__all__ = ["SessionState", "StartableReport", "is_session_locked", "make_startable"]


def __getattr__(name: str) -> object:
    # Loaded on first use: the commands need only some of the modules, and `--help` none (start-up cost).
    if name in __all__:
        from core.session_files import startable

        return getattr(startable, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
