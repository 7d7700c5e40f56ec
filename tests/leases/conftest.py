"""A Valkey for all tests of this folder, whose clock can be moved, and a world around it for each."""

from collections.abc import Iterator

import pytest

from tests.leases.world import World, world_around
from tests.valkey import Valkey, build_clock


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """For tests that leave it running; each empties it first."""
    folder = tmp_path_factory.mktemp("valkey")
    with Valkey(folder, clock=build_clock(folder)) as server:
        yield server


@pytest.fixture
def world(valkey: Valkey) -> Iterator[World]:
    """Settled, without hosts and leases."""
    with world_around(valkey) as world:
        yield world
