"""What processes publish of their bots, as lines for people: worst first, everything escaped, words beside colours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from core.commands.block import Line, block
from core.commands.output import Output
from core.commands.sessions_text import moment_text, plural
from core.monitoring.live import NOT_RUNNING, WELL, LiveBot, LiveView, count_states
from core.state.status_reading import Condition, SeenStatus, StatusView
from utils.redact import printable
from utils.units import duration_text

NOBODY = "no process publishes its bots; BotController and publish_status do: docs/embedding.md"
_MOST, _MOST_UNREAD, _MOST_NAMES = 10, 3, 5
_FOLDED_FROM = 4
_LATE = timedelta(milliseconds=100)
_RED = ("banned", "revoked", "duplicated", "frozen", "given up", "locked out")
_COLOURS = {
    **dict.fromkeys((*_RED, Condition.STUCK.value, Condition.ENDED.value), "red"),
    "alive": "green",
    "stopped": "dim",
}


def bots_block(live: LiveView, output: Output, now: datetime, *, verbose: bool) -> list[str]:
    """The part of a report about running bots, its label in front."""
    processes = live.statuses.processes
    several = len(_hosts(processes)) > 1
    shown = processes if verbose else _not_succeeded(live)
    told = [
        Line("", _headline(live)),
        *_at_most(_MOST, [_process_line(seen) for seen in shown], verbose=verbose),
        *_at_most(_MOST, _bot_lines(live, now, several=several, verbose=verbose), verbose=verbose),
        *(Line("", line) for line in unknown_lines(live.statuses)),
    ]
    return block("bots", told, output, _COLOURS)


def bot_text(one: LiveBot, now: datetime) -> str:
    """How a bot is, as far as its process can be believed: `alive since 09:14, 3 reconnects`."""
    told = ", ".join([_state_text(one, now), *_starts(one)])
    if one.seen.condition is Condition.FRESH:
        return told
    return f"{_silence(one.seen)}; before that it was {told}"


def bot_facts(one: LiveBot, now: datetime) -> list[tuple[str, str]]:
    """All that is published of one bot, as labelled facts."""
    seen = one.seen
    place = "" if seen.here else "; it has a session of this name of its own"
    return [
        ("bot" if seen.here else "elsewhere", bot_text(one, now)),
        ("figures", ", ".join(_numbers(one)) or "no restart, no reconnect, no wait"),
        ("published", f"by {who(seen)}, {_heard(seen)}{place}"),
    ]


def elsewhere_lines(live: LiveView, output: Output, now: datetime) -> list[str]:
    """Bots of other hosts whose session's name is also here, and what could not be seen."""
    lines = []
    for one in live.namesakes:
        start = f"  {printable(one.bot.name)}  "
        here = f"the file is here ({printable(one.namesake or '')}), a bot of that name {_runs(one)} on {who(one.seen)}"
        first, *more = output.wrapped(f"{here}: {bot_text(one, now)}", indent=len(start))
        lines += [start + first, *more]
    if lines:
        lines = ["", "On other hosts:", *lines]
    unknown = [line for text in unknown_lines(live.statuses) for line in output.wrapped(text, indent=2)]
    return [*lines, "", *unknown] if unknown else lines


def _runs(one: LiveBot) -> str:
    """The verb for a bot: what its process said before it fell silent is past."""
    present, past = ("is", "was") if one.bot.state in NOT_RUNNING else ("runs", "ran")
    return present if one.seen.condition is Condition.FRESH else past


def unknown_lines(statuses: StatusView) -> list[str]:
    """What could not be seen, a line each."""
    lines = [f"other hosts: unknown, {printable(statuses.shared_problem)}"] if statuses.shared_problem else []
    lines += [f"not read: {printable(one.place)}: {printable(one.why)}" for one in statuses.unread[:_MOST_UNREAD]]
    more = len(statuses.unread) - _MOST_UNREAD
    return [*lines, f"not read: {more:,} more; --json has all"] if more > 0 else lines


def _headline(live: LiveView) -> str:
    processes = live.statuses.processes
    heard = [seen for seen in processes if seen.condition is Condition.FRESH]
    if not processes:
        return NOBODY
    if not heard:
        return f"unknown: none is heard of any more; {processes_text(len(processes))} published before"
    counts = " · ".join(f"{number:,} {printable(state)}" for state, number in count_states(live.fresh).items())
    where = f"{plural(len(live.fresh), 'bot')} in {processes_text(len(heard))} on {plural(len(_hosts(heard)), 'host')}"
    return f"{where}: {counts}" if counts else where


def processes_text(number: int) -> str:
    """`1 process`, `3 processes`."""
    return "1 process" if number == 1 else f"{number:,} processes"


def _process_line(seen: SeenStatus) -> Line:
    bots = plural(len(seen.status.bots), "bot")
    if seen.condition is not Condition.FRESH:
        return Line(seen.condition.value, f"{who(seen)}: {_silence(seen)}; it had {bots}")
    late = f", its event loop up to {duration_text(seen.status.loop_lag)} late" if seen.status.loop_lag > _LATE else ""
    problem = f"; {printable(seen.status.problem)}" if seen.status.problem else ""
    return Line("", f"{who(seen)}: {bots}, {_heard(seen)}{late}{problem}")


def _not_succeeded(live: LiveView) -> list[SeenStatus]:
    """All processes but those that have ended, when each of their bots is in a process that is heard of."""
    running = {(one.seen.status.host, one.bot.path) for one in live.fresh}
    return [
        seen
        for seen in live.statuses.processes
        if seen.condition is not Condition.ENDED
        or not {(seen.status.host, bot.path) for bot in seen.status.bots} <= running
    ]


def _bot_lines(live: LiveView, now: datetime, *, several: bool, verbose: bool) -> list[Line]:
    """The bots that are not well, or all; several of one state and code in one line, unless each needs a person."""
    if verbose:
        return [_bot_line(one, now, several=several) for one in live.fresh]
    alike: dict[tuple[str, ...], list[LiveBot]] = {}
    for one in live.fresh:
        if one.bot.state not in WELL:
            alone = (one.seen.status.process, one.bot.path) if one.bot.state in _RED else ()
            alike.setdefault((one.bot.state, one.bot.code, one.seen.status.host, *alone), []).append(one)
    lines = []
    for group in alike.values():
        if len(group) < _FOLDED_FROM:
            lines += [_bot_line(one, now, several=several) for one in group]
        else:
            lines.append(_group_line(group, now, several=several))
    return lines


def _group_line(group: Sequence[LiveBot], now: datetime, *, several: bool) -> Line:
    first = group[0]
    where = f" on {printable(first.seen.status.host)}" if several else ""
    names = ", ".join(printable(one.bot.name) for one in group[:_MOST_NAMES])
    named = f"{names} and {len(group) - _MOST_NAMES:,} more" if len(group) > _MOST_NAMES else names
    why = f"; {printable(first.bot.name)} {_since(first, now)}" if first.bot.code or first.bot.reason else ""
    return Line(printable(first.bot.state), f"{plural(len(group), 'bot')}{where}: {named}{why}")


def _bot_line(one: LiveBot, now: datetime, *, several: bool) -> Line:
    where = f" on {printable(one.seen.status.host)}" if several else ""
    return Line(printable(one.bot.state), f"{printable(one.bot.name)}{where} {_since(one, now)}")


def _state_text(one: LiveBot, now: datetime) -> str:
    return f"{printable(one.bot.state)} {_since(one, now)}"


def _since(one: LiveBot, now: datetime) -> str:
    bot = one.bot
    why = ": ".join(printable(part) for part in (bot.code, bot.reason) if part)
    until = f", until {moment_text(bot.until, now)}" if bot.until is not None else ""
    return f"since {moment_text(bot.since, now)}{f', {why}' if why else ''}{until}"


def _starts(one: LiveBot) -> list[str]:
    counted = ((one.bot.restarts, "restart"), (one.bot.reconnects, "reconnect"))
    return [plural(number, noun) for number, noun in counted if number]


def _numbers(one: LiveBot) -> list[str]:
    bot = one.bot
    waited = ((bot.flood_time, "flooded"), (bot.deaf_time, "deaf"), (bot.offline_time, "offline"))
    handled = ((bot.handled, "handled"), (bot.failed, "failed"))
    return [
        *_starts(one),
        *(f"{word} for {duration_text(time)} in all" for time, word in waited if time),
        *(f"{number:,} {word}" for number, word in handled if number),
    ]


def who(seen: SeenStatus) -> str:
    """Host, process and program."""
    return f"{printable(seen.status.host)} pid {seen.status.identity.pid} {printable(seen.status.command) or '?'}"


def _heard(seen: SeenStatus) -> str:
    return "heard of just now" if seen.age < timedelta(seconds=1) else f"heard of {duration_text(seen.age)} ago"


def _silence(seen: SeenStatus) -> str:
    """What it means that a process is not heard of."""
    age = duration_text(abs(seen.age))
    if seen.condition is Condition.ENDED:
        return f"it ended without a word (killed?), last heard of {age} ago"
    if seen.age < timedelta(0):
        return f"its status is dated {age} ahead: a clock is wrong"
    if seen.condition is Condition.STUCK:
        lives = f"pid {seen.status.identity.pid} lives"
        return f"its event loop has been stuck for {age} ({lives}), or its status cannot be written"
    return f"not heard of for {age}"


def _hosts(processes: Sequence[SeenStatus]) -> set[str]:
    return {seen.status.host for seen in processes}


def _at_most(most: int, lines: list[Line], *, verbose: bool) -> list[Line]:
    more = 0 if verbose else len(lines) - most
    return [*lines[:most], Line("", f"… and {more:,} more; -v lists all")] if more > 0 else lines
