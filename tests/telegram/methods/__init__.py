"""The API methods, by their areas; importing this package registers them all."""

from tests.telegram.methods import (
    channels,
    connecting,
    contacts,
    dialogs,
    history,
    login,
    sending,
    updates,
    users,
)
from tests.telegram.methods.registry import METHODS, Call, Method, method_name

__all__ = [
    "METHODS",
    "Call",
    "Method",
    "channels",
    "connecting",
    "contacts",
    "dialogs",
    "history",
    "login",
    "method_name",
    "sending",
    "updates",
    "users",
]
