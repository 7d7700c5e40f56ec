"""What the tests of commands start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.session_files import sample_fleet


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    """A folder with one healthy session and one that has a hot journal."""
    folder = tmp_path / "sessions"
    folder.mkdir(mode=0o700)
    sample_fleet.crash_in_large_transaction(str(folder / "hot"))
    sample_fleet.write_healthy(str(folder / "well"))
    return folder
