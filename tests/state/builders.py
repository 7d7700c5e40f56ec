"""Statuses to publish, and documents to put where they are read."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from core.state import BotFigures, ProcessStatus, StateFolder
from core.state.status_document import encode_status, to_text
from utils.processes import ProcessIdentity, own_identity

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
HERE = os.uname().nodename
ELSEWHERE = ProcessIdentity(811, 4_000, "another-boot", "pid:[1]")
GONE = own_identity()._replace(pid=2**22 - 3)
"""A process of this boot that is no more: no PID is that high unless somebody has asked for it."""


def bot(name: str = "shop_01", **fields: Any) -> BotFigures:
    return BotFigures(**{"name": name, "path": f"/srv/bots/{name}.session", "state": "alive", "since": NOW, **fields})


def process(*bots: BotFigures, **fields: Any) -> ProcessStatus:
    """By default this very process, heard of at NOW."""
    given = {
        "process": "eu-1.811.1795250000",
        "host": HERE,
        "identity": own_identity(),
        "started_at": NOW - timedelta(hours=1),
        "command": "python bot.py",
        "at": NOW,
        "valid_for": timedelta(seconds=15),
        "loop_lag": timedelta(0),
        "bots": bots,
    }
    return ProcessStatus(**{**given, **fields})


def document(status: ProcessStatus) -> dict[str, Any]:
    return encode_status(status)


def put_file(state: StateFolder, status: ProcessStatus) -> Path:
    """Put the document where a publisher would."""
    folder = Path(state.status)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{status.process}.json"
    path.write_text(to_text(encode_status(status)), encoding="ascii")
    return path
