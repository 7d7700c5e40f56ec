"""Published bots beside the sessions that are looked at."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from core.monitoring.live import LiveView, count_states, join_live
from core.session_files.looking.inspect import Depth, inspect_folder
from core.session_files.model import SessionFamily
from core.state import BotFigures
from core.state.status_reading import Condition, SeenStatus, Source, StatusView
from tests.state.builders import ELSEWHERE, bot, process


def seen(*bots: BotFigures, here: bool = True, condition: Condition = Condition.FRESH) -> SeenStatus:
    status = process(*bots) if here else process(*bots, process="eu-2.1.1", host="eu-2", identity=ELSEWHERE)
    return SeenStatus(status, timedelta(seconds=3), condition, here, (Source.FILE,))


def view(*processes: SeenStatus) -> StatusView:
    return StatusView(processes)


def families(folder: Path) -> list[SessionFamily]:
    return [one.family for one in inspect_folder(str(folder), depth=Depth.OUTSIDE).files]


def joins(live: LiveView) -> list[tuple[str | None, str | None]]:
    return [(one.session, one.namesake) for one in live.bots]


@pytest.fixture
def session(bots: Path) -> Path:
    """A session file, as empty as its contents matter here."""
    path = bots / "one.session"
    path.touch(mode=0o600)
    return path


def test_on_this_host_the_path_decides(session: Path) -> None:
    """Not the name: another folder may have a session of that name too."""
    there = bot("two", path=str(session))
    other = bot("one", path="/srv/other/one.session")

    live = join_live(view(seen(there, other)), families(session.parent))

    assert joins(live) == [(None, None), (str(session), None)]
    assert [one.bot for one in live.of(str(session))] == [there]


@pytest.mark.parametrize("through", ["folder", "file"])
def test_links_lead_to_the_same_session(session: Path, through: str) -> None:
    """Whether the bot or the one who looks goes through the link."""
    link = session.parent.parent / "link"
    link.symlink_to(session.parent if through == "folder" else session)
    named = link / "one.session" if through == "folder" else session
    if through == "file":
        alias = session.parent.parent / "links" / "alias.session"
        alias.parent.mkdir(mode=0o700)
        alias.symlink_to(session)
        looked_at = families(alias.parent)
    else:
        looked_at = families(session.parent)

    live = join_live(view(seen(bot("one", path=str(named)))), looked_at)

    assert joins(live) == [(looked_at[0].path, None)]


def test_on_another_host_only_the_name_is_told(session: Path) -> None:
    """The same path there is another disk."""
    live = join_live(view(seen(bot("one", path=str(session)), here=False)), families(session.parent))

    assert joins(live) == [(None, str(session))]
    assert live.of(str(session)) == []
    assert [one.bot.name for one in live.namesakes] == ["one"]


def test_a_bot_without_a_file_belongs_to_no_session(session: Path) -> None:
    """A StringSession has no path, and a relative one says nothing."""
    live = join_live(view(seen(bot("one", path=""), bot("one", path="one.session"))), families(session.parent))

    assert joins(live) == [(None, None), (None, None)]


def test_what_was_said_before_counts_only_until_it_is_said_anew(session: Path) -> None:
    """A killed process leaves its document; the next one's is the truth."""
    killed = seen(bot("one", path=str(session)), condition=Condition.ENDED)
    running = seen(bot("one", path=str(session), state="starting"))

    before = join_live(view(killed), families(session.parent))
    after = join_live(view(killed, running), families(session.parent))

    assert [one.seen.condition for one in before.of(str(session))] == [Condition.ENDED]
    assert [one.bot.state for one in after.of(str(session))] == ["starting"]
    assert [one.seen.condition for one in after.fresh] == [Condition.FRESH]


def test_bots_are_counted_and_the_worst_stand_first() -> None:
    """A word that nobody knows may mean trouble; what is not heard of is not counted."""
    states = ["alive", "waiting", "deaf", "banned", "on holiday", "alive"]
    running = seen(*(bot(str(number), state=state) for number, state in enumerate(states)))
    killed = seen(bot("x", state="revoked"), condition=Condition.ENDED)

    live = join_live(view(killed, running), [])

    assert [one.bot.state for one in live.bots] == [
        *("banned", "deaf", "on holiday", "waiting", "alive", "alive", "revoked")
    ]
    assert list(count_states(live.fresh).items()) == [
        ("alive", 2),
        ("waiting", 1),
        ("on holiday", 1),
        ("deaf", 1),
        ("banned", 1),
    ]


def test_nothing_published_is_nothing_joined(session: Path) -> None:
    """No process, no bot."""
    assert join_live(StatusView(), families(session.parent)) == LiveView(StatusView(), (), {})
