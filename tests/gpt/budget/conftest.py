"""A Valkey for all tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.valkey import Valkey
from utils.redis_link import RedisLink


@pytest.fixture(scope="session")
def shared_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with Valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def valkey(shared_valkey: Valkey) -> Valkey:
    """Running, and empty."""
    shared_valkey.empty()
    return shared_valkey


@pytest.fixture
def link(valkey: Valkey) -> Iterator[RedisLink]:
    """A connection of the test's own."""
    link = RedisLink(valkey.url)
    yield link
    link.close()
