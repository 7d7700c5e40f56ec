"""Completions in `report`: what live bots tell, in the words that operators know."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.session_files import sample_fleet
from core.state import StateFolder, publish_status
from gpt.figures import COUNTED, count_in
from tests.commands.terminal import on_terminal
from tests.documents.schemas import SCHEMAS, closed, errors
from tests.state.builders import ELSEWHERE, bot, process, put_file
from tests.state.waiting import documents, until
from tests.tool import BARE, MONITOR, Tool
from utils.clock import utc_now

EVIL = "\x1b[2J\nCRIT forged"


class Counter:
    """A helper, as far as its figures go."""

    def __init__(self, **figures: Any) -> None:
        self._figures = {**dict.fromkeys(COUNTED, 0), **figures}

    def stats(self) -> Mapping[str, Any]:
        return self._figures


@pytest.fixture
def state(tool: Tool) -> StateFolder:
    return StateFolder(str(tool.state))


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    folder = tmp_path / "sessions"
    folder.mkdir(mode=0o700)
    sample_fleet.write_healthy(str(folder / "shop_01"))
    return folder


def put(state: StateFolder, room: dict[str, Any], *, pid: int = 811, **fields: Any) -> None:
    about = {"process": f"eu-2.{pid}.1", "host": "eu-2", "identity": ELSEWHERE._replace(pid=pid), "at": utc_now()}
    put_file(state, process(bot(), **{**about, "rooms": {"gpt": room}, **fields}))


def wallet(**fields: Any) -> dict[str, Any]:
    return {"day": utc_now().date().isoformat(), **fields}


def block(text: str) -> list[str]:
    """The lines of a report about completions."""
    lines = text.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("gpt "))
    last = next(number for number, line in enumerate(lines) if line.startswith("processes "))
    return [line[12:] for line in lines[first:last]]


@pytest.mark.asyncio
async def test_the_cache_of_a_live_bot_is_told_as_operators_know_it(
    tool: Tool, state: StateFolder, fleet: Path
) -> None:
    """Four questions in the cache, each asked again: what a bot counts comes to the report by itself."""
    helper = Counter(entries=4, valid_entries=4, hits=4)
    count_in(helper)

    async with publish_status(lambda: [bot()], state=state):
        await until(lambda: len(documents(state)) == 1)
        shown = await asyncio.to_thread(tool.monitor, "report", fleet)
    after = tool.monitor("report", fleet).stdout

    assert (shown.returncode, shown.stderr) == (0, "")
    assert block(shown.stdout)[0] == "GPT cache: 4/4 entries, hit ratio 100.00 %"
    assert block(after) == ["no live bot asks a model"]


def test_what_was_saved_and_spent_stands_below(tool: Tool, state: StateFolder, fleet: Path) -> None:
    """Two processes that share a budget; -v adds what the cache counts."""
    budgets = {"openai": wallet(money=0.02, tokens=1_204, daily_money=1.0, bots=3, bot_share=0.1)}
    budgets["openai"]["fullest_bot"] = "alice"
    put(state, {"hits": 38, "misses": 5, "calls_saved": 38, "money_saved": 0.11, "budgets": budgets, "bytes": 5_200})
    more = {"joins": 2, "calls": 5, "money": 0.02, "tokens": 1_204, "rate_limited": 2, "retries": 2, "waits": 3}
    put(state, {**more, "calls_saved": 2, "money_saved": 0.01, "budgets": budgets, "waited_seconds": 15.0}, pid=812)

    shown, verbose = (block(tool.monitor("report", *words, fleet).stdout) for words in ((), ("-v",)))

    assert shown == [
        "GPT cache: 0/0 entries, hit ratio 84.44 %",
        "saved 40 calls and $0.12; 5 calls made for $0.02, 1,204 tokens, 2 retried, 2 × 429",
        "today $0.02, 2 % of the budget of $1.00; alice, the fullest of 3 bots, has used 10 % of its own",
    ]
    assert verbose == [*shown, "38 hits, 2 joined, 5 misses, waited 3 times, 15 s in all, 5.2 kB of replies kept"]


def test_what_is_wrong_stands_between_in_words_and_colours(tool: Tool, state: StateFolder, fleet: Path) -> None:
    budgets = {
        "shop": wallet(tokens=1_000, daily_tokens=1_000, refused=4),
        "help": wallet(money=0.5, bots=1, bot_share=1.2),
        "rest": wallet(money=0.004, tokens=10, daily_tokens=100),
    }
    failures = {"rate limit": 3, "timeout": 1, "quota": 0}
    put(state, {"circuit": "open", "waiting": 1, "failures": failures, "budgets": budgets, "fallbacks": 2})
    put(state, {"circuit": "half-open"}, pid=812)

    shown = tool.monitor("report", "--color", "always", fleet).stdout

    assert block(shown) == [
        "GPT cache: 0/0 entries, not asked yet",
        "\x1b[31mcircuit open\x1b[0m  in 1 of 2 processes; it sends nothing until a probe succeeds",
        "\x1b[33mcircuit half-open\x1b[0m  in 1 of 2 processes; its next request decides",
        "\x1b[31mbudget used up\x1b[0m  account shop: today 1,000 tokens, 100 % of the budget of 1,000; 4 not sent",
        "\x1b[33mbudget of a bot used up\x1b[0m  account help: today $0.50; its bot has used 120 % of its own",
        "\x1b[33mfailed\x1b[0m  3 × rate limit, 1 × timeout",
        "\x1b[33mwaiting\x1b[0m  1 question for the rate limit",
        "saved 0 calls; 0 calls made, 2 answered by a fallback",
        "account rest: today less than $0.01 and 10 tokens, 10 % of the budget of 100",
    ]


@pytest.mark.parametrize(
    ("hits", "misses", "told"), [(1, 2, "33.33"), (99_999, 1, "99.99"), (1, 99_999, "0.01"), (0, 3, "0.00")]
)
def test_only_all_is_100_percent(
    tool: Tool, state: StateFolder, fleet: Path, hits: int, misses: int, told: str
) -> None:
    put(state, {"entries": 2_000, "valid_entries": 1_500, "hits": hits, "misses": misses})

    shown = block(tool.monitor("report", fleet).stdout)[0]

    assert shown == f"GPT cache: 1,500/2,000 entries, hit ratio {told} %"


def test_who_is_not_counted_is_told(tool: Tool, state: StateFolder, fleet: Path) -> None:
    """Figures that cannot be, a process that fell silent, a status that cannot be read, hosts that do not answer."""
    put(state, {"hits": "many"})
    put(state, {"hits": 3}, pid=812, at=utc_now() - timedelta(hours=1))
    Path(state.status, "bad.json").touch()
    cut_off = Tool(tool.state, {"GAVAT_REDIS_URL": "redis://127.0.0.1:1/0"})

    shown = block(cut_off.monitor("report", fleet).stdout)

    assert shown == [
        "no live bot asks a model",
        "not counted  eu-2 pid 811 python bot.py: what it tells cannot be",
        "not counted  1 process not heard of any more",
        "not counted  1 process whose status could not be read",
        "not counted  other hosts, which are unknown",
    ]


def test_hostile_words_are_words_and_lines_fit_the_terminal(tool: Tool, state: StateFolder, fleet: Path) -> None:
    failures = {f"{EVIL}{number}": 10**12 for number in range(9)}
    budgets = {f"{EVIL}{number}": wallet(money=1e12, daily_money=5e-324, refused=10**12) for number in range(9)}
    put(state, {"hits": 10**12, "tokens": 10**12, "waits": 1, "failures": failures, "budgets": budgets})
    put(state, {"hits": -1}, pid=812, command=EVIL)

    shown = on_terminal(
        [*BARE, MONITOR, "--color", "never", "report", "-v", str(fleet)], columns=80, environ=tool.env()
    )
    told = tool.monitor("report", "--json", fleet).stdout

    lines = block(shown)
    assert "\x1b" not in shown + told
    assert not any(line.startswith("CRIT") for line in lines)
    assert max(map(len, lines)) <= 80 - 12
    assert "10,000 % and more of the budget of less than $0.01" in " ".join(lines)
    assert errors(closed(SCHEMAS["gavat.report"]), json.loads(told)) == []


def test_the_document_has_the_sum(tool: Tool, state: StateFolder, fleet: Path) -> None:
    budgets = {"openai": wallet(money=0.1 + 0.2, daily_money=1.0)}
    put(state, {"hits": 3, "misses": 1, "money": 0.1, "circuit": "open", "budgets": budgets, "failures": {"quota": 1}})
    put(state, {"money": 0.2}, pid=812)
    put(state, {"money": "x"}, pid=813)

    told = json.loads(tool.monitor("report", "--json", fleet).stdout)["gpt"]

    assert (told["processes"], told["helpers"], told["hit_ratio"], told["money"]) == (2, 2, 0.75, 0.3)
    assert (told["failures"], told["circuits"]) == ({"quota": 1}, {"closed": 1, "half-open": 0, "open": 1})
    assert [(one["name"], one["money"], one["share"]) for one in told["budgets"]] == [("openai", 0.3, 0.3)]
    assert (told["not_counted"], told["not_heard_of"]) == (["eu-2.813.1"], 0)


def test_the_document_of_a_fleet_that_asks_nothing_says_so(tool: Tool, fleet: Path) -> None:
    told = json.loads(tool.monitor("report", "--json", fleet).stdout)

    assert (told["gpt"]["processes"], told["gpt"]["hit_ratio"], told["gpt"]["budgets"]) == (0, None, [])
    assert errors(closed(SCHEMAS["gavat.report"]), told) == []
