"""`[gpt]`: what operators set is what the helper is given, and a key is never shown."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from core.completions import GPT_ROOM, CompletionSettings, described, gpt_settings, helper_maker, open_helper
from core.errors import ConfigError
from core.settings import load_settings
from core.state import StateFolder
from core.state.settings import RedisSettings
from gpt.errors import GptSettingsError
from gpt.settings import GptSettings
from tests.tool import ROOT

KEY = "sk-proj-0123456789"
OURS = {"api_key_file", "base_url"}


class Given:
    """In place of the helper: what it was made with."""

    def __init__(self, **given: Any) -> None:
        self.given = given
        if given["api_key"] is None:
            raise GptSettingsError("there is no API key", hint="set OPENAI_API_KEY")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Helpers that only say what they were given: whether a real one works is no matter of settings."""
    module = ModuleType("gpt.openai_utils")
    module.GptHelper = Given  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gpt.openai_utils", module)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "openai.key"
    path.write_text(f"{KEY}\n", encoding="ascii")
    path.chmod(0o600)
    return path


def read(tmp_path: Path, text: str, **environ: str) -> CompletionSettings:
    config = tmp_path / "gavat.toml"
    config.write_text(text, encoding="utf-8")
    (found,) = load_settings((GPT_ROOM,), flags={}, environ=environ, config_file=str(config))
    assert isinstance(found, CompletionSettings)
    return found


def maker(given: CompletionSettings, tmp_path: Path) -> Any:
    return helper_maker(given, RedisSettings(), StateFolder(str(tmp_path)))


def test_every_setting_of_the_helper_may_be_set() -> None:
    """In gavat.toml and by a variable."""
    assert {one.name for one in fields(GptSettings)} == set(CompletionSettings._fields) - OURS
    assert list(GPT_ROOM.declarations) == list(CompletionSettings._fields)
    assert GPT_ROOM.declarations["min_request_interval"].variable == "GAVAT_GPT_MIN_REQUEST_INTERVAL"


def test_what_is_not_set_is_the_helpers_own(tmp_path: Path) -> None:
    assert gpt_settings(read(tmp_path, "")) == GptSettings()


def test_durations_have_units_and_become_seconds(tmp_path: Path) -> None:
    text = '[gpt]\nmin_request_interval = "0"\ncache_ttl = "5m"\ndeadline = 90\nbase_delay = "1.5s"\n'

    settings = gpt_settings(read(tmp_path, text, GAVAT_GPT_TIMEOUT="2m"))

    assert (settings.min_request_interval, settings.cache_ttl, settings.deadline) == (0, 300, 90)
    assert (settings.base_delay, settings.timeout) == (1.5, 120)


def test_no_retry_and_no_cache_are_settings(tmp_path: Path) -> None:
    settings = gpt_settings(read(tmp_path, "[gpt]\nmax_retries = 0\ncache_ttl = 0\ndaily_money = 0\n"))

    assert (settings.max_retries, settings.cache_ttl, settings.daily_money) == (0, 0, 0)


@pytest.mark.parametrize(("text", "meant"), [("0.2", 0.2), ('"none"', None), ("0", 0.0)])
def test_the_temperature_may_be_left_out(tmp_path: Path, text: str, meant: float | None) -> None:
    """Models that reason refuse any."""
    assert gpt_settings(read(tmp_path, f"[gpt]\ntemperature = {text}\n")).temperature == meant


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('temperature = "warm"', "«warm» is no number from 0 on"),
        ('timeout = "soon"', "«soon» is no duration; write 90s, 15m, 48h or 7d"),
        ("daily_money = -1", "«-1» is no number from 0 on"),
        ("daily_money = nan", "«nan» is no number from 0 on"),
        ('alert_at = "half"', "«half» is no number from 0 on"),
        ("requests_per_minute = 0", "«0» is no whole number of at least 1"),
        ("max_retries = -1", "«-1» is no whole number from 0 on"),
        ('base_url = "user:pass@host"', "no address of an API; it begins with https:// or http://"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(tmp_path: Path, line: str, said: str) -> None:
    name = line.split(" ", maxsplit=1)[0]

    with pytest.raises(ConfigError) as refused:
        read(tmp_path, f"[gpt]\n{line}\n")

    assert str(refused.value) == f"gpt.{name} in {tmp_path}/gavat.toml: {said}"
    assert refused.value.hint == GPT_ROOM.declarations[name].help


@pytest.mark.parametrize(
    "values",
    [{"preset": "bold"}, {"timeout": timedelta(0)}, {"alert_at": 0.0}, {"deadline": timedelta(0)}],
    ids=str,
)
def test_what_the_helper_refuses_is_refused_in_its_words(tmp_path: Path, values: dict[str, Any]) -> None:
    """Before there is a helper: at the start of a fleet, not with its first question."""
    in_seconds: dict[str, Any] = {
        name: one.total_seconds() if isinstance(one, timedelta) else one for name, one in values.items()
    }
    with pytest.raises(GptSettingsError) as of_helper:
        GptSettings(**in_seconds)

    with pytest.raises(ConfigError) as ours:
        maker(CompletionSettings(**values), tmp_path)

    assert (str(ours.value), ours.value.hint) == (of_helper.value.message, of_helper.value.hint)


@pytest.mark.usefixtures("asked")
def test_a_helper_is_given_what_the_environment_and_gavat_toml_say(
    tmp_path: Path, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other rooms' settings are not looked at: the program has its own."""
    config = tmp_path / "gavat.toml"
    base_url = 'base_url = "https://api.example/v1"'
    config.write_text(f'[gpt]\napi_key_file = "{key_file}"\n{base_url}\n[shop]\nrooms = 3\n', encoding="utf-8")
    for name, value in {
        "GAVAT_CONFIG": str(config),
        "GAVAT_GPT_MODEL": "gpt-5-nano",
        "GAVAT_REDIS_URL": "redis://10.0.0.5/0",
        "GAVAT_STATE": str(tmp_path / "state"),
        "OPENAI_API_KEY": "for something else",
    }.items():
        monkeypatch.setenv(name, value)

    helper: Any = open_helper(on_alert=print)

    assert helper.given == {
        "api_key": KEY,
        "base_url": "https://api.example/v1",
        "redis_url": "redis://10.0.0.5/0",
        "settings": GptSettings(model="gpt-5-nano"),
        "state": str(tmp_path / "state"),
        "on_alert": print,
    }


@pytest.mark.usefixtures("asked")
def test_a_helper_that_refuses_to_be_made_is_a_wrong_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAVAT_CONFIG", str(tmp_path / "gavat.toml"))
    (tmp_path / "gavat.toml").touch()

    with pytest.raises(ConfigError) as refused:
        open_helper()

    assert (str(refused.value), refused.value.hint) == ("there is no API key", "set OPENAI_API_KEY")


@pytest.mark.usefixtures("asked")
def test_without_a_key_file_the_helper_looks_for_the_key_itself(tmp_path: Path) -> None:
    """OPENAI_API_KEY and OPENAI_BASE_URL are its own to read."""
    make = maker(CompletionSettings(), tmp_path)

    with pytest.raises(GptSettingsError, match="there is no API key"):
        make()


def no_key(path: Path) -> None:
    path.unlink()


def readable_by_all(path: Path) -> None:
    path.chmod(0o644)


def empty(path: Path) -> None:
    path.write_text("\n", encoding="ascii")


def two_lines(path: Path) -> None:
    path.write_text(f"{KEY}\n{KEY}\n", encoding="ascii")


def a_variable(path: Path) -> None:
    path.write_text(f"export OPENAI_API_KEY={KEY}\n", encoding="ascii")


def no_text(path: Path) -> None:
    path.write_bytes(b"\xff\x00" + KEY.encode())


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (no_key, "the API key cannot be read (No such file or directory)"),
        (readable_by_all, "the API key is not private to this user"),
        *((how, "there is no API key in it") for how in (empty, two_lines, a_variable, no_text, a_pipe)),
    ],
)
def test_a_file_that_holds_no_private_key_is_refused_at_once(
    tmp_path: Path, key_file: Path, spoil: Any, said: str
) -> None:
    """Without a word of what is in it."""
    spoil(key_file)

    with pytest.raises(ConfigError) as refused:
        maker(CompletionSettings(api_key_file=str(key_file)), tmp_path)

    assert (str(refused.value), refused.value.path) == (said, str(key_file))
    assert KEY not in f"{refused.value!r} {refused.value.hint}"


def test_settings_show_neither_password_nor_what_is_not_set() -> None:
    shown = repr(CompletionSettings(model="m", base_url="https://user:secret@host/v1"))

    assert shown == "CompletionSettings(model=m, base_url=set)"


def test_making_ready_loads_nothing_of_openai_or_redis(tmp_path: Path) -> None:
    """A fleet whose handlers ask no model pays nothing for it."""
    program = (
        "import sys; from core.completions import *; from core.state import StateFolder;"
        "from core.state.settings import RedisSettings;"
        "helper_maker(CompletionSettings(), RedisSettings(url='redis://127.0.0.1:1/0'), StateFolder(sys.argv[1]));"
        "print({'openai', 'redis', 'asyncio'} & set(sys.modules), list(__import__('os').listdir(sys.argv[1])))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout == "set() []\n"


@pytest.mark.parametrize(
    ("text", "said"), [('[gpt]\nmodle = "x"\n', "unknown key modle in [gpt]"), ("gpt = 5\n", "gpt must be a table")]
)
def test_a_program_that_embeds_it_is_told_of_mistakes_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    config = tmp_path / "gavat.toml"
    config.write_text(text, encoding="utf-8")
    monkeypatch.setenv("GAVAT_CONFIG", str(config))

    with pytest.raises(ConfigError, match=re.escape(said)):
        open_helper()


@pytest.mark.parametrize(
    ("variable", "value"), [("OPENAI_BASE_URL", "foo"), ("OPENAI_API_KEY", "sk x"), ("GAVAT_GPT_PRICES", "/nope.toml")]
)
def test_what_no_question_could_use_ends_a_fleet_at_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    prices = value if variable.startswith("GAVAT") else None

    with pytest.raises(ConfigError):
        maker(CompletionSettings(prices=prices), tmp_path)


def test_a_line_says_how_a_fleet_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    given = CompletionSettings(model="gpt-5-mini", requests_per_minute=60, daily_money=5.0)

    assert described(CompletionSettings()) == ""
    assert described(given) == (
        "gpt-5-mini, one request each 1.04 s, $5.00 a day, no API key: every question gets its fallback"
    )
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert described(CompletionSettings()) == (
        "no model is set: each question must name one, one request each 5.2 s, no budget, "
        "the key from the variable OPENAI_API_KEY"
    )


def test_a_model_without_a_price_is_told_where_money_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    limited = CompletionSettings(model="nopricemodel", bot_daily_money=1.0)

    assert described(limited).endswith(
        ", money is limited and nopricemodel has no price: every question to it gets its fallback"
    )
    assert "no price" not in described(limited._replace(bot_daily_money=None))
    assert "no price" not in described(limited._replace(model="gpt-5-mini"))


def test_opening_a_helper_warns_of_what_lets_no_question_be_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not its first question."""
    module = ModuleType("gpt.openai_utils")
    module.GptHelper = lambda **given: given  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gpt.openai_utils", module)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    config = tmp_path / "gavat.toml"
    config.write_text('[gpt]\nmodel = "nopricemodel"\ndaily_money = 1\n', encoding="utf-8")
    monkeypatch.setenv("GAVAT_CONFIG", str(config))

    open_helper()

    assert [(one.levelname, one.getMessage()) for one in caplog.records] == [
        ("WARNING", "asking a model: no API key: every question gets its fallback"),
        (
            "WARNING",
            "asking a model: money is limited and nopricemodel has no price: every question to it gets its fallback",
        ),
    ]
