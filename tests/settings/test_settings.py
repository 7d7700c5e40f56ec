"""Settings: who beats whom, and what an unknown or unreadable one says."""

from __future__ import annotations

import pwd
from datetime import timedelta
from pathlib import Path

import pytest

from core import settings
from core.commands.wiring import ROOMS
from core.completions import GPT_ROOM
from core.errors import ConfigError
from core.fleet.settings import config_folder, fleet_settings
from core.session_files.backups.settings import BACKUP_ROOM
from core.session_files.settings import FILES_ROOM, FilesSettings
from core.settings import CONFIG_VARIABLE, Room, fill_rooms, load_settings, parse_duration
from core.state.settings import STATE_ROOM
from core.variables import VARIABLES


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "gavat.toml"


def files_settings(config: Path, *, environ: dict[str, str] | None = None, **flags: object) -> FilesSettings:
    found: FilesSettings = load_settings(
        (STATE_ROOM, FILES_ROOM), flags=flags, environ=environ or {}, config_file=str(config)
    )[1]
    return found


def test_without_anything_the_defaults_stand(config: Path) -> None:
    """A missing gavat.toml is no error."""
    assert files_settings(config) == FilesSettings(("sessions",), timedelta(0), 5)


def test_flag_beats_environment_beats_file_beats_default(config: Path) -> None:
    """Each step up wins."""
    config.write_text('[files]\nsessions = ["/a", "/b"]\nmin_age = "90s"\ncopies_kept = 7\n')
    environ = {"GAVAT_SESSIONS": "/c:/d", "GAVAT_MIN_AGE": "5m"}

    found = files_settings(config, environ=environ, min_age=timedelta(seconds=1))

    assert found == FilesSettings(("/c", "/d"), timedelta(seconds=1), 7)


def test_an_empty_variable_counts_as_not_set(config: Path) -> None:
    """`GAVAT_SESSIONS=` in a unit file means the default."""
    assert files_settings(config, environ={"GAVAT_SESSIONS": ""}).sessions == ("sessions",)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("48h", 172800), ("1.5d", 129600), ("2w", 1209600)]
)
def test_durations_are_read(text: str, seconds: float) -> None:
    """A number with its unit; without one it is seconds."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "h", "-5s", "1y", "nan", "inf", "1e99d", "5 minutes"])
def test_what_is_no_duration_is_said(text: str) -> None:
    """With an example of one."""
    with pytest.raises(ValueError, match="is no duration; write 90s, 15m, 48h or 7d"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("document", "said", "hint"),
    [
        ("[fils]", "unknown table [fils]", "did you mean files?"),
        ("[files]\nsesions = []", "unknown key sesions in [files]", "did you mean sessions?"),
        ("copies_kept = 1", "key copies_kept stands in no table", "it belongs into [files]"),
        ("copies_kep = 1", "key copies_kep stands in no table", "did you mean copies_kept?"),
        ("files = 3", "files must be a table: [files]", None),
        ("[files]\ncopies_kept = 0", "is no whole number of at least 1", "byte copies kept of each session"),
        ("[files", "the configuration is no TOML", None),
    ],
)
def test_a_wrong_file_is_answered_in_one_line(config: Path, document: str, said: str, hint: str | None) -> None:
    """What, where and what was meant."""
    config.write_text(document)

    with pytest.raises(ConfigError) as refused:
        files_settings(config)

    assert said in str(refused.value)
    assert refused.value.hint == hint


def test_an_unknown_variable_is_refused_and_others_are_not_ours(config: Path) -> None:
    """GAVAT_* is ours; SESSION_* of the older systems and everything else is ignored."""
    assert files_settings(config, environ={"SESSION_MAX_AGE": "1", "HOME": "/"}).copies_kept == 5

    with pytest.raises(ConfigError, match="unknown variable GAVAT_SESSION") as refused:
        files_settings(config, environ={"GAVAT_SESSION": "x"})

    assert refused.value.hint == "did you mean GAVAT_SESSIONS?"


def test_a_named_configuration_must_exist(config: Path) -> None:
    """GAVAT_CONFIG that leads nowhere is a mistake, not a default."""
    with pytest.raises(ConfigError, match="cannot be read"):
        files_settings(config, environ={"GAVAT_CONFIG": str(config)})


@pytest.mark.parametrize(("shortest", "text"), [("9s", ""), ("", "[fleet]\nstagger_min = 9")])
def test_the_shortest_pause_is_not_longer_than_the_longest(config: Path, shortest: str, text: str) -> None:
    """Of two settings one may be the default: both are told, and what to set."""
    config.write_text(text)
    environ = {"GAVAT_CONFIG": str(config), "GAVAT_STAGGER_MIN": shortest}

    with pytest.raises(ConfigError, match=r"^stagger_min \(9 s\) is longer than stagger_max \(3 s\)$") as refused:
        fleet_settings(environ)

    assert refused.value.hint == "set both, GAVAT_STAGGER_MIN and GAVAT_STAGGER_MAX, or both in [fleet]"
    assert fleet_settings({**environ, "GAVAT_STAGGER_MAX": "9s"}).stagger_max == timedelta(seconds=9)


def test_who_embeds_some_rooms_is_warned_once_of_a_misspelt_variable(
    config: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Those of other rooms are no mistake."""
    monkeypatch.setattr(settings, "_warned_of", set())
    environ = {"GAVAT_AT_ONC": "1", "GAVAT_GPT_MODEL": "m", "GAVAT_SESSIONS": "bots", "GAVAT_LOG_FORMAT": "json"}

    for _time in range(2):
        fill_rooms((STATE_ROOM,), environ=environ, config_file=str(config))

    told = [(one.levelname, one.name, one.getMessage()) for one in caplog.records]
    assert told == [("WARNING", "gavatcore.settings", "GAVAT_AT_ONC is not known; did you mean GAVAT_AT_ONCE?")]


def test_the_variables_of_every_room_are_known() -> None:
    declared = {one.variable for room in ROOMS for one in room.declarations.values()} - {""}
    assert declared | {CONFIG_VARIABLE} == VARIABLES


_PATHS = [
    (STATE_ROOM, "path", "GAVAT_STATE"),
    (BACKUP_ROOM, "key_file", "GAVAT_BACKUP_KEY_FILE"),
    (GPT_ROOM, "api_key_file", "GAVAT_GPT_API_KEY_FILE"),
    (GPT_ROOM, "prices", "GAVAT_GPT_PRICES"),
]
_UNKNOWN = "«~no-such-user/gs»: no home folder is known for ~no-such-user; write ./~no-such-user for that name"


@pytest.fixture
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/gavat")


@pytest.mark.usefixtures("at_home")
@pytest.mark.parametrize(("room", "key", "variable"), _PATHS)
def test_a_tilde_is_the_home_folder(config: Path, room: Room, key: str, variable: str) -> None:
    """No shell has replaced it in a unit file, in a crontab, or between quotes."""
    config.write_text(f'[{room.section}]\n{key} = "~root/gs"\n')

    (given,) = fill_rooms((room,), environ={variable: "~/gs"}, config_file=str(config))
    (written,) = fill_rooms((room,), environ={}, config_file=str(config))

    assert getattr(given, key) == "/home/gavat/gs"
    assert getattr(written, key) == f"{pwd.getpwnam('root').pw_dir}/gs"


@pytest.mark.usefixtures("at_home")
def test_each_of_several_paths_may_begin_with_a_tilde(config: Path) -> None:
    """And a tilde elsewhere is one."""
    config.write_text('[files]\nsessions = ["~/a", "b~", "./~"]\n')

    assert files_settings(config).sessions == ("/home/gavat/a", "b~", "./~")
    assert files_settings(config, environ={"GAVAT_SESSIONS": "/c:~/d"}).sessions == ("/c", "/home/gavat/d")


def test_gavat_toml_may_be_in_the_home_folder(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(config.parent))
    config.write_text("[files]\ncopies_kept = 7\n")
    environ = {"GAVAT_CONFIG": "~/gavat.toml"}

    assert files_settings(Path("/nowhere"), environ=environ).copies_kept == 7
    assert config_folder(environ) == str(config.parent)


@pytest.mark.parametrize(("room", "key", "variable"), _PATHS)
def test_a_home_folder_that_is_not_known_is_said(config: Path, room: Room, key: str, variable: str) -> None:
    """A folder named ~ would be made otherwise, in whatever folder one is."""
    with pytest.raises(ConfigError) as refused:
        fill_rooms((room,), environ={variable: "~no-such-user/gs"}, config_file=str(config))
    config.write_text(f'[{room.section}]\n{key} = "~no-such-user/gs"\n')
    with pytest.raises(ConfigError) as refused_in_file:
        fill_rooms((room,), environ={}, config_file=str(config))

    assert str(refused.value) == f"variable {variable}: {_UNKNOWN}"
    assert str(refused_in_file.value) == f"{room.section}.{key} in {config}: {_UNKNOWN}"


def test_a_home_folder_that_is_not_known_is_said_of_the_configuration_too(config: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        files_settings(config, environ={"GAVAT_CONFIG": "~no-such-user/gs"})

    assert str(refused.value) == f"variable GAVAT_CONFIG: {_UNKNOWN}"
