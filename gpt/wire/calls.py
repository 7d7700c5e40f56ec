"""Calls of tools, put together from the parts in which a stream brings them (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SPOKEN = {"function": "arguments", "custom": "input"}
"""By the kind of tool: what comes piece by piece."""


class Calls:
    """In the order in which they begin.

    A part belongs to the last call of its index, unless it has another id; a host that names neither begins a call
    with each name.
    """

    def __init__(self) -> None:
        self._calls: list[dict[str, Any]] = []
        self._latest: dict[object, dict[str, Any]] = {}

    def take(self, part: Mapping[str, Any]) -> None:
        """One part, as JSON has it; raises TypeError, AttributeError and the like for what has another form."""
        index = part.get("index")
        call = self._latest.get(index)
        if call is None or _begins_another(part, call):
            call = {}
            self._calls.append(call)
        self._latest[index] = call
        call.update({name: part[name] for name in ("id", "type") if part.get(name)})
        for kind, spoken in _SPOKEN.items():
            if part.get(kind) is not None:
                _add(call.setdefault(kind, {"name": "", spoken: ""}), part[kind])

    def whole(self) -> tuple[Mapping[str, Any], ...]:
        """All of them."""
        return tuple(self._calls)


def _begins_another(part: Mapping[str, Any], call: Mapping[str, Any]) -> bool:
    if part.get("id"):
        return bool(call.get("id")) and part["id"] != call["id"]
    return part.get("index") is None and any((part.get(kind) or {}).get("name") for kind in _SPOKEN)


def _add(told: dict[str, Any], more: Mapping[str, str]) -> None:
    """The name comes with a call's first part (with some hosts again with each), the rest in many."""
    for name, value in more.items():
        known = told.get(name, "")
        told[name] = known if name == "name" and value == known else known + value
