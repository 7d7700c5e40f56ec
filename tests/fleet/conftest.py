"""The folder and the town of the client's tests, for fleets."""

from tests.client.conftest import folder, town
from tests.telegram.fixtures import no_leftovers, stay_on_loopback

__all__ = ["folder", "no_leftovers", "stay_on_loopback", "town"]
