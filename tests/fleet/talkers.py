"""Handlers of the village's bots: they write down what they heard, each line whole, and answer what is private."""

import os
from typing import Any

_HEARD = os.open(os.environ["VILLAGE_HEARD"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


async def answer(event: Any) -> None:
    """A private message."""
    _write_down(event)
    await event.reply(f"you said {event.raw_text}")


async def listen(event: Any) -> None:
    """A message in a group."""
    _write_down(event)


def _write_down(event: Any) -> None:
    os.write(_HEARD, f"{os.getpid()}\t{event.client._self_id}\t{event.raw_text}\n".encode())
