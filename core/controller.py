"""The door to a fleet of bots: `from core.controller import BotController`. The room behind it is `core/fleet/`."""

from core.fleet.controller import BotController
from core.fleet.model import BotState, BotStatus
from core.fleet.settings import FleetSettings

__all__ = ["BotController", "BotState", "BotStatus", "FleetSettings"]
