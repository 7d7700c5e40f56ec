"""Telegram's answers, made into exceptions by Telethon itself."""

from telethon import errors
from telethon.tl.types import RpcError


def answer(code: int, text: str) -> errors.RPCError:
    """The exception that Telethon raises when the server answers so."""
    return errors.rpc_message_to_error(RpcError(code, text), None)
