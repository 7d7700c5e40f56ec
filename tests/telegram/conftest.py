"""The fixtures of this folder are for every room with clients."""

from tests.telegram.fixtures import no_leftovers, sessions, stay_on_loopback, telegram

__all__ = ["no_leftovers", "sessions", "stay_on_loopback", "telegram"]
