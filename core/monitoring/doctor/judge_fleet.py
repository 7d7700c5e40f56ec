"""What is said of the sessions together: schemas, logins, git, modes, copies (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from core.monitoring.doctor.model import CLEANUP, MONITOR, Answer, Command, Level, Trouble, count, some
from core.monitoring.kept import CopiesView
from utils.units import size_text

LONG_AGO = timedelta(days=30)
_NAMED_FILES = 10
"""As many as a command that is pasted may name."""
_OTHERS, _GROUP, _GROUP_WRITES, _STICKY = 0o007, 0o070, 0o020, 0o1000


class Schemas(NamedTuple):
    """Which schema each session has."""

    paths: Mapping[int, tuple[str, ...]]
    """By version."""
    unread: int
    """Sessions whose inside could not be read: in use, or not Telethon's."""


def judge_schemas(seen: Schemas) -> Answer:
    """One generation of Telethon, or several."""
    unread = f"; {count(seen.unread, 'other')} could not be read (in use, or no whole session)" if seen.unread else ""
    if not seen.paths:
        return Answer(f"no session could be compared{unread}")
    common = max(seen.paths, key=lambda version: (len(seen.paths[version]), version))
    if len(seen.paths) == 1:
        return Answer(f"{count(len(seen.paths[common]), 'session')} of schema {common}{unread}")
    rare = {version: paths for version, paths in sorted(seen.paths.items()) if version != common}
    told = "; ".join(f"schema {version}: {some(paths)}" for version, paths in rare.items())
    evidence = f"{count(len(seen.paths[common]), 'session')} of schema {common}, and others: {told}"
    first = next(iter(rare.values()))[0]
    trouble = Trouble("GV211", Level.WARN, evidence, Command((MONITOR, "why", first)))
    return Answer(f"schemas {', '.join(map(str, sorted(seen.paths)))} side by side{unread}", (trouble,))


class Logins(NamedTuple):
    """Which session files hold which login."""

    paths: Mapping[bytes, tuple[str, ...]]
    """By a mark that is equal where the key is, keyed with a secret of this process; never shown."""
    unread: int


def judge_logins(seen: Logins) -> Answer:
    """Each login in one file, or one in several."""
    unread = f"; {count(seen.unread, 'other')} could not be compared (in use, or not logged in)" if seen.unread else ""
    shared = [paths for paths in seen.paths.values() if len(paths) > 1]
    if not shared:
        told = f"{count(len(seen.paths), 'login')}, each in one file" if seen.paths else "no login to compare"
        return Answer(f"{told}{unread}")
    troubles = tuple(
        Trouble("GV212", Level.CRIT, f"the same login in {some(paths)}", Command((MONITOR, "why", paths[1])))
        for paths in shared
    )
    return Answer(f"{count(len(shared), 'login')} in more than one file{unread}", troubles)


class WorkTree(NamedTuple):
    """What git knows of a folder that holds logins."""

    top: str
    """Where `.git` lies."""
    folder: str
    pattern: str
    """What a line of .gitignore would say, relative to the top."""
    owner: str | None
    """User of the work tree, where that is another one."""
    tracked: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()
    """Neither tracked nor ignored."""
    refusal: str = ""
    """Why git did not answer."""


def judge_git(trees: tuple[WorkTree, ...]) -> Answer:
    """No login where the next push takes it along."""
    troubles = tuple(trouble for tree in trees for trouble in _git_troubles(tree))
    if troubles:
        return Answer("logins lie in a git work tree", troubles)
    if trees:
        return Answer(f"git ignores what lies in {some(tree.folder for tree in trees)}")
    return Answer("nothing lies in a git work tree")


def _git_troubles(tree: WorkTree) -> list[Trouble]:
    if tree.refusal:
        evidence = f"{tree.folder} lies in the work tree {tree.top}: {tree.refusal}"
        asked = Command(("git", "-C", tree.folder, "ls-files", "--others", "--exclude-standard"), user=tree.owner)
        return [Trouble("GV223", Level.UNKNOWN, evidence, asked)]
    found = []
    if tree.tracked:
        evidence = f"{count(len(tree.tracked), 'file')} of {tree.folder} in {tree.top}: {some(tree.tracked)}"
        git = ("git", "--literal-pathspecs", "-C", tree.folder)
        forget = Command((*git, "rm", "--cached", "--", *tree.tracked[:_NAMED_FILES]))
        found.append(Trouble("GV221", Level.CRIT, evidence, forget))
    if tree.loose:
        evidence = f"{count(len(tree.loose), 'file')} of {tree.folder} in {tree.top}: {some(tree.loose)}"
        ignore = Command(("echo", tree.pattern), append_to=f"{tree.top}/.gitignore")
        found.append(Trouble("GV222", Level.WARN, evidence, ignore))
    return found


class FolderModes(NamedTuple):
    """Who may come to the sessions of one folder."""

    path: str
    mode: int
    dedicated: bool
    reachable: bool
    """Every folder above, and it, lets every user pass."""
    sessions: tuple[tuple[str, int], ...]
    """Name and mode of each."""


class StateModes(NamedTuple):
    """Who may come to the state folder."""

    path: str
    mode: int
    reachable: bool
    """Every folder above lets every user pass."""


class ConfigMode(NamedTuple):
    """Who may read gavat.toml."""

    path: str
    mode: int
    reachable: bool
    """Every folder above lets every user pass."""
    secrets: tuple[str, ...]
    """Names of settings in it that hold one."""


def judge_modes(folders: tuple[FolderModes, ...], state: StateModes | None, config: ConfigMode | None = None) -> Answer:
    """Only the owner reads sessions and copies, or whom he let in on purpose (a group that may write)."""
    troubles = [trouble for folder in folders for trouble in _mode_troubles(folder)]
    if state is not None and state.mode & (_OTHERS | _GROUP):
        level = Level.CRIT if state.mode & _OTHERS and state.reachable else Level.WARN
        evidence = f"{state.path} has mode {state.mode:04o}"
        troubles.append(Trouble("GV224", level, evidence, Command(("chmod", "700", "--", state.path))))
    if config is not None and config.secrets and config.mode & _OTHERS:
        level = Level.CRIT if config.reachable else Level.WARN
        evidence = f"{config.path} has mode {config.mode:04o} and holds a secret: {some(config.secrets)}"
        troubles.append(Trouble("GV225", level, evidence, Command(("chmod", "o-rwx", "--", config.path))))
    if troubles:
        return Answer("others may read what is a login or leads to one", tuple(troubles))
    return Answer(f"{count(sum(len(one.sessions) for one in folders), 'session')}, none open to others")


def _mode_troubles(folder: FolderModes) -> list[Trouble]:
    tighten = Command((CLEANUP, folder.path))
    everyone = [name for name, mode in folder.sessions if mode & _OTHERS]
    group = [name for name, mode in folder.sessions if mode & _GROUP and not mode & (_OTHERS | _GROUP_WRITES)]
    found = []
    if everyone:
        level = Level.CRIT if folder.reachable else Level.WARN
        how = "and every user can reach the folder" if folder.reachable else "behind a folder that lets nobody pass"
        evidence = f"open to everyone, {how} {folder.path}: {some(everyone)}"
        found.append(Trouble("GV111", level, evidence, tighten))
    if group:
        evidence = f"open to their group in {folder.path}: {some(group)}"
        found.append(Trouble("GV111", Level.WARN, evidence, tighten))
    if folder.sessions and folder.dedicated and folder.mode & _OTHERS and not folder.mode & _STICKY:
        evidence = f"{folder.path} has mode {folder.mode:04o}"
        found.append(Trouble("GV112", Level.WARN, evidence, Command(("chmod", "o-rwx", "--", folder.path))))
    return found


class PutAway(NamedTuple):
    """One sub-folder that runs moved files to."""

    path: str
    files: int
    bytes: int
    since: datetime
    """When the oldest of it came there."""


class Kept(NamedTuple):
    """What runs keep besides the sessions."""

    copies: CopiesView
    backups: CopiesView
    put_away: tuple[PutAway, ...]
    unreadable: tuple[tuple[str, str | None], ...]
    """Folders that may not be read, each with its owner where that is another user."""
    now: datetime


def judge_kept(seen: Kept) -> Answer:
    """How many logins lie around besides the sessions, and what was forgotten."""
    troubles = [
        Trouble("GV232", Level.UNKNOWN, f"{path} cannot be read by this user", Command(user=owner))
        for path, owner in seen.unreadable
    ]
    for aside in seen.put_away:
        if seen.now - aside.since > LONG_AGO:
            what = f"{count(aside.files, 'file')} ({size_text(aside.bytes)})"
            evidence = f"{what} in {aside.path} since {aside.since:%Y-%m-%d}"
            troubles.append(Trouble("GV231", Level.WARN, evidence, Command(("ls", "-lR", "--", aside.path))))
    number, size = seen.copies.copies + seen.backups.copies, seen.copies.bytes + seen.backups.bytes
    if not number:
        return Answer("no copy and no backup yet", tuple(troubles))
    kinds = f"{seen.copies.copies:,} from before changes, {seen.backups.copies:,} scheduled"
    told = f"{count(number, 'kept login')} ({size_text(size)}): {kinds}; never start a bot on one"
    return Answer(told, tuple(troubles))
