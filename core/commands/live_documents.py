"""What processes publish, as parts of documents: `live`, their bots; `gpt`, their completions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.commands.output import Streamed
from core.monitoring.completions import CompletionsView, Wallet
from core.monitoring.live import LiveBot, LiveView, count_states
from core.state.status_reading import SeenStatus
from gpt.figures import CIRCUITS, COUNTED
from utils.clock import utc_text


def live_document(live: LiveView, bots: Sequence[LiveBot] | None = None) -> dict[str, Any]:
    """The part `live`; `bots`: those that the document is about, with their processes alone. None: all."""
    chosen = live.bots if bots is None else bots
    processes = live.statuses.processes
    if bots is not None:
        about = {one.seen.status.process for one in bots}
        processes = tuple(seen for seen in processes if seen.status.process in about)
    return {
        "summary": count_states(live.fresh),
        "processes": [_process(seen) for seen in processes],
        "bots": Streamed(chosen, _bot),
        "unread": [one._asdict() for one in live.statuses.unread],
        "other_hosts_problem": live.statuses.shared_problem or None,
    }


def gpt_document(view: CompletionsView) -> dict[str, Any]:
    """The part `gpt`: the sum over processes that are heard of."""
    return {
        "processes": view.processes,
        "helpers": view.figures["helpers"],
        **{name: _rounded(view.figures[name]) for name in COUNTED},
        "hit_ratio": None if view.hit_ratio is None else round(view.hit_ratio, 6),
        "failures": dict(view.figures["failures"]),
        "circuits": {word: view.circuits.get(word, 0) for word in CIRCUITS},
        "budgets": [_budget(one) for one in view.wallets],
        "not_counted": [seen.status.process for seen in view.not_counted],
        "not_heard_of": view.unheard,
    }


def _budget(wallet: Wallet) -> dict[str, Any]:
    return {name: _rounded(value) for name, value in wallet._asdict().items()}


def _rounded(value: Any) -> Any:
    """A sum of cents without the traces of binary fractions."""
    return round(value, 6) if isinstance(value, float) else value


def _process(seen: SeenStatus) -> dict[str, Any]:
    status = seen.status
    return {
        "process": status.process,
        "host": status.host,
        "pid": status.identity.pid,
        "started_at": utc_text(status.started_at),
        "command": status.command,
        "condition": seen.condition.value,
        "here": seen.here,
        "sources": [source.value for source in seen.sources],
        "at": utc_text(status.at),
        "age_seconds": round(seen.age.total_seconds(), 3),
        "valid_for_seconds": status.valid_for.total_seconds(),
        "loop_lag_seconds": round(status.loop_lag.total_seconds(), 3),
        "problem": status.problem or None,
        "bots": len(status.bots),
        "rooms": dict(status.rooms),
    }


def _bot(one: LiveBot) -> dict[str, Any]:
    bot = one.bot
    return {
        "process": one.seen.status.process,
        "session": one.session,
        "namesake": one.namesake,
        "name": bot.name,
        "path": bot.path,
        "state": bot.state,
        "since": utc_text(bot.since),
        "code": bot.code,
        "reason": bot.reason,
        "until": utc_text(bot.until) if bot.until is not None else None,
        "restarts": bot.restarts,
        "reconnects": bot.reconnects,
        "flood_seconds": bot.flood_time.total_seconds(),
        "deaf_seconds": bot.deaf_time.total_seconds(),
        "offline_seconds": bot.offline_time.total_seconds(),
        "handled": bot.handled,
        "failed": bot.failed,
    }
