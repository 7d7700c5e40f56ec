"""What live bots asked of models, for people: the cache, what is wrong, what was saved and spent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from core.commands.block import Line, block
from core.commands.live_text import processes_text, who
from core.commands.output import Output
from core.commands.sessions_text import plural
from core.monitoring.completions import CompletionsView, Wallet
from core.state.status_reading import StatusView
from utils.redact import printable
from utils.units import duration_text, money_text, percent_text, size_text

NOBODY = "no live bot asks a model"
_OPEN, _HALF_OPEN, _USED_UP = "circuit open", "circuit half-open", "budget used up"
_BOT_USED_UP = "budget of a bot used up"
_COLOURS = {_OPEN: "red", _USED_UP: "red"}
_OF_CALLS = {
    "tokens": "tokens",
    "retries": "retried",
    "rate_limited": "× 429",
    "fallbacks": "answered by a fallback",
}
_OF_LOOKUPS = {
    "hits": "hits",
    "joins": "joined",
    "misses": "misses",
    "stale_hits": "stale",
    "evicted": "evicted",
    "expired": "expired",
    "invalidated": "invalidated",
    "refused": "refused",
}
_MOST_KINDS, _MOST_WALLETS, _MOST_PROCESSES, _LONGEST_KIND = 5, 3, 3, 40
_LONGEST_WAIT = timedelta(days=36_500).total_seconds()


def gpt_block(view: CompletionsView, statuses: StatusView, output: Output, *, verbose: bool) -> list[str]:
    """The part of a report about completions, its label in front."""
    told = [Line("", _cache_text(view)), *_troubles(view)] if view.processes else [Line("", NOBODY)]
    if view.processes:
        told += [Line("", text) for text in (_calls_text(view.figures), *_wallet_texts(view))]
        told += [Line("", _lookups_text(view.figures))] if verbose else []
    return block("gpt", [*told, *_not_counted(view, statuses)], output, _COLOURS)


def _cache_text(view: CompletionsView) -> str:
    """`GPT cache: 4/4 entries, hit ratio 100.00 %`, as operators know it; 100 and 0 only where it is all and none."""
    entries = f"GPT cache: {view.figures['valid_entries']:,}/{view.figures['entries']:,} entries"
    if view.hit_ratio is None:
        return f"{entries}, not asked yet"
    ratio = 100 * view.hit_ratio
    shown = ratio if ratio in (0, 100) else min(max(ratio, 0.01), 99.99)
    return f"{entries}, hit ratio {shown:.2f} %"


def _troubles(view: CompletionsView) -> list[Line]:
    figures = view.figures
    failures = sorted(figures["failures"].items(), key=lambda pair: (-pair[1], pair[0]))
    kinds = [f"{count:,} × {printable(kind[:_LONGEST_KIND])}" for kind, count in failures if count]
    more = [f"{len(kinds) - _MOST_KINDS:,} kinds more"] if len(kinds) > _MOST_KINDS else []
    lines = [
        *_circuit_lines(view, "open", Line(_OPEN, "it sends nothing until a probe succeeds")),
        *_circuit_lines(view, "half-open", Line(_HALF_OPEN, "its next request decides")),
        *(Line(_used_up(one), _wallet_text(one, view)) for one in view.wallets[:_MOST_WALLETS] if _used_up(one)),
    ]
    if kinds:
        lines.append(Line("failed", ", ".join([*kinds[:_MOST_KINDS], *more])))
    if figures["waiting"]:
        lines.append(Line("waiting", f"{plural(figures['waiting'], 'question')} for the rate limit"))
    return lines


def _circuit_lines(view: CompletionsView, state: str, line: Line) -> list[Line]:
    count = view.circuits.get(state, 0)
    return [Line(line.word, f"in {count:,} of {processes_text(view.processes)}; {line.text}")] if count else []


def _calls_text(figures: Mapping[str, Any]) -> str:
    """Of these processes since each of them began."""
    saved = f"saved {plural(figures['calls_saved'], 'call')}{_and_money(figures['money_saved'], ' and ')}"
    made = f"{plural(figures['calls'], 'call')} made{_and_money(figures['money'], ' for ')}"
    return "; ".join([saved, ", ".join([made, *_counted(figures, _OF_CALLS)])])


def _counted(figures: Mapping[str, Any], words: Mapping[str, str]) -> list[str]:
    return [f"{figures[name]:,} {word}" for name, word in words.items() if figures[name]]


def _and_money(dollars: float, joint: str) -> str:
    """Nothing where there is none: a model without a price costs something too."""
    return f"{joint}{money_text(dollars)}" if dollars else ""


def _wallet_texts(view: CompletionsView) -> list[str]:
    told = [_wallet_text(one, view) for one in view.wallets[:_MOST_WALLETS] if not _used_up(one)]
    more = len(view.wallets) - _MOST_WALLETS
    return [*told, f"… and {plural(more, 'budget')} more; --json has all"] if more > 0 else told


def _used_up(wallet: Wallet) -> str:
    """The word for it, or none."""
    return _USED_UP if wallet.share >= 1 else _BOT_USED_UP if wallet.bot_share >= 1 else ""


def _wallet_text(one: Wallet, view: CompletionsView) -> str:
    """`today $0.02, 2 % of the budget of $1.00; the fullest of 3 bots has used 10 % of its own`."""
    told = []
    if one.money or one.daily_money is not None:
        told.append(money_text(one.money) + _share(one.money, one.daily_money, money_text(one.daily_money or 0)))
    if one.daily_tokens is not None or not told:
        told.append(f"{one.tokens:,} tokens{_share(one.tokens, one.daily_tokens, f'{one.daily_tokens or 0:,}')}")
    name = f"account {printable(one.name)}: " if len(view.wallets) > 1 else ""
    text = f"{name}today {' and '.join(told)}"
    if one.bot_share:
        which = f"the fullest of {one.bots:,} bots" if one.bots > 1 else "its bot"
        if one.fullest_bot:
            which = f"{printable(one.fullest_bot)}, {which}," if one.bots > 1 else printable(one.fullest_bot)
        text += f"; {which} has used {percent_text(one.bot_share)} of its own"
    return f"{text}; {one.refused:,} not sent" if one.refused else text


def _share(spent: float, limit: float | None, shown: str) -> str:
    if limit is None:
        return ""
    return f", {percent_text(spent / limit if limit else 1.0)} of the budget of {shown}"


def _lookups_text(figures: Mapping[str, Any]) -> str:
    told = _counted(figures, _OF_LOOKUPS)
    if figures["waits"]:
        waited = duration_text(timedelta(seconds=min(figures["waited_seconds"], _LONGEST_WAIT)))
        told.append(f"waited {figures['waits']:,} times, {waited} in all")
    return ", ".join([*told, f"{size_text(figures['bytes'])} of replies kept"])


def _not_counted(view: CompletionsView, statuses: StatusView) -> list[Line]:
    """Why there may be more than is told."""
    why = [f"{who(seen)}: what it tells cannot be" for seen in view.not_counted[:_MOST_PROCESSES]]
    more = len(view.not_counted) - _MOST_PROCESSES
    if more > 0:
        why.append(f"{more:,} more of the kind; --json has all")
    if view.unheard:
        why.append(f"{processes_text(view.unheard)} not heard of any more")
    if statuses.unread:
        why.append(f"{processes_text(len(statuses.unread))} whose status could not be read")
    if statuses.shared_problem:
        why.append("other hosts, which are unknown")
    return [Line("not counted", text) for text in why]
