"""One Telethon session file on disk: inspect → plan → apply → report. Never while a bot has it open.

Four floors, imports going down:
act        apply, undo, inspect, startable, sample_fleet
adapters   listing, probe, holders, filesystem, page_source, copies, recovery, put_back, set_aside,
           permissions
decide     plan, contents, database_pages, database_format (pure: bytes and facts in, facts out)
model      model
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
