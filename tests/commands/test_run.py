"""`python -m core run` as a process, against a Telegram on loopback, with handlers of its own."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.running_fleet import Manager, Place
from tests.documents.schemas import SCHEMAS, closed, errors
from tests.other_user import NOBODY
from tests.telegram import Telegram, TelegramThread
from tests.tool import CORE, ROOT, Tool
from utils.leases import LeaseState, probe_os_lock


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with TelegramThread() as server:
        yield Place(server, tmp_path)


def is_free(session: Path) -> bool:
    return probe_os_lock(f"{session}.lock").state is LeaseState.FREE


def devices_by_name(telegram: Telegram) -> dict[str, str]:
    """What those that are connected say of their device."""
    found = {}
    for one in telegram.connections:
        assert one.account is not None
        found[one.account.first_name] = str(one.init.device_model)
    return found


def test_it_answers_in_private_in_groups_and_to_what_a_function_is_marked_with(place: Place) -> None:
    alice = place.add("alice")
    ops = place.add_group(alice)
    lists = 'on_private = ["mybot.handlers:answer"]\non_group = ["mybot.handlers:listen"]\n'
    place.configure(fleet=f'{lists}handlers = ["mybot.handlers:count"]')

    with place.running() as fleet:
        fleet.started(alice)
        private = place.says(alice, "hello")
        in_group = place.says_in(ops, "to all")
        marked = place.says_in(ops, "/count", answers=2)
        code, shown, _said = fleet.ends()

    assert (code, shown) == (0, "")
    assert (private, in_group) == ("you said hello", ["heard to all"])
    assert sorted(marked) == ["gc True", "heard /count"]  # Python collects cycles, as a short command does not


def test_sigterm_stops_all_and_gives_the_leases_back(place: Place) -> None:
    bots = [place.add("alice"), place.add("carol")]

    with place.running() as fleet:
        fleet.started(*bots)
        held = [is_free(place.sessions / f"{name}.session") for name in ("alice", "carol")]
        code, _shown, said = fleet.ends()

    assert held == [False, False]
    assert (code, said.splitlines()[-1].endswith("INFO gavatcore.fleet: stopped: 2 bots")) == (0, True)
    assert all(is_free(path) for path in place.sessions.glob("*.session"))
    assert list(place.sessions.glob("*-journal")) == []


def test_ctrl_c_is_told_by_the_exit_code(place: Place) -> None:
    """And by nothing else: everything is stopped as on SIGTERM."""
    alice = place.add("alice")

    with place.running("--quiet") as fleet:
        fleet.started(alice)
        assert fleet.ends(signal.SIGINT) == (130, "", "")

    assert is_free(place.sessions / "alice.session")


LINGER = """
import asyncio
import logging


async def linger(event):
    logging.getLogger("mybot").warning("lingers")
    await asyncio.sleep(60)
"""


def test_signals_during_a_stop_change_nothing(place: Place) -> None:
    """The first one counts, however many follow."""
    alice = place.add("alice")
    place.configure(fleet='on_private = ["mybot.handlers:linger"]')
    with (place.folder / "mybot" / "handlers.py").open("a") as module:
        module.write(LINGER)

    address = str(place.folder / "notify")
    with Manager(address) as manager, place.running(NOTIFY_SOCKET=address) as fleet:
        fleet.started(alice)
        place.server.call(lambda _telegram: alice.receives("stay", sender=place.bob))
        fleet.says("lingers")
        fleet.process.send_signal(signal.SIGTERM)
        manager.hears("STOPPING=1")
        for number in (signal.SIGTERM, signal.SIGHUP):
            fleet.process.send_signal(number)
        code, _shown, said = fleet.ends(signal.SIGINT)

    assert (code, "Traceback" in said) == (0, False)
    assert is_free(place.sessions / "alice.session")


def test_a_reload_starts_what_is_new_and_stops_what_is_gone(place: Place) -> None:
    gone, stays = place.add("alice"), place.add("carol")

    with place.running() as fleet:
        fleet.started(gone, stays)
        new = place.add("dave")
        (place.sessions / "alice.session").rename(place.folder / "away.session")
        said = fleet.reload()
        fleet.started(new)
        answer = place.says(new, "hello")
        alive = place.server.call(lambda telegram: [telegram.live(one) for one in (gone, stays, new)])
        fleet.ends()

    assert said.endswith("reloaded: 1 to start (dave); 1 stopped (alice)\n")
    assert (answer, alive) == ("you said hello", [0, 1, 1])


def test_a_reload_applies_what_has_changed_for_single_bots(place: Place) -> None:
    """One left out, one restarted with what Telethon is given, one with other handlers and the same connection."""
    alice, carol, dave, erin = (place.add(name) for name in ("alice", "carol", "dave", "erin"))

    with place.running() as fleet:
        fleet.started(alice, carol, dave, erin)
        place.configure(
            '[bots.alice]\nrun = false\n[bots.carol]\ndevice_model = "Fridge"\napp_version = "7"\n'
            '[bots.dave]\non_private = ["mybot.handlers:answer_otherwise"]'
        )
        said = fleet.reload()
        fleet.says("carol: started")
        answers = [place.says(one, "hello") for one in (carol, dave, erin)]
        accepted = place.server.call(lambda telegram: telegram.accepted)
        devices = place.server.call(devices_by_name)
        place.configure()
        back = fleet.reload()
        fleet.says("alice: started")
        again = place.says(dave, "hello again")
        fleet.ends()

    assert said.endswith("reloaded: 1 to start anew (carol); 1 stopped (alice); 1 with other handlers (dave)\n")
    assert back.endswith("reloaded: 1 to start (alice); 1 to start anew (carol); 1 with other handlers (dave)\n")
    assert answers == ["you said hello", "otherwise hello", "you said hello"]
    assert again == "you said hello again"
    assert accepted == 5
    assert (sorted(devices), devices["carol"]) == (["carol", "dave", "erin"], "Fridge")


def test_a_broken_gavat_toml_changes_nothing(place: Place) -> None:
    """One ERROR line; the bots go on, and the next reload counts again."""
    alice = place.add("alice")

    with place.running() as fleet:
        fleet.started(alice)
        place.config.write_text("[fleet\n")
        broken = fleet.reload_refused()
        place.configure("[bots.alice]\nprxy = 1")
        misspelt = fleet.reload_refused()
        answer = place.says(alice, "hello")
        place.configure()
        fleet.reload()
        code, _shown, said = fleet.ends()

    assert f"ERROR gavatcore.fleet: not reloaded, all goes on as before: {place.config}: the configuration is" in broken
    assert "unknown key prxy in [bots.alice]; did you mean proxy?" in misspelt
    assert (code, answer, said.count("ERROR")) == (0, "you said hello", 2)


def test_settings_of_a_session_that_went_away_do_not_stop_a_reload(place: Place) -> None:
    """Its bot must be stopped; that its table is still there is a warning."""
    alice, carol = place.add("alice"), place.add("carol")
    place.configure('[bots.carol]\nlang_code = "tr"')

    with place.running() as fleet:
        fleet.started(alice, carol)
        (place.sessions / "carol.session").rename(place.folder / "away.session")
        fleet.reload()
        _code, _shown, said = fleet.ends()

    assert "WARNING gavatcore.fleet: [bots.carol]: there is no such session" in said
    assert "reloaded: 1 stopped (carol)\n" in said


def test_a_fleet_of_which_all_are_given_up_keeps_running_and_says_so(place: Place) -> None:
    """A service manager must not restart it into the same refusals; a reload gives another chance."""
    alice = place.add("alice")
    place.server.call(lambda _telegram: alice.ban())

    address = str(place.folder / "notify")
    with Manager(address) as manager, place.running(NOTIFY_SOCKET=address, WATCHDOG_USEC="2000000") as fleet:
        fleet.says("ERROR gavatcore.fleet: every bot is given up")
        for _second in range(5):
            manager.hears("WATCHDOG=1")
        is_running = fleet.process.poll() is None
        place.server.call(lambda _telegram: alice.pardon())
        fleet.reload()
        fleet.says("alice: started")
        answer = place.says(alice, "hello")
        code, _shown, said = fleet.ends()

    assert (is_running, answer, code) == (True, "you said hello", 0)
    assert said.count("every bot is given up") == 1
    assert "alice: given up (USER_DEACTIVATED_BAN) until a reload or restart" in said


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_the_service_manager_is_told_all_in_order(place: Place, kind: str) -> None:
    alice = place.add("alice")
    address = str(place.folder / "notify") if kind == "path" else f"@gavat-test-{os.getpid()}"

    with Manager(address) as manager, place.running(NOTIFY_SOCKET=address, WATCHDOG_USEC="200000") as fleet:
        for word in ("READY=1", "WATCHDOG=1", "STATUS=1 of 1 running", "WATCHDOG=1"):
            manager.hears(word)
        fleet.started(alice)
        fleet.process.send_signal(signal.SIGHUP)
        reloading = manager.hears("RELOADING=1")
        manager.hears("READY=1")
        fleet.process.send_signal(signal.SIGTERM)
        manager.hears("STOPPING=1")
        assert fleet.process.wait(timeout=60) == 0

    first, usec = reloading.split("\n")
    assert (first, usec.startswith("MONOTONIC_USEC="), int(usec.partition("=")[2]) > 0) == ("RELOADING=1", True, True)
    assert manager.told[0] == "READY=1"
    assert manager.told.count("READY=1") == 2


def test_a_handler_that_blocks_the_loop_stops_the_watchdog(place: Place) -> None:
    """So that the service manager restarts what is stuck; as soon as it goes on, so does the watchdog."""
    alice = place.add("alice")
    place.configure(fleet='on_private = ["mybot.handlers:block"]')
    address = str(place.folder / "notify")

    with Manager(address) as manager, place.running(NOTIFY_SOCKET=address, WATCHDOG_USEC="100000") as fleet:
        fleet.started(alice)
        manager.hears("WATCHDOG=1")
        place.server.call(lambda _telegram: alice.receives("2", sender=place.bob))

        assert manager.falls_silent(0.75)
        manager.hears("WATCHDOG=1")
        fleet.ends()


def test_a_watchdog_of_another_process_is_not_ours(place: Place) -> None:
    """WATCHDOG_PID names it: children of a service inherit the variables."""
    place.add("alice")
    address = str(place.folder / "notify")

    with (
        Manager(address) as manager,
        place.running(NOTIFY_SOCKET=address, WATCHDOG_USEC="1000", WATCHDOG_PID="1") as fleet,
    ):
        manager.hears("STATUS=1 of 1 running")
        fleet.ends()

    assert "WATCHDOG=1" not in manager.told


def test_a_dead_socket_costs_one_line(place: Place) -> None:
    alice = place.add("alice")

    with place.running(NOTIFY_SOCKET=str(place.folder / "nobody"), WATCHDOG_USEC="100000") as fleet:
        fleet.started(alice)
        answer = place.says(alice, "hello")
        code, _shown, said = fleet.ends()

    assert (code, answer, said.count("the service manager cannot be told")) == (0, "you said hello", 1)


def test_what_would_start_is_shown_and_nothing_starts(place: Place) -> None:
    for name in ("alice", "carol", "dave"):
        place.add(name)
    own = 'api_id = 77\napi_hash = "own-secret"\nlang_code = "tr"\nflood_sleep = "5s"'
    place.configure(f"[bots.alice]\nrun = false\n[bots.carol]\non_private = []\n{own}")
    before = {path.name for path in place.sessions.iterdir()}

    done = place.call("-n")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "2 of 3 bots would start, 50 at a time, 0 to 0 s apart:",
        "",
        "  left out     alice  run = false",
        f"  would start  carol  {place.sessions / 'carol.session'}",
        "                      no handlers: it stays connected, and answers nobody",
        "                      application own",
        "                      lang_code tr",
        "                      flood_sleep_seconds 5.0",
        f"  would start  dave   {place.sessions / 'dave.session'}",
        "                      on_private mybot.handlers:answer",
        "",
        "Leases: this host alone",
        "",
        "Nothing was started; run without -n to do it.",
    ]
    assert {path.name for path in place.sessions.iterdir()} == before
    assert place.server.call(lambda telegram: telegram.accepted) == 0


def test_what_most_bots_have_is_shown_once(place: Place) -> None:
    """And what one has of its own, with it."""
    for name in ("alice", "carol", "dave", "erin", "frank"):
        place.add(name)
    place.configure('[bots.carol]\nlang_code = "tr"')

    done = place.call("-n")

    lines = done.stdout.splitlines()
    assert lines[2:5] == [
        "Each with the following, unless its line says something else:",
        "  on_private mybot.handlers:answer",
        "",
    ]
    assert lines[5:9] == [
        f"  would start  alice  {place.sessions / 'alice.session'}",
        f"  would start  carol  {place.sessions / 'carol.session'}",
        "                      on_private mybot.handlers:answer",
        "                      lang_code tr",
    ]
    assert len([line for line in lines if "on_private" in line]) == 2


NO_REDIS = "redis://127.0.0.1:1/0"
SILENT = "Redis at 127.0.0.1:1/0: it does not answer (connection refused); no bot starts meanwhile"


def test_a_redis_that_does_not_answer_is_shown_before_a_start(place: Place) -> None:
    place.add("alice")
    place.configure("[gpt]\nmodel = 'gpt-5-mini'", f'[redis]\nurl = "{NO_REDIS}"')

    lines = place.call("-n").stdout.splitlines()

    assert lines[-5:-3] == ["Leases: shared by Redis at 127.0.0.1:1/0, lost: warn", SILENT]
    assert lines[-3].startswith("Asking a model: gpt-5-mini, ")


def test_a_redis_that_does_not_answer_is_told_once_for_all_bots(place: Place) -> None:
    for name in ("alice", "carol", "dave"):
        place.add(name)
    place.configure(f'[redis]\nurl = "{NO_REDIS}"')

    with place.running() as fleet:
        fleet.says("starts again in", times=3)
        _code, _shown, said = fleet.ends()

    warnings = [line.partition("WARNING ")[2] for line in said.splitlines() if "WARNING " in line]
    assert warnings.count(f"gavatcore.leases: {SILENT}") == 1
    assert not any("not started" in line for line in warnings)
    assert said.count("take [redis] url away") == 3


def test_what_lets_no_question_be_answered_is_told_at_the_start(place: Place) -> None:
    place.add("alice")
    place.configure("[gpt]\nmodel = 'nopricemodel'\ndaily_money = 1")

    with place.running("--quiet", OPENAI_API_KEY="") as fleet:
        fleet.says("WARNING gavatcore.openai: asking a model: no API key: every question gets its fallback")
        fleet.says("WARNING gavatcore.openai: asking a model: money is limited and nopricemodel has no price")
        fleet.ends()


def test_a_start_that_waits_for_another_process_is_told_once_and_as_no_error(place: Place) -> None:
    """A host that stands by is well."""
    alice = place.add("alice")
    place.config.write_text(place.config.read_text().replace("[fleet]", '[fleet]\nrestart_first = "0.05s"'))

    with place.running() as first:
        first.started(alice)
        with place.running("-v") as second:
            second.says("alice: starts again in", times=4)
            _code, _shown, said = second.ends()
        first.ends()

    told = [line.split()[1] for line in said.splitlines() if "alice: not started: held" in line]
    again = [line.split()[1] for line in said.splitlines() if "alice: starts again in" in line]
    assert told[:4] == ["WARNING", "DEBUG", "DEBUG", "DEBUG"]
    assert again[:4] == ["INFO", "DEBUG", "DEBUG", "DEBUG"]


def test_a_session_may_be_named_by_its_path_or_its_name(place: Place) -> None:
    """Bare names are those of the sessions folder, as for `login`."""
    for name in ("alice", "carol", "dave"):
        place.add(name)

    done = place.call("-n", "--json", "alice", place.sessions / "dave.session", GAVAT_SESSIONS=str(place.sessions))

    assert [bot["name"] for bot in json.loads(done.stdout)["bots"]] == ["alice", "dave"]


def test_the_document_of_a_dry_run_is_what_its_schema_says_and_holds_no_secret(place: Place) -> None:
    place.add("alice")
    place.configure('[bots.alice]\napi_id = 77\napi_hash = "own-secret"\ndevice_model = "Fridge"')

    done = place.call("-n", "--json")

    document = json.loads(done.stdout)
    assert errors(closed(SCHEMAS["gavat.run"]), document) == []
    assert (document["dry_run"], document["counts"]) == (True, {"would start": 1})
    assert document["bots"][0]["settings"]["device_model"] == "Fridge"
    assert "secret" not in done.stdout + done.stderr


def test_the_document_of_a_run_comes_at_its_end_and_alone(place: Place) -> None:
    """Also where handlers print; with every bot's last state."""
    alice, carol = place.add("alice"), place.add("carol")
    place.add("dave")
    place.server.call(lambda _telegram: carol.revoke("SESSION_REVOKED"))
    place.configure("[bots.dave]\nrun = false", fleet='on_private = ["mybot.handlers:fail", "mybot.handlers:answer"]')

    with place.running("--json") as fleet:
        fleet.says("carol: given up")
        fleet.started(alice)
        place.says(alice, "hello")
        code, shown, said = fleet.ends()

    document = json.loads(shown)
    bots = {one["name"]: one for one in document["bots"]}
    assert errors(closed(SCHEMAS["gavat.run"]), document) == []
    assert (code, document["exit_code"], document["dry_run"]) == (0, 0, False)
    assert document["counts"] == {"given up": 1, "left out": 1, "running": 1}
    assert [bots["alice"][key] for key in ("state", "health", "handled", "failed")] == ["running", "alive", 2, 1]
    assert (bots["carol"]["state"], bots["carol"]["code"]) == ("given up", "SESSION_REVOKED")
    assert "to nobody" in said


def test_log_lines_may_be_json_with_the_traceback_of_a_handler(place: Place) -> None:
    alice = place.add("alice")
    place.configure(fleet='on_private = ["mybot.handlers:fail", "mybot.handlers:answer"]')

    with place.running(GAVAT_LOG_FORMAT="json") as fleet:
        fleet.started(alice)
        place.says(alice, "hello")
        _code, _shown, said = fleet.ends()

    lines = [json.loads(line) for line in said.splitlines() if line != "to nobody"]
    (failed,) = (line for line in lines if line["level"] == "ERROR")
    assert {line["logger"] for line in lines} == {"gavatcore.fleet", "gavatcore.client"}
    assert failed["message"] == "alice: a handler failed: fail"
    assert "RuntimeError: a mistake" in failed["traceback"]
    assert all("traceback" not in line for line in lines if line is not failed)


def test_a_fleet_without_handlers_is_warned_of(place: Place) -> None:
    """It would take the messages and answer none."""
    place.add("alice")
    place.configure(fleet="")

    with place.running() as fleet:
        line = fleet.says("WARNING")
        fleet.ends()

    assert "1 of 1 bot has no handlers: it stays connected, and answers nobody" in line


BROKEN = "import os\n\nraise ValueError('not today')\n"


ASKING = """\
import sys

from gpt.openai_utils import default_helper

HELPER = default_helper()


async def answer(event):
    await event.reply(f"{HELPER is default_helper()} {'openai' in sys.modules}")
"""


def test_handlers_have_a_helper_that_the_fleet_has_set_up(place: Place) -> None:
    """Also where their module asks for it while it is imported; OpenAI's library is not loaded for that."""
    (place.folder / "mybot" / "asking.py").write_text(ASKING)
    (place.folder / "key").write_text("sk-secret")
    (place.folder / "key").chmod(0o600)
    alice = place.add("alice")
    place.configure(f'[gpt]\napi_key_file = "{place.folder}/key"', fleet='on_private = ["mybot.asking:answer"]')

    with place.running() as fleet:
        fleet.started(alice)
        answer = place.says(alice, "hello")
        report = Tool(place.folder / "state").monitor("report", place.sessions).stdout
        code, _shown, said = fleet.ends()

    assert (answer, code, "secret" in said) == ("True False", 0, False)
    assert "\ngpt         GPT cache: 0/0 entries, not asked yet\n" in report


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('preset = "bold"', "preset is 'bold' · one of standard, conservative\n"),
        ('api_key_file = "nowhere"', "nowhere: the API key cannot be read (No such file or directory)\n"),
    ],
)
def test_settings_of_completions_that_cannot_be_are_told_before_a_bot_starts(
    place: Place, line: str, said: str
) -> None:
    """Not by the first handler that asks a model."""
    place.add("alice")
    place.configure(f"[gpt]\n{line}")

    for words in ((), ("-n",)):
        done = place.call(*words)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


@pytest.mark.parametrize(
    ("config", "words", "said"),
    [
        ("", ("none",), "none: there is no such folder or session"),
        ("", ("alcie",), "alcie: there is no such folder or session · did you mean sessions/alice?"),
        ("", ("empty",), "core login empty/NAME"),
        ("", ("sessions/none.session",), "sessions/none.session: there is no such session"),
        (
            '[bots.alice]\nlang_code = "tr"\n[bots."alice.session"]\nrun = false',
            (),
            'alice.session: [bots."alice"] and [bots."alice.session"] mean one session · put all of it into one',
        ),
        ("[bots.second]\nrun = false", (), "[bots.second]: is no session of its own, so no bot runs on it"),
        ('[bots."link/alice"]\nrun = false', (), "no bot is to run: every session has run = false"),
        ("", ("empty",), "empty: there is no session in it · log in to have one: "),
        ("[bots.alice]\nproxi = 1", (), "unknown key proxi in [bots.alice] · did you mean proxy?"),
        ("[bots.alcie]", (), "[bots.alcie]: there is no such session · did you mean alice?"),
        ("[bots.alice]\nrun = false", (), "no bot is to run: every session has run = false"),
        ("[bots.alice]\napi_id = 1", (), "[bots.alice]: api_id and api_hash belong together · set both"),
        (
            '[bots.alice]\nproxy = "socks9://u:pass@h:1"',
            (),
            "bots.alice.proxy in CONFIG: that is no address of a proxy",
        ),
        (
            '[bots.alice]\non_group = ["nobot:answer"]',
            (),
            "[bots.alice] on_group: there is no module nobot · looked in",
        ),
        (
            '[bots.alice]\non_group = ["mybot.handlers:anwser"]',
            (),
            "mybot/handlers.py: [bots.alice] on_group: there is no anwser in mybot.handlers · did you mean answer?",
        ),
        (
            '[bots.alice]\non_group = ["mybot.handlers:Shop"]',
            (),
            "[bots.alice] on_group: Shop in mybot.handlers is no function, but a class ·",
        ),
        (
            '[bots.alice]\nhandlers = ["mybot.handlers:answer"]',
            (),
            "handlers: answer in mybot.handlers does not say what it is called for · mark it with",
        ),
        (
            '[bots.alice]\nhandlers = ["broken:answer"]',
            (),
            "broken.py:3: [bots.alice] handlers: broken cannot be imported: ValueError: not today · with -v",
        ),
    ],
)
def test_a_wrong_call_is_answered_in_one_line(place: Place, config: str, words: tuple[str, ...], said: str) -> None:
    place.add("alice")
    place.configure(config)
    (place.folder / "empty").mkdir()
    (place.folder / "broken.py").write_text(BROKEN)
    (place.folder / "link").symlink_to("sessions")
    (place.sessions / "second.session").symlink_to("alice.session")

    done = place.call(*words)

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert said.replace("CONFIG", str(place.config)) in done.stderr
    assert "pass" not in done.stderr.replace("user:password@", "").replace("in a password", "")


@pytest.mark.parametrize("missing", ["GAVAT_API_ID", "GAVAT_API_HASH"])
def test_without_an_application_nothing_starts(place: Place, missing: str) -> None:
    """Unless every bot has one of its own."""
    place.add("alice")
    refused = place.call("-n", **{missing: ""})
    place.configure('[bots.alice]\napi_id = 7\napi_hash = "own"')

    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert refused.stderr.startswith(f"{missing} is not set · set it, or [client] in gavat.toml")
    assert place.call("-n", **{missing: ""}).returncode == 0


def test_with_v_the_traceback_of_a_module_is_shown(place: Place) -> None:
    place.add("alice")
    (place.folder / "broken.py").write_text(BROKEN)
    place.configure(fleet='on_private = ["broken:answer"]')

    done = place.call("-v")

    assert "Traceback (most recent call last)" in done.stderr
    assert "broken.py: there" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"{place.folder}/broken.py:3: [fleet] on_private: broken cannot")


def test_modules_are_looked_for_here_then_beside_gavat_toml(place: Place) -> None:
    place.add("alice")
    elsewhere = place.folder / "etc"
    elsewhere.mkdir()
    (place.folder / "near.py").write_text("def answer(event): ...\n")
    for name in ("near", "far"):
        (elsewhere / f"{name}.py").write_text("def answer(event): ...\ndef other(event): ...\n")
    place.environ["GAVAT_CONFIG"] = str(place.config.rename(elsewhere / "gavat.toml"))

    found = place.call("-n", GAVAT_ON_PRIVATE="far:other,near:answer")
    hidden = place.call("-n", GAVAT_ON_PRIVATE="near:other")

    assert "on_private far:other, near:answer" in found.stdout
    assert hidden.stderr.startswith(f"{place.folder}/near.py: [fleet] on_private: there is no other in near")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder away")
def test_root_starts_nothing_in_the_folder_of_another_user(place: Place) -> None:
    """It may look, and is told whom to run as."""
    place.add("alice")
    session = place.sessions / "alice.session"
    session.chmod(0o644)
    for path in (place.sessions, session):
        os.chown(path, NOBODY, NOBODY)

    looked, refused = place.call("-n", place.sessions), place.call(place.sessions)

    assert looked.returncode == 0
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert refused.stderr.startswith(
        f"{place.sessions}: belongs to another user: nothing was started · run as that user"
    )
    assert f"sudo -u nobody {sys.executable} {CORE} run {place.sessions}" in refused.stderr
    assert [path.name for path in place.sessions.iterdir()] == ["alice.session"]
    assert session.stat().st_mode & 0o777 == 0o644
    assert not (place.folder / "state").exists()


def test_a_link_that_leads_nowhere_keeps_no_other_bot_from_starting(place: Place) -> None:
    alice = place.add("alice")
    (place.sessions / "gone.session").symlink_to(place.folder / "nowhere" / "gone.session")

    with place.running("sessions/alice.session", "sessions/gone.session") as fleet:
        place.listens(alice)
        code, _shown, said = fleet.ends()

    assert code == 0
    assert "/nowhere/gone.session does not exist" in said


def test_help_needs_no_package(tmp_path: Path) -> None:
    """A bare interpreter has none; running says which one it wants."""
    tool = Tool(tmp_path / "state")

    shown, refused = tool.core("run", "--help"), tool.core("run", "-n")

    assert (shown.returncode, shown.stderr) == (0, "")
    assert "python -m core run /srv/bots" in shown.stdout
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert refused.stderr.startswith("running bots needs Telethon, which is not installed · ")
    assert f"{ROOT}/.venv/bin/python" in refused.stderr or f"`make run` in {ROOT} " in refused.stderr


def test_a_terminal_shows_how_the_bots_are_and_its_end_stops_them(place: Place) -> None:
    """SIGHUP means a reload, but that the terminal is gone where it is; a quiet run shows no line."""
    alice = place.add("alice")
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, CORE, "run"], cwd=place.folder, env=place.env(), stderr=theirs) as process:
        try:
            os.close(theirs)
            shown = ""
            while "\r\x1b[K1 of 1 running" not in shown:
                shown += os.read(ours, 4096).decode()
            place.listens(alice)
            os.close(ours)
            process.send_signal(signal.SIGHUP)
            code = process.wait(timeout=60)
        finally:
            process.kill()

    assert code == 0
    assert is_free(place.sessions / "alice.session")
