"""Running bots in `report`, `locks` and `why`: what is published, what it means, and what is not known."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from core.session_files import sample_fleet
from core.state import StateFolder
from core.state.status_document import encode_status, to_text
from core.state.status_shared import open_shared
from tests.commands.terminal import on_terminal
from tests.session_files.holding import IDLE, holding
from tests.state.builders import ELSEWHERE, bot, process, put_file
from tests.state.publishing import publisher
from tests.tool import BARE, MONITOR, Tool
from tests.valkey import Valkey
from utils.clock import utc_now

NOBODY = "no process publishes its bots; BotController and publish_status do: docs/embedding.md"


@pytest.fixture
def state(tool: Tool) -> StateFolder:
    return StateFolder(str(tool.state))


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """One healthy session."""
    folder = tmp_path / "sessions"
    folder.mkdir(mode=0o700)
    sample_fleet.write_healthy(str(folder / "shop_01"))
    return folder


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Valkey]:
    (tmp_path / "valkey").mkdir()
    with Valkey(tmp_path / "valkey") as running:
        yield running


def looks(fleet: Path) -> list[list[str]]:
    """The three commands that show bots."""
    return [["report", str(fleet)], ["locks", str(fleet)], ["why", str(fleet / "shop_01")]]


def block(text: str) -> list[str]:
    """The lines of a report about bots."""
    lines = text.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("bots "))
    last = next(number for number, line in enumerate(lines) if line.startswith("lock files"))
    return [line[12:] for line in lines[first:last]]


def test_without_publishers_it_is_said_how_to_have_one(tool: Tool, fleet: Path) -> None:
    """In one line of the report; `locks` and `why` say nothing of it."""
    assert block(tool.monitor("report", fleet).stdout) == [NOBODY]
    assert "bot" not in tool.monitor("locks", fleet).stdout
    assert re.search(r"^  (bot|figures|published)", tool.monitor("why", fleet / "shop_01").stdout, re.MULTILINE) is None


def test_report_counts_the_bots_and_shows_the_worst(tool: Tool, state: StateFolder, fleet: Path) -> None:
    """Totals, a line for each process, then what needs looking at; -v shows the rest."""
    now = utc_now()
    states = {"shop_01": "alive", "shop_02": "deaf", "shop_03": "given up", "shop_04": "waiting"}
    bots = [bot(name, state=word, since=now) for name, word in states.items()]
    bots[2] = bot("shop_03", state="given up", since=now, code="AUTH_KEY_UNREGISTERED", reason="log in again")
    put_file(state, process(*bots, at=now, loop_lag=timedelta(milliseconds=240)))

    shown = tool.monitor("report", fleet)
    verbose = block(tool.monitor("report", "-v", fleet).stdout)

    head, running, *worst = block(shown.stdout)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert head == "4 bots in 1 process on 1 host: 1 alive · 1 waiting · 1 deaf · 1 given up"
    about = rf"{re.escape(os.uname().nodename)} pid {os.getpid()} python bot\.py: 4 bots, heard of .*"
    assert re.fullmatch(about + ", its event loop up to 240 ms late", running)
    assert [re.sub(r"since [-0-9: ]+", "since T", line) for line in worst] == [
        "given up  shop_03 since T, AUTH_KEY_UNREGISTERED: log in again",
        "deaf  shop_02 since T",
        "waiting  shop_04 since T",
    ]
    assert verbose[2 : 2 + len(worst)] == worst
    assert verbose[2 + len(worst)].startswith("alive  shop_01 since ")


def test_only_ten_of_each_kind_are_shown(tool: Tool, state: StateFolder, fleet: Path) -> None:
    """-v lists all."""
    put_file(state, process(*(bot(f"shop_{n:02}", state="given up") for n in range(25)), at=utc_now()))

    few, all_of_them = (block(tool.monitor("report", *more, fleet).stdout) for more in ((), ("-v",)))

    assert few[-1] == "… and 15 more; -v lists all"
    assert (len(few), len(all_of_them)) == (2 + 10 + 1, 2 + 25)


def test_bots_in_the_same_trouble_stand_in_one_line(tool: Tool, state: StateFolder, fleet: Path) -> None:
    """Unless each needs a person; -v lists each."""
    now = utc_now()
    held = [bot(f"bot_{n}", state="waiting", code="LEASE_HELD", reason="used on eu-2", since=now) for n in range(7)]
    revoked = [bot(f"old_{n}", state="given up", code="SESSION_REVOKED", since=now) for n in range(4)]
    put_file(state, process(*held, *revoked, at=now))

    shown, verbose = (block(tool.monitor("report", *more, fleet).stdout)[2:] for more in ((), ("-v",)))

    assert [line.split(" since ")[0] for line in shown] == [
        *(f"given up  old_{n}" for n in range(4)),
        "waiting  7 bots: bot_0, bot_1, bot_2, bot_3, bot_4 and 2 more; bot_0",
    ]
    assert shown[-1].endswith(", LEASE_HELD: used on eu-2")
    assert len(verbose) == 11


def test_a_process_that_ended_is_not_told_once_another_runs_its_bots(
    tool: Tool, state: StateFolder, fleet: Path
) -> None:
    """-v and --json still have it."""
    session = fleet / "shop_01.session"
    with publisher(state, session, every=60) as killed:
        killed.kill()
        killed.wait()
    with publisher(state, session, every=60) as running:
        shown, verbose = (block(tool.monitor("report", *more, fleet).stdout) for more in ((), ("-v",)))

    assert [f"pid {killed.pid} " in " ".join(lines) for lines in (shown, verbose)] == [False, True]
    assert f"pid {running.pid} " in shown[1]


def test_a_bot_that_was_given_up_is_not_said_to_need_nothing(tool: Tool, state: StateFolder, fleet: Path) -> None:
    """Its file may be fine all the same."""
    sample_fleet.write_healthy(str(fleet / "shop_02"))
    put_file(state, process(bot("shop_01", path=str(fleet / "shop_01.session"), state="given up"), at=utc_now()))

    ends = [tool.monitor("why", fleet / name).stdout.splitlines()[-1] for name in ("shop_01", "shop_02")]

    assert ends == ["Nothing to mend in the file; how its bot is stands above.", "Nothing to mend in the file."]


def test_a_key_is_not_said_to_be_a_login(tool: Tool, state: StateFolder, fleet: Path) -> None:
    """Telegram alone knows; nothing is said to need doing no more only where a bot lives on it."""
    session = fleet / "shop_01.session"
    unasked = tool.monitor("why", session).stdout.splitlines()
    put_file(state, process(bot("shop_01", path=str(session), state="alive"), at=utc_now()))
    alive = tool.monitor("why", session).stdout.splitlines()

    assert any(line.endswith("has a key (Telegram was not asked)") for line in unasked)
    assert (unasked[-1], alive[-1]) == ("Nothing to mend in the file.", "Nothing to do.")


def test_a_killed_process_is_said_to_have_ended(tool: Tool, state: StateFolder, fleet: Path) -> None:
    """Its bots are counted no more, and what it said of a session is said to be old."""
    with publisher(state, fleet / "shop_01.session", every=60) as running, holding(IDLE, fleet / "shop_01.session"):
        alive = tool.monitor("locks", fleet).stdout
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        report = block(tool.monitor("report", fleet).stdout)
        locks = tool.monitor("locks", fleet).stdout
        why = tool.monitor("why", fleet / "shop_01").stdout

    assert re.search(r"^  in use   shop_01  .*; its bot: alive since \S+, 3 reconnects$", alive, re.MULTILINE)
    assert report[0] == "unknown: none is heard of any more; 1 process published before"
    ended = r"it ended without a word \(killed\?\), last heard of \d+ m?s ago"
    assert re.fullmatch(rf"ended  \S+ pid {running.pid} .*: {ended}; it had 1 bot", report[1])
    assert re.search(rf"; its bot: {ended}; before that it was alive since ", locks, re.MULTILINE)
    assert re.search(rf"^  bot       {ended}; before that it was alive since ", why, re.MULTILINE)


def test_a_stuck_loop_is_said_to_be_stuck(tool: Tool, state: StateFolder, fleet: Path) -> None:
    """With the process that lives."""
    with publisher(state, fleet / "shop_01.session", "stuck", every=0.01) as running:
        time.sleep(0.1)
        report = block(tool.monitor("report", fleet).stdout)

    stuck = rf"its event loop has been stuck for \d+ m?s \(pid {running.pid} lives\), or its status cannot be written"
    assert re.fullmatch(rf"stuck  \S+ pid {running.pid} python.*: {stuck}; it had 1 bot", report[1])


def test_why_tells_the_figures_of_the_bot(tool: Tool, state: StateFolder, fleet: Path) -> None:
    """All of them, and who says so."""
    figures = bot(
        "shop_01",
        path=str(fleet / "shop_01.session"),
        state="flooded",
        since=utc_now(),
        code="FLOOD_WAIT",
        until=utc_now() + timedelta(minutes=5),
        restarts=1,
        reconnects=3,
        flood_time=timedelta(seconds=312),
        deaf_time=timedelta(seconds=40),
        handled=1204,
        failed=2,
    )
    put_file(state, process(figures, at=utc_now()))

    why = tool.monitor("why", fleet / "shop_01").stdout

    told = dict(re.findall(r"^  (bot|figures|published) +(.*)$", why, re.MULTILINE))
    told_bot = re.sub(r"\d\d:\d\d", "T", told["bot"])
    assert told_bot == "flooded since T, FLOOD_WAIT, until T, 1 restart, 3 reconnects"
    assert told["figures"] == (
        "1 restart, 3 reconnects, flooded for 5 min in all, deaf for 40 s in all, 1,204 handled, 2 failed"
    )
    assert told["published"].startswith(f"by {os.uname().nodename} pid {os.getpid()} python bot.py, heard of ")


def test_a_bot_of_another_host_is_told_beside_the_file(
    tool: Tool, state: StateFolder, fleet: Path, server: Valkey
) -> None:
    """The file is here, the bot runs there; bots of one name are told apart by their hosts."""
    shared = open_shared(server.url)
    far = process(bot("shop_01", state="deaf"), process="eu-2.811.1", host="eu-2", identity=ELSEWHERE)
    shared.write(far.process, to_text(encode_status(far)))
    shared.close()
    put_file(state, process(bot("shop_01", state="offline"), at=utc_now()))
    with_redis = Tool(tool.state, {"GAVAT_REDIS_URL": server.url})

    report, locks, why = (with_redis.run(sys.executable, MONITOR, *words).stdout for words in looks(fleet))

    assert block(report)[0] == "2 bots in 2 processes on 2 hosts: 1 offline · 1 deaf"
    assert "deaf  shop_01 on eu-2 since " in report
    assert f"offline  shop_01 on {os.uname().nodename} since " in report
    here = rf"the file is here \({re.escape(str(fleet))}/shop_01\.session\)"
    there = r"a bot of that name runs on eu-2 pid \d+ python bot\.py: deaf since "
    assert re.search(rf"^On other hosts:\n  shop_01  {here}, {there}", locks, re.MULTILINE)
    assert re.search(r"^  elsewhere deaf since ", why, re.MULTILINE)


def test_a_free_session_is_shown_with_its_bot_and_with_what_a_silent_host_said(
    tool: Tool, state: StateFolder, fleet: Path, server: Valkey
) -> None:
    """A host that stands by, when the one that ran the logins is heard of no more."""
    now = utc_now()
    shared = open_shared(server.url)
    far = process(
        *(bot("shop_01", state="alive"), bot("shop_02", state="given up")),
        process="one.811.1",
        host="one",
        identity=ELSEWHERE,
        valid_for=timedelta(milliseconds=1),
    )
    shared.write(far.process, to_text(encode_status(far)))
    shared.close()
    for name in ("shop_02", "shop_03"):
        sample_fleet.write_healthy(str(fleet / name))
    waits = bot("shop_01", path=str(fleet / "shop_01.session"), state="waiting", code="LEASE_HELD", since=now)
    put_file(state, process(waits, at=now))

    locks = Tool(tool.state, {"GAVAT_REDIS_URL": server.url}).run(sys.executable, MONITOR, "locks", str(fleet)).stdout

    assert locks.startswith("3 sessions: 0 in use, 0 unknown, 3 free\n")
    flat = " ".join(locks.split())
    assert re.search(r" free shop_01 .*?; its bot: waiting since \S+, LEASE_HELD On other hosts:", flat)
    there = r"one pid \d+ python bot\.py: not heard of for \d+ m?s; before that it was"
    assert re.search(rf"a bot of that name ran on {there} alive", flat)
    assert re.search(rf"a bot of that name was on {there} given up", flat)
    assert "shop_03" not in locks


def test_a_bot_of_another_host_that_does_not_run_is_not_said_to(tool: Tool, fleet: Path, server: Valkey) -> None:
    shared = open_shared(server.url)
    far = process(bot("shop_01", state="given up"), process="two.8.1", host="two", identity=ELSEWHERE, at=utc_now())
    shared.write(far.process, to_text(encode_status(far)))
    shared.close()

    locks = Tool(tool.state, {"GAVAT_REDIS_URL": server.url}).run(sys.executable, MONITOR, "locks", str(fleet)).stdout

    assert "a bot of that name is on two pid" in " ".join(locks.split())


def test_redis_that_does_not_answer_changes_no_exit_code(tool: Tool, state: StateFolder, fleet: Path) -> None:
    """What of other hosts is unknown is said; the rest is shown."""
    put_file(state, process(bot("shop_01"), at=utc_now()))
    unreachable = Tool(tool.state, {"GAVAT_REDIS_URL": "redis://:secret@127.0.0.1:1/0"})

    for words in looks(fleet):
        done = unreachable.run(sys.executable, MONITOR, *words)
        told = json.loads(unreachable.run(sys.executable, MONITOR, *words, "--json").stdout)

        assert (done.returncode, done.stderr) == (0, "")
        assert "unknown, Redis at 127.0.0.1:1/0: " in done.stdout
        assert "secret" not in done.stdout + json.dumps(told)
        assert told["live"]["other_hosts_problem"].startswith("Redis at 127.0.0.1:1/0: ")


def test_a_bare_python_says_that_it_cannot_ask_redis(tool: Tool, state: StateFolder, fleet: Path) -> None:
    """And shows what lies in the state folder."""
    put_file(state, process(bot("shop_01"), at=utc_now()))
    bare = Tool(tool.state, {"GAVAT_REDIS_URL": "redis://127.0.0.1:1/0"})

    done = bare.monitor("report", fleet)

    assert (done.returncode, done.stderr) == (0, "")
    assert block(done.stdout)[0] == "1 bot in 1 process on 1 host: 1 alive"
    assert block(done.stdout)[-1] == "other hosts: unknown, the package redis is not installed here"


@pytest.mark.parametrize("words", [("report",), ("locks",)])
def test_looking_loads_neither_asyncio_nor_redis(tool: Tool, state: StateFolder, fleet: Path, words: list[str]) -> None:
    """Where no address is set; what a status is made of is loaded only when there is one."""
    trace = tool.run(*BARE, "-X", "importtime", MONITOR, *words, fleet).stderr
    put_file(state, process(bot("shop_01"), at=utc_now()))
    with_status = tool.run(*BARE, "-X", "importtime", MONITOR, *words, fleet).stderr

    def loaded(text: str) -> set[str]:
        return {line.rsplit("|", 1)[1].strip() for line in text.splitlines() if line.startswith("import time:")}

    assert "core.state.status_reading" in loaded(trace)
    assert loaded(trace) & {"asyncio", "redis", "dataclasses", "core.state.status_document"} == set()
    assert "core.state.status_document" in loaded(with_status)
    assert loaded(with_status) & {"asyncio", "redis"} == set()


def test_hostile_words_are_shown_as_words(tool: Tool, state: StateFolder, fleet: Path) -> None:
    """Names, states, reasons, hosts, commands, and names of files that are none of ours."""
    evil = "\x1b[2J\x1b]0;owned\x07\nCRIT forged"
    bad = bot("shop_01" + evil, path=str(fleet / "shop_01.session"), state="deaf" + evil, code=evil, reason=evil)
    fields = {"host": os.uname().nodename, "command": evil, "problem": evil, "at": utc_now()}
    put_file(state, process(bad, **fields))
    put_file(state, process(bad, process="eu-2.1.1", host=evil, identity=ELSEWHERE, at=utc_now()))
    Path(state.status, f"x{evil}.json").touch()

    with holding(IDLE, fleet / "shop_01.session"):
        for words in looks(fleet):
            shown = tool.monitor(*words)
            told = tool.monitor(*words, "--json").stdout

            assert shown.returncode == 0
            assert "\x1b" not in shown.stdout + shown.stderr + told
            assert "\x07" not in shown.stdout + told
            assert not any(line.startswith("CRIT") for line in shown.stdout.splitlines())
            assert "\\e[2J" in shown.stdout


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("words", [("report",), ("locks",), ("why", "shop_01")])
def test_lines_fit_the_terminal(
    tool: Tool, state: StateFolder, fleet: Path, words: tuple[str, ...], columns: int
) -> None:
    """All of them, however long what is published."""
    command, *name = words
    reason = "word " * 40
    figures = bot("shop_01", path=str(fleet / "shop_01.session"), state="deaf", since=utc_now(), reason=reason)
    put_file(state, process(figures, at=utc_now()))
    with holding(IDLE, fleet / "shop_01.session"):
        place = str(fleet / name[0]) if name else str(fleet)
        shown = on_terminal([*BARE, MONITOR, "--color", "never", command, place], columns=columns, environ=tool.env())

    long = [line for line in shown.splitlines() if len(line) > columns and str(tool.state.parent) not in line]
    assert "word word" in shown
    assert [line for line in long if "docs/embedding" not in line and not line.startswith("logs ")] == []


def test_colours_come_on_top_of_words(tool: Tool, state: StateFolder, fleet: Path) -> None:
    """Never instead of them."""
    bots = [bot("shop_01", state="banned"), bot("shop_02", state="deaf")]
    put_file(state, process(*bots, at=utc_now()))

    shown = tool.monitor("report", "--color", "always", fleet).stdout

    assert "\x1b[31mbanned\x1b[0m  shop_01 since " in shown
    assert "\x1b[33mdeaf\x1b[0m  shop_02 since " in shown


def test_json_joins_bots_to_sessions(tool: Tool, state: StateFolder, fleet: Path) -> None:
    """`report` tells of all bots, the others of those that have to do with what they show."""
    session = str(fleet / "shop_01.session")
    put_file(state, process(bot("shop_01", path=session), bot("other"), at=utc_now(), rooms={"gpt": {"hits": 3}}))

    live = {words[0]: json.loads(tool.monitor(*words, "--json").stdout)["live"] for words in looks(fleet)}

    assert {name: [one["session"] for one in part["bots"]] for name, part in live.items()} == {
        "report": [None, session],
        "locks": [session],
        "why": [session],
    }
    assert [part["summary"] for part in live.values()] == [{"alive": 2}] * 3
    assert live["report"]["processes"][0]["rooms"] == {"gpt": {"hits": 3}}
    assert live["why"]["processes"][0]["condition"] == "fresh"
