"""Whether a function can be a handler, as far as that can be told without calling it."""

from __future__ import annotations

import inspect

from core.errors import ConfigError


def refuse_unfit(handler: object, where: str = "") -> None:
    """Raise ConfigError for what could never answer; `where` names the setting that it stands in."""
    unfit = _why_unfit(handler)
    if unfit:
        name = getattr(handler, "__qualname__", type(handler).__name__)
        module = getattr(handler, "__module__", None)
        of_module = f" in {module}" if module else ""
        raise ConfigError(
            f"{where or 'a handler'}: {name}{of_module} {unfit}", hint="a handler is such as: async def answer(event)"
        )


def _why_unfit(handler: object) -> str:
    if not callable(handler):
        return f"is no function, but of type {type(handler).__name__}"
    called = (handler, getattr(handler, "__call__", None))  # noqa: B004  # an object's own method may be the generator
    if any(inspect.isasyncgenfunction(one) or inspect.isgeneratorfunction(one) for one in called):
        return "has a `yield` in it, so that calling it runs nothing"
    if hasattr(handler, "__signature__"):  # what somebody says of it; a decorator may have copied that
        return ""
    try:  # a decorator that fills in arguments keeps the signature of what it wraps: its own counts
        inspect.signature(handler, follow_wrapped=False).bind(object())
    except ValueError:  # of builtins it cannot be told
        return ""
    except TypeError:
        return "cannot be called with the event alone"
    return ""
