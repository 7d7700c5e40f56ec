"""Commands that talk to Telegram say what to do where Telethon is not installed."""

from __future__ import annotations

import os

from core.errors import GavatError
from core.state.settings import ROOT


def require_telethon(what: str) -> None:
    """Raise GavatError where `what` ("running bots") cannot be done for want of Telethon."""
    try:
        import telethon  # noqa: F401  # asked here, where the answer can be a sentence
    except ImportError as error:
        raise GavatError(f"{what} needs Telethon, which is not installed", hint=_hint()) from error


def _hint() -> str:
    interpreter = os.path.join(ROOT, ".venv", "bin", "python")
    if os.path.exists(interpreter):
        return f"use the environment of `make run`: {interpreter}"
    return f"`make run` in {ROOT} builds an environment that has it"
