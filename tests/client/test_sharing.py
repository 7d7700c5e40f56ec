"""A Redis that does not answer is told once, however many bots wait for it."""

import logging
from contextlib import suppress

import pytest

from core.client.sharing import asking, leases_told, open_link, set_by
from core.state.settings import RedisSettings
from utils.leases import LeaseHeld
from utils.redis_link import RedisUnavailable

AWAY = RedisSettings(url="redis://:secret@127.0.0.1:1/0")
SILENT = "Redis at 127.0.0.1:1/0: it does not answer (connection refused); no bot starts meanwhile"


def test_silence_is_told_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    """A refusal is an answer too."""
    caplog.set_level(logging.INFO)
    link = open_link(AWAY)
    for _bot in range(3):
        with pytest.raises(RedisUnavailable), asking(AWAY):
            link.run("return 1")
    for _bot in range(2):
        with suppress(LeaseHeld), asking(AWAY):
            raise LeaseHeld("held", owner=None)

    told = [(one.levelname, one.getMessage()) for one in caplog.records if one.name == "gavatcore.leases"]
    assert told == [("WARNING", SILENT), ("INFO", "Redis answers again: bots start")]


def test_leases_are_told_with_who_shares_them_and_whether_it_answers() -> None:
    assert leases_told(RedisSettings()) == ["this host alone"]
    assert leases_told(AWAY) == ["shared by Redis at 127.0.0.1:1/0, lost: warn", SILENT]


def test_the_setting_that_an_address_comes_from_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GAVAT_REDIS_URL", raising=False)
    assert set_by(AWAY) == "[redis] url"
    monkeypatch.setenv("GAVAT_REDIS_URL", AWAY.url)
    assert set_by(AWAY) == "GAVAT_REDIS_URL"
