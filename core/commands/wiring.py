"""From settings to the objects a command works with."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from signal import SIGINT, SIGTERM, getsignal, signal
from types import FrameType
from typing import Any, NamedTuple

from core.client.settings import CLIENT_ROOM, ClientSettings
from core.client.settings import refuse_without_application as refuse_without_application  # noqa: PLC0414  # for login
from core.completions import GPT_ROOM, CompletionSettings
from core.errors import ConfigError, FolderReadOnly
from core.fleet.settings import BOTS_ROOM, FLEET_ROOM, BotSettings, FleetSettings
from core.session_files.backups.settings import BACKUP_ROOM, BackupSettings
from core.session_files.settings import FILES_ROOM, FilesSettings
from core.settings import CONFIG_VARIABLE, Declaration, Room, load_settings
from core.state import StateFolder, is_state_folder
from core.state.settings import REDIS_ROOM, ROOT, STATE_ROOM, RedisSettings
from utils.redact import printable

_CONFIG = os.path.join(ROOT, "gavat.toml")
_LOG_FORMATS = ("text", "json")


class LogSettings(NamedTuple):
    """`[log]` of gavat.toml."""

    format: str = ""
    """`text` or `json`; empty: no log lines, the report says it."""


def _parse_log_format(text: str) -> str:
    if text not in _LOG_FORMATS:
        raise ValueError(f"«{printable(text)}» is no format of log lines")
    return text


LOG_ROOM = Room(
    "log", LogSettings, {"format": Declaration("GAVAT_LOG_FORMAT", _parse_log_format, "write text or json")}
)
ROOMS = (STATE_ROOM, FILES_ROOM, LOG_ROOM, BACKUP_ROOM, CLIENT_ROOM, FLEET_ROOM, BOTS_ROOM, REDIS_ROOM, GPT_ROOM)
"""All that may be set; any other name is an error."""


class Wiring(NamedTuple):
    """What settings say."""

    files: FilesSettings
    state: StateFolder
    log: LogSettings
    backup: BackupSettings
    client: ClientSettings
    fleet: FleetSettings
    bots: dict[str, BotSettings]
    redis: RedisSettings
    gpt: CompletionSettings


def wire(flags: Mapping[str, Any] | None = None) -> Wiring:
    """Settings from flags, environment, gavat.toml and defaults; raises ConfigError."""
    filled = load_settings(ROOMS, flags=flags or {}, environ=os.environ, config_file=_CONFIG)
    state, files, log, backup, client, fleet, bots, redis, gpt = filled
    return Wiring(files, StateFolder.at(state.path), log, backup, client, fleet, bots, redis, gpt)


def config_file() -> str:
    """Where `gavat.toml` is, if there is one."""
    return os.environ.get(CONFIG_VARIABLE) or _CONFIG


class Target(NamedTuple):
    """A folder to look at."""

    folder: str
    only: frozenset[str] | None = None
    """File names of the sessions that are meant; None: all."""


def session_folders(wiring: Wiring, named: Sequence[str], *, recursive: bool) -> tuple[list[Target], list[ConfigError]]:
    """The folders to look at and, for each named one that is none, why; a folder is listed once."""
    folders: list[str] = []
    problems: list[ConfigError] = []
    for name in named or wiring.files.sessions:
        path = name.rstrip("/") or name[:1]
        problem = why_no_folder(path, told=bool(named))
        if problem is not None:
            problems.append(problem)
        else:
            folders += _below(path) if recursive else [path]
    unique = list({os.path.realpath(folder): folder for folder in reversed(folders)}.values())[::-1]
    return [Target(folder) for folder in unique], problems


def session_targets(wiring: Wiring, named: Sequence[str], *, recursive: bool) -> tuple[list[Target], list[ConfigError]]:
    """As `session_folders`; a name may also be a session, with or without `.session`."""
    from core.session_files.looking.listing import SUFFIX

    files: dict[str, set[str]] = {}
    folders = []
    for name in named:
        path = name if name.endswith(SUFFIX) else name + SUFFIX
        if os.path.lexists(path) and not os.path.isdir(name):
            files.setdefault(os.path.dirname(path) or ".", set()).add(os.path.basename(path))
        else:
            folders.append(name)
    targets, problems = session_folders(wiring, folders, recursive=recursive) if folders or not named else ([], [])
    problems = [_no_such(one, wiring) if one.path and not os.path.lexists(one.path) else one for one in problems]
    known = {target.folder for target in targets}
    return [
        *targets,
        *(Target(folder, frozenset(only)) for folder, only in files.items() if folder not in known),
    ], problems


def _no_such(problem: ConfigError, wiring: Wiring) -> ConfigError:
    """The problem of a name that is neither folder nor session, with the session that is named nearly so."""
    from contextlib import suppress
    from difflib import get_close_matches

    from core.session_files.looking.listing import SUFFIX

    folder, name = os.path.split(problem.path or "")
    known: dict[str, str] = {}
    for place in [folder] if folder else ["", *wiring.files.sessions]:
        with suppress(OSError):  # what cannot be listed holds nothing to be proposed
            found = (one.removesuffix(SUFFIX) for one in os.listdir(place or ".") if one.endswith(SUFFIX))
            known |= {one: os.path.join(place, one) for one in found}
    near = get_close_matches(name.removesuffix(SUFFIX), known, n=1)
    hint = f"did you mean {printable(known[near[0]])}?" if near else problem.hint
    what = "session" if name.endswith(SUFFIX) else "folder or session"
    return ConfigError(f"there is no such {what}", path=problem.path, hint=hint)


def in_session_folders(name: str, wiring: Wiring) -> str:
    """A bare name is that of a session in the sessions folders, as it is for `login`, unless it is there itself."""
    from core.session_files.looking.listing import SUFFIX

    def is_there(path: str) -> bool:
        return os.path.lexists(path) or os.path.lexists(path.removesuffix(SUFFIX) + SUFFIX)

    if not name or "/" in name or is_there(name):
        return name
    places = (os.path.join(folder, name) for folder in wiring.files.sessions)
    return next((place for place in places if is_there(place)), name)


def why_no_folder(path: str, *, told: bool) -> ConfigError | None:
    """Why no sessions can be in `path`, or None; `told`: it was named on the command line."""
    if not path:
        return ConfigError("an empty folder name", hint="is a variable of your shell not set?")
    if not os.path.exists(path):
        from core.session_files.looking.listing import SUFFIX

        if not os.path.lexists(path + SUFFIX):
            default = "name the folder of your *.session files, or set GAVAT_SESSIONS"
            return ConfigError("there is no such folder", path=path, hint=None if told else default)
        path += SUFFIX  # a session may be named without its ending
    if not os.path.isdir(path):
        from core.commands.pastable import command_line

        hint = f"name its folder, or look at it alone: {command_line('monitor_system.py', 'why', path)}"
        return ConfigError("is a file, not a folder of sessions", path=path, hint=hint)
    if _in_state_folder(os.path.realpath(path)):
        return ConfigError("belongs to a state folder: its copies are not sessions", path=path)
    return None


def refuse_root_elsewhere(folder: str, message: str, hint: str) -> None:
    """Raise FolderReadOnly for root in the folder of another user, who could swap names under root's hands."""
    if os.geteuid() == 0 and (owner := os.stat(folder).st_uid) != 0:
        from core.commands.pastable import as_user
        from utils.users import user_name

        raise FolderReadOnly(message, path=folder, hint=f"{hint}: {as_user(user_name(owner))}")


def _in_state_folder(path: str) -> bool:
    while not is_state_folder(path):
        parent = os.path.dirname(path)
        if parent == path:
            return False
        path = parent
    return True


WHOLE = "every session is whole, in place or in its copy"
UNTOUCHED = "no session was changed"
"""How an interrupted run leaves the sessions: the argument of the KeyboardInterrupt that ends it."""


@contextmanager
def interruption() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM instead of dying, so that the batch at work is finished; the second one ends."""
    received: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt(WHOLE)
        received.append(number)

    before = {number: getsignal(number) for number in (SIGINT, SIGTERM)}
    for number in before:
        signal(number, note)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal(number, handler)


def _below(top: str) -> list[str]:
    from core.session_files.looking.listing import SET_ASIDE_FOLDER, SUFFIX

    found = []
    for folder, subfolders, names in os.walk(top):
        subfolders[:] = sorted(
            name for name in subfolders if name != SET_ASIDE_FOLDER and not is_state_folder(os.path.join(folder, name))
        )
        if folder == top or any(SUFFIX in name for name in names):
            found.append(folder)
    return found
