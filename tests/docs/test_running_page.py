"""docs/running.md tells the truth: its fleet runs, its tables are the code's, its unit calls what there is."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
from configparser import ConfigParser
from pathlib import Path

from core.commands import exit_codes
from core.commands.programs import CORE
from core.commands.wiring import ROOMS
from core.fleet.settings import BotSettings
from core.settings import CONFIG_VARIABLE
from tests.commands.running_fleet import AT_ONCE, Place
from tests.telegram import TelegramThread
from tests.tool import ROOT

PAGE = (ROOT / "docs" / "running.md").read_text(encoding="utf-8")
EXAMPLES = ROOT / "docs" / "examples"
UNIT = ROOT / "deploy" / "gavat-fleet.service"


def table_under(heading: str) -> list[str]:
    """The words of a table's first column, several in one cell included."""
    table = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)[1:]
    return [word for cell in cells for word in re.findall(r"`?([\w]+)`?", cell) if cell.strip("-")]


def test_the_fleet_of_the_page_answers_in_two_languages(tmp_path: Path) -> None:
    """The example as it lies in docs/examples, without the pause between two starts."""
    with TelegramThread() as server:
        place = Place(server, tmp_path)
        shutil.copytree(EXAMPLES, tmp_path, dirs_exist_ok=True)
        shop, istanbul = place.add("shop"), place.add("istanbul")
        place.add("spare")
        text = place.config.read_text(encoding="utf-8")
        place.config.write_text(text.replace("[fleet]\n", AT_ONCE), encoding="utf-8")

        with place.running() as fleet:
            fleet.started(shop, istanbul)
            answers = [place.says(shop, "hello"), place.says(istanbul, "selam")]
            place.server.call(lambda _telegram: shop.receives("/hours", sender=place.bob))
            place.server.call(
                lambda telegram: telegram.until(
                    lambda: "We are open from 9 to 18." in [one.text for one in telegram.messages(shop, place.bob)]
                )
            )
            code, shown, said = fleet.ends(signal.SIGTERM)

    assert answers == ["you said hello", "dediniz ki: selam"]
    assert (code, shown, "spare: started" in said) == (0, "", False)


def test_the_page_shows_the_example_as_it_is() -> None:
    """gavat.toml whole, and a function of the module."""
    assert (EXAMPLES / "gavat.toml").read_text(encoding="utf-8") in PAGE
    function = PAGE.partition("```python\n")[2].partition("```")[0]
    assert function in (EXAMPLES / "mybot" / "handlers.py").read_text(encoding="utf-8")


def test_every_key_of_a_bot_is_in_its_table() -> None:
    """In the order of the code."""
    assert table_under("Single bots") == list(BotSettings._fields)


def test_the_exit_codes_of_run_are_those_of_the_code() -> None:
    codes = (exit_codes.DONE, exit_codes.FAILED, exit_codes.USAGE, exit_codes.INTERRUPTED)
    assert table_under("Exit codes") == [str(code) for code in codes]


def unit() -> dict[str, list[str]]:
    """The settings of the unit, each with all its values."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def test_the_unit_calls_a_command_that_there_is() -> None:
    """Every path below /opt/gavatcore is one of the repository, or of the environment that make builds."""
    ConfigParser(strict=False, interpolation=None).read(UNIT)
    (command,) = unit()["ExecStart"]

    python, program, name, *options = shlex.split(command)

    assert (python, program) == ("/opt/gavatcore/.venv/bin/python", "/opt/gavatcore/core")
    assert (ROOT / "core" / "__main__.py").exists()
    assert name in CORE.commands
    assert options == []
    (page,) = unit()["Documentation"]
    assert (ROOT / page.removeprefix("file:///opt/gavatcore/")).exists()
    assert unit()["ExecReload"] == ["/bin/kill -HUP $MAINPID"]


def test_the_unit_sets_known_variables_and_no_secret() -> None:
    """Those that it names in a comment too."""
    variables = {one.variable for room in ROOMS for one in room.declarations.values()} | {CONFIG_VARIABLE}
    given = dict(one.split("=", 1) for one in unit()["Environment"])

    assert set(re.findall(r"GAVAT_\w+", UNIT.read_text(encoding="utf-8"))) <= variables
    assert given.keys() == {"GAVAT_CONFIG", "GAVAT_SESSIONS", "GAVAT_STATE"}
    assert all(value.startswith(("/etc/gavatcore/", "/var/lib/gavatcore/")) for value in given.values())
    assert unit()["EnvironmentFile"] == ["/etc/gavatcore/fleet.env"]


def test_the_unit_waits_and_watches_as_the_fleet_tells() -> None:
    """It is told of readiness and life; it does not try a wrong configuration again."""
    wanted = {"Type": "notify", "KillMode": "mixed", "Restart": "on-failure", "RestartPreventExitStatus": "2"}

    assert {name: unit()[name][0] for name in wanted} == wanted
    assert int(unit()["WatchdogSec"][0]) >= 10
    assert int(unit()["TimeoutStopSec"][0]) >= 10
    assert int(unit()["LimitNOFILE"][0]) >= 65536
