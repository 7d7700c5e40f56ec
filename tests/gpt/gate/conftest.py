"""Towns: many gates around one Valkey."""

from collections.abc import Iterator

import pytest

from tests.gpt.gate.town import Town
from tests.valkey import Valkey


@pytest.fixture
def town(valkey: Valkey) -> Iterator[Town]:
    """Around the server that keeps running."""
    town = Town(valkey)
    yield town
    town.end()


@pytest.fixture
def doomed(mortal_valkey: Valkey) -> Iterator[Town]:
    """Around a server that is to be killed."""
    town = Town(mortal_valkey)
    yield town
    town.end()
