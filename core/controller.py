"""The door to a fleet of bots: `from core.controller import BotController`. The room behind it is `core/fleet/`."""

from core.fleet.controller import BotController
from core.fleet.model import BotState, BotStatus
from core.fleet.proxy import Proxy
from core.fleet.settings import BotSettings, FleetSettings

__all__ = ["BotController", "BotSettings", "BotState", "BotStatus", "FleetSettings", "Proxy"]
