"""From `mybot.handlers:answer` to the function; a mistake in the module is told in one line, with its place."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from core.client.handler_shape import refuse_unfit
from core.errors import ConfigError
from core.fleet.settings import HandlerName
from core.settings import did_you_mean
from utils.redact import printable

_NOT_THEIRS = f"{os.sep}site-packages{os.sep}"


def look_in(folders: Sequence[str]) -> None:
    """Have modules found in these folders first, in this order; what is loaded already stays."""
    first = list(dict.fromkeys(map(os.path.abspath, folders)))
    sys.path[:] = [*first, *(one for one in sys.path if one not in first)]


def find_handler(given: HandlerName, where: str, folders: Sequence[str]) -> Any:
    """The function that is given, or that stands at a path.

    `where` names the setting. Raises ConfigError; that for a module that fails has what it raised as its cause.
    """
    if not isinstance(given, str):
        refuse_unfit(given, where)
        return given
    module_name, _, name = given.partition(":")
    module = _load(module_name, where, folders)
    found = getattr(module, name, None)
    if found is None:
        functions = {one for one, value in vars(module).items() if _is_function(value)}
        hint = did_you_mean(name, functions)
        raise ConfigError(f"{where}: there is no {name} in {module_name}", path=module.__file__, hint=hint)
    if not _is_function(found):
        raise ConfigError(
            f"{where}: {name} in {module_name} is no function, but {_kind(found)}",
            path=module.__file__,
            hint="a function that takes the event, such as: async def answer(event)",
        )
    refuse_unfit(found, where)
    return found


def _load(name: str, where: str, folders: Sequence[str]) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:  # somebody else's code: whatever it raises is theirs to read
        if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
            looked = ", ".join(printable(folder) for folder in dict.fromkeys(map(os.path.abspath, folders)))
            raise ConfigError(f"{where}: there is no module {error.name}", hint=f"looked in {looked}") from None
        told = printable(f"{type(error).__name__}: {error}".rstrip(": "))
        hint = "with -v the whole traceback is shown"
        raise ConfigError(
            f"{where}: {name} cannot be imported: {told}", path=_place(error, folders), hint=hint
        ) from error


def _place(error: BaseException, folders: Sequence[str]) -> str | None:
    """File and line where it went wrong: the innermost ones of the reader's own."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = [one for one in traceback.extract_tb(error.__traceback__)[1:] if not one.filename.startswith("<")]
    inside = tuple(os.path.join(os.path.abspath(folder), "") for folder in folders)
    theirs = [one for one in frames if one.filename.startswith(inside) and _NOT_THEIRS not in one.filename]
    last = (theirs or frames)[-1:]
    return f"{last[0].filename}:{last[0].lineno}" if last else None


def _is_function(value: object) -> bool:
    return callable(value) and not isinstance(value, type)


def _kind(value: object) -> str:
    return "a class" if isinstance(value, type) else f"of type {type(value).__name__}"
