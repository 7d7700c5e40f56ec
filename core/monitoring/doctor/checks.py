"""The checks by name, and running those that are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from core.errors import ConfigError, GavatError
from core.monitoring.doctor import judge_fleet, judge_machine, see_config, see_fleet, see_git, see_machine, see_users
from core.monitoring.doctor.model import Check, Examination, Level, Scene
from core.session_files.looking.inspect import Depth, FolderInspection, inspect_folder
from core.settings import did_you_mean
from core.state import StateFolder
from utils.redact import printable

CHECKS = (
    Check(
        "user",
        "the running user owns the sessions and the state folder",
        lambda scene: judge_machine.judge_owners(see_users.see_owners(scene)),
    ),
    Check(
        "holders",
        "it can be known who has a session open, and named",
        lambda scene: judge_machine.judge_processes(see_machine.see_processes(scene)),
    ),
    Check(
        "shared-disk",
        "sessions and state lie on disks that no other machine opens",
        lambda scene: judge_machine.judge_disks(see_machine.see_disks(scene)),
    ),
    Check(
        "schemas",
        "all sessions are of one generation of Telethon",
        lambda scene: judge_fleet.judge_schemas(see_fleet.see_schemas(scene)),
        inside=True,
    ),
    Check(
        "same-login",
        "no login is in two session files",
        lambda scene: judge_fleet.judge_logins(see_fleet.see_logins(scene)),
        inside=True,
    ),
    Check(
        "git",
        "no login lies where a push would take it along",
        lambda scene: judge_fleet.judge_git(see_git.see_work_trees(scene)),
    ),
    Check(
        "modes",
        "nobody but the owner can read sessions, copies and secrets in gavat.toml",
        lambda scene: judge_fleet.judge_modes(
            see_fleet.see_folder_modes(scene), see_fleet.see_state_modes(scene), see_config.see_config_mode(scene)
        ),
    ),
    Check(
        "copies",
        "how many logins lie in copies, backups and set-aside folders, and which were forgotten",
        lambda scene: judge_fleet.judge_kept(see_fleet.see_kept(scene)),
    ),
    Check(
        "disk-space",
        "there is room for the bots' writes and for a copy of the largest session",
        lambda scene: judge_machine.judge_room(see_machine.see_room(scene), largest=see_machine.largest_session(scene)),
    ),
    Check(
        "clock",
        "the clock is not behind the files, and a time service keeps it",
        lambda scene: judge_machine.judge_clock(see_machine.see_clock(scene)),
    ),
)


def choose(names: Sequence[str]) -> tuple[Check, ...]:
    """The checks of these names in their usual order, all when none is named; raises ConfigError for an unknown one."""
    known = {check.name: check for check in CHECKS}
    for name in names:
        if name not in known:
            hint = did_you_mean(name, set(known)) or f"there are: {', '.join(known)}"
            raise ConfigError(f"there is no check {printable(name)}", hint=hint)
    return tuple(check for check in CHECKS if not names or check.name in names)


def examine(
    checks: Sequence[Check], folders: Sequence[str], state: StateFolder, *, config: str, now: datetime
) -> Examination:
    """Look once, then ask each check; folders that cannot be read are problems, the rest is still looked at.

    `config`: path of gavat.toml, there or not. Writes nothing.
    """
    depth = Depth.INSIDE if any(check.inside for check in checks) else Depth.OUTSIDE
    seen: list[FolderInspection] = []
    problems: list[GavatError] = []
    for folder in folders:
        try:
            seen.append(inspect_folder(folder, depth=depth))
        except OSError as error:
            hint = "run as the user who owns it, or as root"
            problems.append(ConfigError(f"cannot be read ({error.strerror})", path=folder, hint=hint))
    scene = Scene(tuple(seen), state, now, config)
    order = list(Level)
    answers = sorted(((check, check.look(scene)) for check in checks), key=lambda pair: order.index(pair[1].level))
    return Examination(tuple(answers), tuple(problems))
