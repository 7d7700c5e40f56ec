"""Any exception's facts."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import cache
from types import ModuleType

from utils.telegram_errors.local import classify_local
from utils.telegram_errors.lookup import PLACES, classify_name
from utils.telegram_errors.model import UNRECOGNISED, ErrorFacts, facts_of
from utils.telegram_errors.names import split_name

_RPC_ERROR = ("telethon.errors.rpcbaseerrors", "RPCError")
_CLASSES = "telethon.errors.rpcerrorlist"


def classify(error: BaseException) -> ErrorFacts:
    """What an error means, whatever it is: Telegram's answer, Telethon's own trouble, the network's, SQLite's.

    Of several at once (Telethon's `MultiError`, an `ExceptionGroup`) the gravest counts; who sent a batch asks for
    each of its `exceptions`, because some of its requests may have been executed.
    """
    parts = _parts(error)
    if parts:
        return _gravest([classify(part) for part in parts], all_failed=len(parts) == _count(error))
    if not _is_answer(error):
        return classify_local(error)
    text = _telegram_text(error)
    if not text:
        return facts_of(UNRECOGNISED, name=type(error).__name__)
    facts = classify_name(text)
    # A family guesses what went wrong; behind a server's fault (5xx) the guess does not prove that nothing was done.
    guessed_fault = facts.name not in PLACES and abs(getattr(error, "code", None) or 0) >= 500
    return replace(facts, refused=False) if guessed_fault else facts


def error_name(error: BaseException) -> str:
    """Telegram's own name without its number (`FLOOD_WAIT`); the class name of what is no answer of Telegram's."""
    text = _telegram_text(error) if _is_answer(error) else ""
    return split_name(text)[0] if text else type(error).__name__


def _parts(error: BaseException) -> list[BaseException]:
    """The errors that this one only wraps; MultiError holds None for each request that went well."""
    if isinstance(error, BaseExceptionGroup) or type(error).__name__ == "MultiError":
        return [part for part in getattr(error, "exceptions", ()) if isinstance(part, BaseException)]
    return []


def _count(error: BaseException) -> int:
    return len(getattr(error, "exceptions", ()))


def _gravest(facts: list[ErrorFacts], *, all_failed: bool) -> ErrorFacts:
    worst = max(facts, key=lambda one: (one.kind.gravity, one.retry_after or timedelta()))
    return replace(worst, refused=all_failed and all(one.refused for one in facts))


def _is_answer(error: BaseException) -> bool:
    """Whether Telegram answered it: told by the class's name, so that Telethon need not be imported."""
    return any((cls.__module__, cls.__name__) == _RPC_ERROR for cls in type(error).__mro__)


def _telegram_text(error: BaseException) -> str:
    """The name as Telegram sent it, number included; empty when the error carries none.

    Classes that Telethon knows say it in Telethon's tables only: their `message` is the base class's ("AUTH_KEY").
    """
    templates = _templates(sys.modules.get(_CLASSES))
    template = next((templates[cls] for cls in type(error).__mro__ if cls in templates), None)
    if template is not None:
        return template.replace(r"(\d+)", _number(error))
    message = getattr(error, "message", None)
    return message if isinstance(message, str) else ""


def _number(error: BaseException) -> str:
    """The wait that an error carries, in the unit of its name; `X` when it has none."""
    for attribute in ("seconds", "minutes"):
        value = getattr(error, attribute, None)
        if isinstance(value, int):
            return str(max(0, value))
    return "X"


@cache
def _templates(tables: ModuleType | None) -> Mapping[type, str]:
    r"""Telethon's tables turned round: class → `FLOOD_WAIT_(\d+)`."""
    known = getattr(tables, "rpc_errors_dict", {})
    patterns = getattr(tables, "rpc_errors_re", ())
    return {**{cls: name for name, cls in known.items()}, **{cls: pattern for pattern, cls in patterns}}
