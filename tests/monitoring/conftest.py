"""What the tests of the monitor start from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import pytest

from core.monitoring.doctor.model import Scene
from core.session_files.looking.inspect import Depth, inspect_folder
from core.state import StateFolder
from utils.clock import utc_now

Look = Callable[..., Scene]


@pytest.fixture
def bots(tmp_path: Path) -> Path:
    """An empty, private folder for sessions."""
    folder = tmp_path / "bots"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """A scene of some folders as the doctor would see it now."""
    state = StateFolder(str(tmp_path / "state"))

    def at(*folders: Path, now: datetime | None = None) -> Scene:
        seen: Sequence[str] = [str(folder) for folder in folders]
        return Scene(tuple(inspect_folder(one, depth=Depth.INSIDE) for one in seen), state, now or utc_now())

    return at
