"""The door to one bot: `from core.gavat_client import GavatClient`. The room behind it is `core/client/`."""

from core.client.client import GavatClient
from core.client.model import FailureKind, Health, HealthState, StartFailure, Startup
from core.client.refusal import ClientNotStarted
from core.client.settings import ClientSettings

__all__ = [
    "ClientNotStarted",
    "ClientSettings",
    "FailureKind",
    "GavatClient",
    "Health",
    "HealthState",
    "StartFailure",
    "Startup",
]
