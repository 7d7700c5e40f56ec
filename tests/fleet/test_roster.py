"""Which bots are wanted, and what that changes in a fleet that runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.errors import ConfigError
from core.fleet.roster import Change, Heard, Kind, WantedBot, plan_change, wanted_bots
from core.fleet.settings import BotSettings, FleetSettings

FLEET = FleetSettings(on_private=("fleet:private",), on_group=("fleet:group",))


def find(name: Any, where: str) -> Any:
    """The name itself, with the setting that it stands in."""
    return f"{where} → {name}"


def wanted(*paths: str, **bots: BotSettings) -> tuple[WantedBot, ...]:
    return wanted_bots(paths, FLEET, bots, find)


def heard(bot: WantedBot) -> list[Any]:
    return [handler for _kind, handler in bot.hears]


def change(running: tuple[WantedBot, ...], then: tuple[WantedBot, ...], over: set[str] = frozenset()) -> Change:  # type: ignore[assignment]
    return plan_change({bot.path: bot for bot in running}, then, over)


def test_a_bot_hears_what_the_fleet_hears_but_where_it_has_its_own() -> None:
    alice, bob = wanted("/x/alice.session", "/x/bob.session", bob=BotSettings(on_private=("own:one",), on_group=()))

    assert heard(alice) == ["[fleet] on_private → fleet:private", "[fleet] on_group → fleet:group"]
    assert bob.hears == (Heard(Kind.ON_PRIVATE, "[bots.bob] on_private → own:one"),)
    assert [bob.takes(kind) for kind in Kind] == [False, False, True]
    assert all(alice.takes(kind) for kind in Kind)


@pytest.mark.parametrize("table", ["alice", "alice.session", "/x/alice", "/x/alice.session", "/y/../x/alice"])
def test_a_bot_is_named_by_its_session_or_its_path(table: str) -> None:
    (alice,) = wanted("/x/alice.session", **{table: BotSettings(lang_code="tr")})

    assert (alice.name, alice.settings.lang_code) == ("alice", "tr")


def test_a_name_that_two_sessions_have_is_refused() -> None:
    """Unless one is named by its path; the name is then that of the other one no less."""
    paths = ("/x/alice.session", "/y/alice.session")

    with pytest.raises(ConfigError, match=r"\[bots.alice\] may mean /x/alice.session or /y/alice.session") as refused:
        wanted(*paths, alice=BotSettings())

    assert refused.value.hint == 'name it by its path: [bots."/x/alice.session"]'
    assert [one.settings.run for one in wanted(*paths, **{"/y/alice": BotSettings(run=False)})] == [True, False]


def test_a_name_that_two_sessions_have_says_nothing_where_each_is_named_by_its_path() -> None:
    by_path = {"/x/alice": BotSettings(lang_code="tr"), "/y/alice": BotSettings(lang_code="de")}
    bots = wanted("/x/alice.session", "/y/alice.session", alice=BotSettings(run=False), **by_path)

    assert [(one.settings, one.table) for one in bots] == [(own, path) for path, own in by_path.items()]


def test_what_is_as_it_was_is_left_alone() -> None:
    before = wanted("/x/alice.session", alice=BotSettings(lang_code="tr"))

    assert change(before, wanted("/x/alice.session", alice=BotSettings(lang_code="tr"))) == Change(
        stop=(), start=(), hear=()
    )


def test_new_ones_start_and_those_that_are_gone_or_left_out_stop() -> None:
    before = wanted("/x/a.session", "/x/b.session", "/x/c.session")
    after = wanted("/x/b.session", "/x/c.session", "/x/d.session", c=BotSettings(run=False))

    planned = change(before, after)

    assert (planned.stop, planned.hear) == (("/x/a.session", "/x/c.session"), ())
    assert [bot.name for bot in planned.start] == ["d"]


def test_one_that_differs_in_more_than_handlers_is_started_anew() -> None:
    before = wanted("/x/a.session", "/x/b.session")
    after = wanted("/x/a.session", "/x/b.session", a=BotSettings(api_id=7, api_hash="x", on_private=("own:one",)))

    planned = change(before, after)

    assert (planned.stop, planned.start, planned.hear) == (("/x/a.session",), (after[0],), ())


def test_one_with_other_handlers_goes_on_with_them() -> None:
    before = wanted("/x/a.session", "/x/b.session")
    after = wanted("/x/a.session", "/x/b.session", a=BotSettings(on_private=("own:one",)))

    assert change(before, after) == Change(stop=(), start=(), hear=(after[0],))


def test_one_that_was_given_up_begins_anew_unless_it_is_gone() -> None:
    before = wanted("/x/a.session", "/x/b.session")
    after = wanted("/x/a.session")

    planned = change(before, after, {"/x/a.session", "/x/b.session"})

    assert (planned.stop, planned.start) == (("/x/a.session", "/x/b.session"), after)


def test_a_bot_that_no_longer_hears_what_a_program_says_is_told_so() -> None:
    """Though the settings had nothing for it to hear, before and after."""
    fleet = FleetSettings()
    before = wanted_bots(("/x/alice.session",), fleet, {}, find)
    after = wanted_bots(("/x/alice.session",), fleet, {"alice": BotSettings(on_private=())}, find)

    assert change(before, after) == Change(stop=(), start=(), hear=after)


@pytest.mark.parametrize(
    "tables", [("alice", "alice.session"), ("alice", "/x/alice"), ("/x/alice", "/x/../x/alice.session")]
)
def test_two_tables_of_one_session_are_refused(tables: tuple[str, str]) -> None:
    """One of them would count for nothing, be it its `run = false`."""
    with pytest.raises(ConfigError, match="mean one session"):
        wanted("/x/alice.session", **dict.fromkeys(tables, BotSettings()))


def test_a_table_may_name_its_session_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    left_out = BotSettings(run=False)

    (by_link,) = wanted(f"{tmp_path}/real/alice.session", **{f"{tmp_path}/link/alice": left_out})
    (by_path,) = wanted(f"{tmp_path}/link/alice.session", **{f"{tmp_path}/real/alice.session": left_out})

    assert (by_link.settings, by_path.settings) == (left_out, left_out)
    assert by_link.table == f"{tmp_path}/link/alice"


def test_what_a_program_says_of_a_bot_stands_in_place_of_its_table() -> None:
    """However each of them names it."""
    bots, own = {"alice": BotSettings(lang_code="tr")}, {"/x/alice": BotSettings(run=False)}

    (alice,) = wanted_bots(("/x/alice.session",), FLEET, bots, find, own=own)

    assert (alice.settings, alice.table) == (BotSettings(run=False), "/x/alice")


def test_those_that_were_given_up_begin_after_what_is_new() -> None:
    after = wanted("/x/a.session", "/x/b.session", "/x/c.session")

    planned = change(after[:2], after, {"/x/a.session"})

    assert [bot.name for bot in planned.start] == ["c", "a"]
