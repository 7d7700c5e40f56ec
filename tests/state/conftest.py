"""What the tests of status start from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.state import StateFolder
from tests.valkey import Valkey


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    """A state folder that is not made yet."""
    return StateFolder(str(tmp_path / "state"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """One server for the tests of a module."""
    with Valkey(tmp_path_factory.mktemp("valkey")) as running:
        yield running


@pytest.fixture
def valkey(server: Valkey) -> Valkey:
    """That server, empty."""
    server.ask("FLUSHALL")
    return server
