"""The door of this room: ask a model, and see what asking saved.

    from gpt.openai_utils import GptHelper, GptSettings

    helper = GptHelper(settings=GptSettings(model="gpt-4o-mini"))
    reply = await helper.reply("…", system="…", fallback="One moment, please.")

Importing it loads neither openai nor redis nor asyncio: what the names stand for comes with their first use.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from gpt.figures import add_figures, process_helpers

if TYPE_CHECKING:
    from gpt.budget import BudgetAlert
    from gpt.errors import GptError
    from gpt.helper import GptHelper
    from gpt.model import Api, GptReply, Priority, Source
    from gpt.settings import GptSettings
    from gpt.streaming import GptStream

__all__ = [
    "Api",
    "BudgetAlert",
    "GptError",
    "GptHelper",
    "GptReply",
    "GptSettings",
    "GptStream",
    "Priority",
    "Source",
    "clear_cache",
    "default_helper",
    "get_cache_stats",
    "set_default_helper",
]

_ROOMS = {
    "Api": "gpt.model",
    "BudgetAlert": "gpt.budget",
    "GptError": "gpt.errors",
    "GptHelper": "gpt.helper",
    "GptReply": "gpt.model",
    "GptSettings": "gpt.settings",
    "GptStream": "gpt.streaming",
    "Priority": "gpt.model",
    "Source": "gpt.model",
}
_STATS = (
    *("entries", "valid_entries", "hits", "joins", "misses"),
    *("hit_ratio", "calls_saved", "money_saved"),
)
_lock = threading.Lock()
_make: Callable[[], GptHelper] | None = None
_made: GptHelper | None = None


def _after_fork() -> None:
    """In a child process: a thread that was making the default helper is not there."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ROOMS[name]), name)


def default_helper() -> GptHelper:
    """The process's own helper: made when it is first asked for, as `set_default_helper` says or from OPENAI_API_KEY.

    Raises GptSettingsError.
    """
    global _made  # noqa: PLW0603
    with _lock:
        if _made is None:
            if _make is None:
                from gpt.helper import GptHelper

                _made = GptHelper()
            else:
                _made = _make()
        return _made


def set_default_helper(make: Callable[[], GptHelper] | None) -> None:
    """How the default helper is made when it is next asked for; one made before is nobody's default any more."""
    global _make, _made
    with _lock:
        _make, _made = make, None


def get_cache_stats() -> dict[str, Any]:
    """Entries, hits and savings of the default helper; before there is one, of all helpers of this process.

    `entries` and the fresh of them `valid_entries`; lookups as `hits`, `joins` (of a call under way) and `misses`;
    `hit_ratio` is hits ÷ lookups; `calls_saved`; `money_saved` in US dollars. Without any helper all are zero, and
    `none` is True.
    """
    helpers = [_made] if _made is not None else process_helpers()
    figures = add_figures([helper.stats() for helper in helpers])
    return {**{name: figures[name] for name in _STATS}, "none": not helpers}


def clear_cache() -> int:
    """Forget every reply, in all processes that share a Redis with those helpers; gives how many were dropped here."""
    helpers = [_made] if _made is not None else process_helpers()
    return sum(helper.invalidate() for helper in helpers)
