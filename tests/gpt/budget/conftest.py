"""A connection to the Valkey of all these tests."""

from collections.abc import Iterator

import pytest

from tests.valkey import Valkey
from utils.redis_link import RedisLink


@pytest.fixture
def link(valkey: Valkey) -> Iterator[RedisLink]:
    """Of the test's own."""
    link = RedisLink(valkey.url)
    yield link
    link.close()
