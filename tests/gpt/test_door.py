"""`gpt.openai_utils`: what importing it costs, and what it says of the process."""

import subprocess
import sys
from pathlib import Path

import pytest

import gpt.openai_utils as door
from gpt import figures
from gpt.errors import GptSettingsError
from gpt.openai_utils import GptHelper, GptSettings, clear_cache, default_helper, get_cache_stats, set_default_helper
from tests.gpt.conftest import API_KEY, Helpers
from tests.killing import REPOSITORY, plain_environment
from tests.openai_server import OpenAIServer

ZEROS = {
    **dict.fromkeys(("entries", "valid_entries", "hits", "joins", "misses", "calls_saved", "money_saved"), 0),
    "hit_ratio": 0.0,
    "none": True,
}
pytestmark = pytest.mark.usefixtures("alone")
DEAR = {"openai", "redis", "asyncio", "tenacity", "cachetools", "sqlite3", "tomllib", "httpx2"}


def python(script: str) -> str:
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", script],
        cwd=REPOSITORY,
        env=plain_environment(),
        check=True,
        capture_output=True,
        text=True,
    )
    return run.stdout + run.stderr


def test_importing_it_loads_nothing_dear() -> None:
    """Every bot's program does; 60 ms are allowed, and what was measured is five."""
    lines = [line for line in python("import gpt.openai_utils").splitlines() if line.startswith("import time:")]
    loaded = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in lines}

    assert "gpt" in loaded
    assert loaded & DEAR == set()


def test_a_helper_loads_neither_the_sdk_nor_redis_before_its_first_call() -> None:
    script = (
        "import sys; from gpt.openai_utils import GptHelper, GptSettings\n"
        "GptHelper(api_key='k', settings=GptSettings(model='m'))\n"
        "print('LOADED', [name for name in ('openai', 'redis', 'httpx2', 'tenacity') if name in sys.modules])"
    )

    assert "LOADED []" in python(script)


def test_all_that_it_names_is_there() -> None:
    for name in door.__all__:
        assert getattr(door, name) is not None
    with pytest.raises(AttributeError):
        _ = door.nothing_of_the_kind


def test_before_there_is_a_helper_all_is_zero() -> None:
    assert get_cache_stats() == ZEROS
    assert clear_cache() == 0


@pytest.mark.asyncio
async def test_figures_are_those_of_the_processs_helpers(helpers: Helpers) -> None:
    helper, other = helpers(), helpers()
    await helper.ask("When?")
    await helper.ask("When?")
    await other.ask("Where?")

    stats = get_cache_stats()
    assert (stats["entries"], stats["valid_entries"], stats["hits"], stats["misses"]) == (2, 2, 1, 2)
    assert (stats["hit_ratio"], stats["calls_saved"], stats["none"]) == (pytest.approx(1 / 3), 1, False)
    assert stats["money_saved"] > 0
    assert clear_cache() == 2
    assert get_cache_stats()["entries"] == 0


@pytest.mark.asyncio
async def test_where_there_is_a_default_one_they_are_its_own(server: OpenAIServer, helpers: Helpers) -> None:
    def make() -> GptHelper:
        return GptHelper(api_key=API_KEY, base_url=server.base_url, settings=GptSettings(model="m"))

    await helpers().ask("When?")
    set_default_helper(make)
    assert default_helper() is default_helper()
    await default_helper().ask("Where?")

    assert (get_cache_stats()["entries"], get_cache_stats()["misses"]) == (1, 1)
    await default_helper().aclose()


def test_the_default_one_is_made_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", API_KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1/")

    assert repr(default_helper()) == "GptHelper(127.0.0.1, model='')"


@pytest.mark.asyncio
async def test_without_a_key_each_question_says_where_to_put_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the helper itself: a handler's reply still has something to say."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    set_default_helper(lambda: GptHelper(settings=GptSettings(model="m")))

    with pytest.raises(GptSettingsError, match="OPENAI_API_KEY"):
        await default_helper().ask("When?")
    assert (await default_helper().reply("When?", fallback="Later.")).text == "Later."
    await default_helper().aclose()


@pytest.mark.parametrize(
    "wrong",
    [
        {"api_key": "two hunter2"},
        {"api_key": "hunter2\n"},
        {"api_key": "şifre-hunter2"},
        {"api_key": "k", "base_url": "user:hunter2@host/v1"},
    ],
)
def test_what_no_request_could_carry_is_refused_at_once(wrong: dict[str, str]) -> None:
    """Not by three tries and a network error; and without repeating a secret."""
    with pytest.raises(GptSettingsError) as refused:
        GptHelper(api_key=wrong["api_key"], base_url=wrong.get("base_url"))

    assert "hunter2" not in f"{refused.value}{refused.value.hint}"


@pytest.mark.parametrize("url", ["localhost:6379", "http://127.0.0.1", "redis://user:hunter2@127.0.0.1:notaport"])
def test_an_address_of_redis_that_is_none_is_refused(url: str) -> None:
    """Without repeating it: it may hold a password."""
    with pytest.raises(GptSettingsError) as refused:
        GptHelper(api_key=API_KEY, redis_url=url)

    assert "hunter2" not in f"{refused.value}{refused.value.hint}"


def test_a_helper_that_is_forgotten_is_counted_no_more(tmp_path: Path) -> None:
    import gc

    helper = GptHelper(api_key=API_KEY, state=str(tmp_path))
    assert get_cache_stats()["none"] is False
    del helper
    gc.collect()

    assert get_cache_stats()["none"] is True


def test_figures_of_several_processes_are_added_up() -> None:
    one = {"hits": 3, "misses": 1, "failures": {"quota": 2}, "budgets": {"w": {"tokens": 5, "refused": 1}}}
    total = figures.add_figures([one, one, {"hits": "many", "failures": 7, "helpers": True}])

    assert (total["hits"], total["misses"], total["hit_ratio"]) == (6, 2, 0.75)
    assert (total["failures"], total["helpers"]) == ({"quota": 4}, 2)
    assert total["budgets"] == {"w": {"tokens": 5, "refused": 2}}
