"""What a model's tokens cost, from a dated table in a file."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from gpt.budget.model import NANO
from gpt.errors import GptSettingsError
from gpt.model import Usage
from utils.redact import printable

_BUILT_IN = "prices.toml"
_PER = 1_000_000
_CACHED_FROM = 1_024
"""Shorter prompts are not cached (platform.openai.com/docs/guides/prompt-caching)."""
_LONG_INPUT, _LONG_OUTPUT = (2, 1), (3, 2)
"""By how much a prompt above `long_above` makes its request dearer."""
_DATED = re.compile(r"-\d{4}-\d{2}-\d{2}")
_MOST_NAMES = 1_000


class Price(NamedTuple):
    """Of one model, in nano-dollars per million tokens."""

    input: int
    cached_input: int
    cache_write: int
    output: int
    max_output: int | None
    """Tokens that an answer may have at most."""
    long_above: int | None
    """Tokens of a prompt above which the whole request is dearer."""

    def cost(self, usage: Usage) -> int:
        """Nano-dollars, rounded up."""
        prompt, cached = max(usage.prompt, 0), min(max(usage.cached, 0), max(usage.prompt, 0))
        fresh = self.cache_write if prompt >= _CACHED_FROM else self.input
        return self._sum(prompt, (prompt - cached) * fresh + cached * self.cached_input, usage.completion)

    def at_most(self, prompt: int, completion: int) -> int:
        """Nano-dollars that such a request cannot exceed, whatever is cached."""
        return self._sum(prompt, prompt * max(self.input, self.cached_input, self.cache_write), completion)

    def _sum(self, prompt: int, cost_of_prompt: int, completion: int) -> int:
        cost_of_reply = max(completion, 0) * self.output
        if self.long_above is not None and prompt > self.long_above:
            cost_of_prompt = cost_of_prompt * _LONG_INPUT[0] // _LONG_INPUT[1]
            cost_of_reply = -(-cost_of_reply * _LONG_OUTPUT[0] // _LONG_OUTPUT[1])
        return -(-(cost_of_prompt + cost_of_reply) // _PER)


class PriceTable:
    """Prices of one day."""

    def __init__(self, date: str, prices: Mapping[str, Price]) -> None:
        self.date = date
        """The day on which they were true, as `2026-11-21`."""
        self._prices = dict(prices)
        self._found: dict[str, Price | None] = {}

    @classmethod
    def load(cls, path: str = "") -> Self:
        """Read a table; empty: the one that comes with the program.

        Raises GptSettingsError, which names the file and what is wrong with it.
        """
        import tomllib

        path = path or os.path.join(os.path.dirname(__file__), _BUILT_IN)
        try:
            with open(path, "rb") as opened:
                table = tomllib.load(opened)
        except OSError as error:
            raise _wrong(path, f"cannot be read ({error.strerror})") from None
        except ValueError as error:  # no TOML, or no UTF-8
            raise _wrong(path, f"is no TOML ({error})") from None
        return cls(*_checked(path, table))

    def find(self, model: str) -> Price | None:
        """Of that name; else of the name before its date (`gpt-4o-2024-08-06`), or behind its vendor (`openai/gpt-4o`).

        Never of a name that only begins alike: gpt-4o-mini is not gpt-4o, nor is a fine-tuned one.
        """
        try:
            return self._found[model]
        except KeyError:
            pass
        if len(self._found) >= _MOST_NAMES:
            self._found.clear()
        price = self._found[model] = self._search(model)
        return price

    def _search(self, model: str) -> Price | None:
        for name in (model, model.rpartition("/")[2]):
            dated = _DATED.search(name)
            undated = name[: dated.start()] if dated and dated.end() == len(name) else name
            price = self._prices.get(name) or self._prices.get(undated)
            if price is not None:
                return price
        return None

    def cost(self, model: str, usage: Usage) -> float | None:
        """US dollars; None where the model has no price."""
        price = self.find(model)
        return None if price is None else price.cost(usage) / NANO


def _checked(path: str, table: Mapping[str, Any]) -> tuple[str, dict[str, Price]]:
    """Date and prices; raises GptSettingsError for whatever is not as it should be."""
    _refuse_unknown(path, "", table, {"date", "models"})
    date = str(table.get("date", ""))
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", date):
        raise _wrong(path, 'has no date of its prices, like date = "2026-11-21"')
    models = table.get("models")
    if not isinstance(models, dict) or not models:
        raise _wrong(path, 'has no models, like [models."gpt-4o"]')
    return date, {name: _price(path, name, entry) for name, entry in models.items()}


def _price(path: str, name: str, entry: object) -> Price:
    where = f'[models."{name}"]'
    if not isinstance(entry, dict):
        raise _wrong(path, f"{where} is no table of prices")
    _refuse_unknown(path, f"{where} ", entry, {*Price._fields})
    for key in ("input", "output"):
        if key not in entry:
            raise _wrong(path, f"{where} has no {key}")
    usual = _money(path, where, "input", entry["input"])
    return Price(
        input=usual,
        cached_input=_money(path, where, "cached_input", entry["cached_input"]) if "cached_input" in entry else usual,
        cache_write=_money(path, where, "cache_write", entry["cache_write"]) if "cache_write" in entry else usual,
        output=_money(path, where, "output", entry["output"]),
        max_output=_tokens(path, where, "max_output", entry.get("max_output")),
        long_above=_tokens(path, where, "long_above", entry.get("long_above")),
    )


def _money(path: str, where: str, key: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise _wrong(path, f"{where} {key} is {value!r}, and not US dollars per million tokens")
    return round(value * NANO)


def _tokens(path: str, where: str, key: str, value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _wrong(path, f"{where} {key} is {value!r}, and not a number of tokens")
    return value


def _refuse_unknown(path: str, where: str, table: Mapping[str, object], known: set[str]) -> None:
    for key in sorted(table.keys() - known):
        raise _wrong(path, f"{where}has {key!r}, which means nothing here")


def _wrong(path: str, what: str) -> GptSettingsError:
    return GptSettingsError(
        printable(f"the price table {path}: {what}"), hint="gpt/budget/prices.toml shows how a table looks"
    )
