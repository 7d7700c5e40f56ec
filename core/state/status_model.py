"""What a process that runs bots says of itself: one document, the same for who writes it and who reads it (pure).

No key, token, phone number or text of a message is ever part of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from utils.processes import ProcessIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class BotFigures:
    """One bot, as of the moment of the document."""

    name: str
    path: str
    """Absolute path of its session file; empty for a session that lives elsewhere (StringSession)."""
    state: str
    """`waiting`, `starting`, `given up`, `stopped`, or how a running one is: `alive`, `deaf`, `offline`, `flooded` …"""
    since: datetime
    code: str = ""
    """Telegram's own name, or the finding, of what is wrong."""
    reason: str = ""
    until: datetime | None = None
    """End of a wait: Telegram's, or ours before the next start."""
    restarts: int = 0
    """Starts after the first one."""
    reconnects: int = 0
    """Connections made again, in all its starts."""
    flood_time: timedelta = timedelta(0)
    """How long Telegram has asked it to wait, in all."""
    deaf_time: timedelta = timedelta(0)
    """How long it was connected and heard nothing, in all."""
    offline_time: timedelta = timedelta(0)
    """How long it had no connection or no answer, in all."""
    handled: int = 0
    """Calls of handlers."""
    failed: int = 0
    """Those of them that raised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStatus:
    """One process that runs bots."""

    process: str
    """Name of the document: host, process and start, such as `eu-1.811.1763719200`; a file name."""
    host: str
    identity: ProcessIdentity
    """By which the kernel of that host still knows the process."""
    started_at: datetime
    """Start of the process, for people."""
    command: str
    """Program and script; arguments masked."""
    at: datetime
    """When this was written."""
    valid_for: timedelta
    """Who reads it later than that reads old news: the process ended without a word, or its event loop is stuck."""
    loop_lag: timedelta
    """How late the event loop was at worst since the last document."""
    problem: str = ""
    """What of it could not be asked: then `bots` or `rooms` say less than there is."""
    bots: tuple[BotFigures, ...] = ()
    rooms: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What other rooms publish, by name: numbers and texts of `stats()`."""
