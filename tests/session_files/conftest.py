"""Folders of real session files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from core.session_files import sample_fleet


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    """An empty, private folder for sessions."""
    folder = tmp_path / "sessions"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def crashed(sessions: Path) -> Path:
    """A folder with one session of each kind of crash, none of them held."""
    makers: dict[str, Callable[[str], None]] = {
        "healthy": sample_fleet.write_healthy,
        "hot": sample_fleet.crash_in_large_transaction,
        "cold": sample_fleet.crash_in_small_transaction,
        "wal": sample_fleet.crash_in_wal_mode,
    }
    for name, make in makers.items():
        make(str(sessions / name))
    return sessions


def age(path: Path, seconds: int = 3600) -> None:
    """Make a file look written that long ago."""
    written = path.stat().st_mtime - seconds
    os.utime(path, (written, written))
