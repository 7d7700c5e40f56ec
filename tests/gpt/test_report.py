"""What a bot's helper did stands in the report: the older systems' own case, with all parts real."""

import asyncio
import gc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from core.session_files import sample_fleet
from core.state import StateFolder, publish_status
from gpt.openai_utils import GptHelper, GptSettings
from tests.gpt.conftest import API_KEY, QUICK
from tests.openai_server import OpenAIServer
from tests.state.builders import bot
from tests.state.waiting import documents, until
from tests.tool import Tool
from tests.valkey import Valkey

pytestmark = pytest.mark.usefixtures("alone")
QUESTIONS = ("When?", "Where?", "How much?", "Why?")


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    return Tool(tmp_path / "state")


@pytest_asyncio.fixture
async def helper(server: OpenAIServer, valkey: Valkey, tmp_path: Path) -> AsyncIterator[GptHelper]:
    """One whose four questions another process has asked before."""

    def make(**settings: float) -> GptHelper:
        return GptHelper(
            api_key=API_KEY,
            base_url=server.base_url,
            redis_url=valkey.url,
            state=str(tmp_path / "state"),
            settings=GptSettings(**{**QUICK, **settings}),  # type: ignore[arg-type]
        )

    async with make() as before:
        for question in QUESTIONS:
            await before.ask(question)
    del before
    gc.collect()
    async with make(daily_money=1.0) as helper:
        yield helper


@pytest.mark.asyncio
async def test_four_of_four_entries_and_every_lookup_a_hit(helper: GptHelper, tool: Tool, tmp_path: Path) -> None:
    for question in QUESTIONS:
        await helper.ask(question)
    state = StateFolder(str(tool.state))
    sessions = tmp_path / "sessions"
    sessions.mkdir(mode=0o700)
    sample_fleet.write_healthy(str(sessions / "shop_01"))

    async with publish_status(lambda: [bot()], state=state):
        await until(lambda: len(documents(state)) == 1)
        shown = await asyncio.to_thread(tool.monitor, "report", sessions)

    told = [line for line in shown.stdout.splitlines() if "GPT cache" in line]
    assert told == ["gpt         GPT cache: 4/4 entries, hit ratio 100.00 %"]
    assert "saved 4 calls and less than $0.01; 0 calls made" in shown.stdout
    assert "of the budget of $1.00" in shown.stdout
