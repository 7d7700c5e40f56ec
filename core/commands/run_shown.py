"""What `python -m core run` would run, or has run, as text and as JSON; never a secret."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from core.client.sharing import leases_told
from core.commands.output import Output
from core.commands.run_plan import RunPlan
from core.commands.sessions_text import plural
from core.completions import described
from core.fleet.model import BotStatus
from core.fleet.roster import Kind, WantedBot
from utils.clock import utc_text
from utils.redact import printable

WOULD_START, LEFT_OUT = "would start", "left out"
"""States of bots that do not run: with `-n`, and with `run = false`."""
_TOLD_ONCE_FROM = 4
_SAME = ("device_model", "system_version", "app_version", "lang_code", "system_lang_code")


def plan_text(plan: RunPlan, output: Output) -> list[str]:
    """What would start, for people."""
    pace = plan.wiring.fleet
    low, high = (f"{one.total_seconds():g}" for one in (pace.stagger_min, pace.stagger_max))
    count = f"{len(plan.wanted)} of {plural(len(plan.bots), 'bot')}"
    lines = [f"{count} would start, {pace.at_once} at a time, {low} to {high} s apart:", ""]
    usual = _usual(plan)
    if usual:
        lines += ["Each with the following, unless its line says something else:", *(f"  {one}" for one in usual), ""]
    width = max(len(printable(bot.name)) for bot in plan.bots)
    for bot in plan.bots:
        state, colour = (WOULD_START, "green") if bot.settings.run else (LEFT_OUT, "dim")
        start = f"  {output.paint(f'{state:<{len(WOULD_START)}}', colour)}  {printable(bot.name):<{width}}  "
        details = _details(bot)
        said = [printable(bot.path), *(details if details != usual else [])]
        for line in said if bot.settings.run else ["run = false"]:
            lines.append(start + line)
            start = " " * (len(WOULD_START) + width + 6)
    leases, *silent = leases_told(plan.wiring.redis)
    model = described(plan.wiring.gpt)
    told = [f"Leases: {leases}", *silent, *([f"Asking a model: {model}"] if model else [])]
    return [
        *lines,
        "",
        *(line for one in told for line in output.wrapped(one, indent=2)),
        "",
        "Nothing was started; run without -n to do it.",
    ]


def document(plan: RunPlan, statuses: Sequence[BotStatus] | None, *, at: datetime, exit_code: int) -> dict[str, Any]:
    """The JSON document; `statuses`: of the fleet at its end, None when none was started."""
    ran = {status.path: status for status in statuses or ()}
    bots = [_bot(bot, ran.get(bot.path)) for bot in plan.bots]
    return {
        "schema": {"name": "gavat.run", "version": 1},
        "at": utc_text(at),
        "dry_run": statuses is None,
        "sessions": [printable(os.path.abspath(one)) for one in plan.sessions],
        "bots": bots,
        "gpt": described(plan.wiring.gpt) or None,
        "counts": dict(sorted(Counter(one["state"] for one in bots).items())),
        "exit_code": exit_code,
    }


def _usual(plan: RunPlan) -> list[str]:
    """What most bots have, to be told once; nothing where a few have it."""
    [(details, number)] = Counter(tuple(_details(bot)) for bot in plan.wanted).most_common(1) or [((), 0)]
    return list(details) if number >= _TOLD_ONCE_FROM else []


def _details(bot: WantedBot) -> list[str]:
    """Handlers and settings of one bot, a line each."""
    lines = [f"{kind} {', '.join(names)}" for kind, names in _heard(bot).items() if names]
    if not bot.hears:
        lines.append("no handlers: it stays connected, and answers nobody")
    lines += [f"{name} {printable(str(value))}" for name, value in _own(bot).items() if value not in (None, "fleet")]
    return lines


def _bot(bot: WantedBot, status: BotStatus | None) -> dict[str, Any]:
    """One bot: what it has, and how it was at the end."""
    state = (WOULD_START if bot.settings.run else LEFT_OUT) if status is None else status.state.value
    return {
        "name": printable(bot.name),
        "path": printable(bot.path),
        "state": state,
        "health": None if status is None or status.health is None else status.health.state.value,
        "since": None if status is None else utc_text(status.since),
        "code": None if status is None else status.code or None,
        "reason": None if status is None else status.reason or None,
        "restarts": 0 if status is None else status.restarts,
        "handled": 0 if status is None else status.handled,
        "failed": 0 if status is None else status.failed,
        **_heard(bot),
        "settings": _own(bot),
    }


def _heard(bot: WantedBot) -> dict[str, list[str]]:
    """What settings say that it hears, by kind, as settings name it."""
    heard: dict[str, list[str]] = {kind.value: [] for kind in Kind}
    for kind, handler in bot.hears:
        name = getattr(handler, "__qualname__", type(handler).__name__)
        heard[kind.value].append(printable(f"{getattr(handler, '__module__', '')}:{name}"))
    return heard


def _own(bot: WantedBot) -> dict[str, Any]:
    """What the bot has of its own, without secrets."""
    own = bot.settings
    return {
        "application": "fleet" if own.api_id is None else "own",
        "proxy": None if own.proxy is None else str(own.proxy),
        **{name: getattr(own, name) for name in _SAME},
        "flood_sleep_seconds": None if own.flood_sleep is None else own.flood_sleep.total_seconds(),
    }
