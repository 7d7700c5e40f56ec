"""Telethon goes to Telegram itself where a session's address does not suit it: pinned, that is a port nobody has."""

from telethon.client import telegrambaseclient

DEFAULTS = {"DEFAULT_IPV4_IP": "127.0.0.1", "DEFAULT_IPV6_IP": "::1", "DEFAULT_PORT": 1}


def stay_on_loopback() -> None:
    """Pin this process for good; tests have a fixture of the same name."""
    for name, value in DEFAULTS.items():
        setattr(telegrambaseclient, name, value)
