"""Tables by name: what single bots have of their own, and what is refused there."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from core.client.settings import CLIENT_ROOM
from core.errors import ConfigError
from core.fleet.proxy import Proxy, parse_proxy
from core.fleet.settings import BOTS_ROOM, FLEET_ROOM, BotSettings, FleetSettings, fleet_settings
from core.settings import fill_rooms, load_settings


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "gavat.toml"


def bots(config: Path, text: str) -> dict[str, BotSettings]:
    config.write_text(text)
    (found,) = load_settings((BOTS_ROOM,), flags={}, environ={}, config_file=str(config))
    return dict(found)


def test_each_table_is_one_bot_and_what_is_not_said_is_none(config: Path) -> None:
    found = bots(config, '[bots.alice]\nrun = false\non_group = []\nflood_sleep = "5s"\n[bots."/srv/bob.session"]\n')

    assert found == {
        "alice": BotSettings(run=False, on_group=(), flood_sleep=timedelta(seconds=5)),
        "/srv/bob.session": BotSettings(),
    }


def test_a_path_may_begin_with_the_home_folder(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a name is no path."""
    monkeypatch.setenv("HOME", "/home/gavat")

    assert set(bots(config, '[bots."~/alice"]\n[bots."~bob"]\n')) == {"/home/gavat/alice", "~bob"}


def test_no_table_is_no_bot(config: Path) -> None:
    assert bots(config, "") == {}


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("[bots.alice]\nproxi = 1", "unknown key proxi in [bots.alice]", "did you mean proxy?"),
        ("[bots.alice]\nrun = 1", "bots.alice.run in PATH: «1» is neither true nor false", "false leaves this bot out"),
        ("[bots]\nrun = false", "bots.run must be a table: [bots.run]", None),
        ("bots = 1", "bots must be a table: [bots]", None),
        (
            '[bots.alice]\non_private = ["answer"]',
            "«answer» names no function; write it as mybot.handlers:answer",
            "func",
        ),
        ('[bots.alice]\non_private = ["a b:c"]', "«a b:c» names no function", "func"),
        (
            '[bots.alice]\nlang_code = ["a", "b"]',
            "bots.alice.lang_code in PATH: a list, where one value is meant",
            None,
        ),
        ("[bots.alice]\nsystem_version = {a = 1}", "a table, where one value is meant", None),
        ('[bots.alice]\ndevice_model = ""', "bots.alice.device_model in PATH: an empty text", "what Telegram shows"),
        ('[bots.alice]\napp_version = "a\\u0000b"', "bots.alice.app_version in PATH: there is a NUL in it", None),
        ('[bots.alice]\napi_id = 1\napi_hash = ""', "bots.alice.api_hash in PATH: an empty text", "the hash"),
        ('[bots.alice]\non_private = [["a.b:c"]]', "a list, where one value is meant", None),
        ('[bots."a\\u001b"]\nx = 1', "unknown key x in [bots.a\\e]", None),
    ],
)
def test_a_wrong_table_is_answered_in_one_line(config: Path, text: str, said: str, hint: str | None) -> None:
    with pytest.raises(ConfigError) as refused:
        bots(config, text)

    assert said.replace("PATH", str(config)) in str(refused.value)
    assert (refused.value.hint or "").startswith(hint or "")


def test_who_embeds_a_fleet_is_told_of_a_misspelt_key_too(config: Path) -> None:
    """It may be the proxy of a bot, which must not go out without."""
    config.write_text("[other]\nkey = 1\n[bots.alice]\nproxi = 1\n")

    with pytest.raises(ConfigError, match="unknown key proxi"):
        fill_rooms((BOTS_ROOM,), environ={}, config_file=str(config))

    config.write_text("bots = 1")
    with pytest.raises(ConfigError, match=r"bots must hold tables: \[bots.NAME\]"):
        fill_rooms((BOTS_ROOM,), environ={}, config_file=str(config))


def test_handlers_of_the_fleet_are_listed_with_commas(config: Path) -> None:
    """Their names have the colons that separate paths."""
    config.write_text('[fleet]\non_private = ["a.b:c", "d:e"]\non_group = ["x:y"]')
    environ = {"GAVAT_ON_GROUP": "f:g, h:i"}

    (found,) = load_settings((FLEET_ROOM,), flags={}, environ=environ, config_file=str(config))

    assert found == FleetSettings(on_private=("a.b:c", "d:e"), on_group=("f:g", "h:i"))


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("socks5://10.0.0.7:1080", Proxy("socks5", "10.0.0.7", 1080)),
        ("http://user:p%40ss:word@proxy.example:3128/", Proxy("http", "proxy.example", 3128, "user", "p@ss:word")),
        ("socks4://[2001:db8::1]:9", Proxy("socks4", "2001:db8::1", 9)),
    ],
)
def test_a_proxy_is_read_from_its_address(text: str, proxy: Proxy) -> None:
    assert parse_proxy(text) == proxy
    assert proxy.for_telethon()["addr"] == proxy.host
    assert proxy.for_telethon().get("password", "") == proxy.password


@pytest.mark.parametrize(
    "text",
    [
        *("", "10.0.0.7:1080", "socks9://h:1", "socks5://h", "socks5://hunter2@:1", "socks5://u:hunter2@h:port"),
        *("socks5://u:hunter2@h:1/path", "socks5://u:hunter2@h:1?x", "socks5://u:hunter2@[h:1", "socks5://h:0"),
    ],
)
def test_what_is_no_proxy_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="that is no address of a proxy; write socks5://") as refused:
        parse_proxy(text)

    assert "hunter2" not in str(refused.value)


def test_secrets_are_in_no_repr() -> None:
    settings = BotSettings(api_id=1, api_hash="hunter2", proxy=parse_proxy("socks5://me:hunter2@h:1"), lang_code="tr")

    assert repr(settings) == "BotSettings(run=True, api_id=1, proxy=Proxy(socks5://h:1), lang_code='tr')"
    assert str(Proxy("socks5", "::1", 1, "me", "hunter2")) == "socks5://[::1]:1"


def test_telethon_is_given_what_a_bot_has_of_its_own() -> None:
    settings = BotSettings(proxy=Proxy("http", "h", 1), device_model="Fridge", flood_sleep=timedelta(seconds=5))

    assert settings.options == {
        "device_model": "Fridge",
        "proxy": {"proxy_type": "http", "addr": "h", "port": 1, "rdns": True},
        "flood_sleep_threshold": 5.0,
    }


@pytest.mark.parametrize("text", ["[bots.alice]\napi_id = 'a-hash'", "[client]\napi_id = 'a-hash'"])
def test_a_hash_in_place_of_the_number_is_not_repeated(config: Path, text: str) -> None:
    config.write_text(text)

    with pytest.raises(ConfigError, match="api_id") as refused:
        fill_rooms((BOTS_ROOM, CLIENT_ROOM), environ={}, config_file=str(config))

    assert "a-hash" not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["at_once = [5]", "at_once = {a = 1}", 'on_private = {a = "m:f"}', 'handlers = ["\\u0000"]']
)
def test_no_value_is_read_from_what_is_none(config: Path, text: str) -> None:
    config.write_text(f"[fleet]\n{text}\n")

    with pytest.raises(ConfigError, match=r"^fleet\.(at_once|on_private|handlers) in "):
        fill_rooms((FLEET_ROOM,), environ={}, config_file=str(config))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('restart_first = "1h"', r"^restart_first \(3600 s\) is longer than restart_cap \(900 s\)"),
        ('stagger_max = "0s"', r"^stagger_min \(1 s\) is longer than stagger_max \(0 s\)"),
    ],
)
def test_a_least_time_that_is_longer_than_the_most_is_refused(config: Path, text: str, said: str) -> None:
    """What stands in gavat.toml and what it leaves to the defaults."""
    config.write_text(f"[fleet]\n{text}\n")

    with pytest.raises(ConfigError, match=said):
        fleet_settings({"GAVAT_CONFIG": str(config)})
