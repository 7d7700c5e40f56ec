"""The folder and the town of the client's tests, for fleets."""

from tests.client.conftest import folder, server, town
from tests.telegram.fixtures import no_leftovers, stay_on_loopback

__all__ = ["folder", "no_leftovers", "server", "stay_on_loopback", "town"]
