"""A Valkey for all tests of this folder, whose clock can be moved; and one of a test's own, to be killed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gpt.gate.town import Town
from tests.valkey import Valkey, build_clock


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """For tests that leave it running."""
    folder = tmp_path_factory.mktemp("valkey")
    with Valkey(folder, clock=build_clock(folder)) as server:
        yield server


@pytest.fixture
def valkey(running: Valkey) -> Valkey:
    """Emptied."""
    running.empty()
    return running


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Valkey]:
    """To be killed."""
    with Valkey(tmp_path) as server:
        yield server


@pytest.fixture
def town(valkey: Valkey) -> Iterator[Town]:
    """Around the server that keeps running."""
    town = Town(valkey)
    yield town
    town.end()


@pytest.fixture
def doomed(mortal: Valkey) -> Iterator[Town]:
    """Around a server that is to be killed."""
    town = Town(mortal)
    yield town
    town.end()
