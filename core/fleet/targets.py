"""The session files that a fleet was told of: named ones, and those in folders."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

from core.client.preparation import session_path
from core.errors import ConfigError
from core.session_files.looking.listing import Listing
from core.session_files.model import EntryKind
from utils.redact import printable


def refuse_missing(targets: Sequence[str]) -> None:
    """Raise ConfigError where none of the targets is there.

    One of several is no reason: its bot is given up by name, and the others run.
    """
    if targets and not any(os.path.isdir(one) or os.path.lexists(session_path(one)) for one in targets):
        raise _no_such(targets[0])


def without_gone(targets: Sequence[str], known: Collection[str]) -> list[str]:
    """Those targets that are no single sessions which were there (`known` paths) and are no more."""
    paths = {one: os.path.abspath(session_path(one)) for one in targets if not os.path.isdir(one)}
    gone = {one for one, path in paths.items() if path in known and not os.path.lexists(path)}
    return [one for one in targets if one not in gone]


def find_sessions(targets: Sequence[str]) -> list[str]:
    """The session files that were named, there or not, and those in the folders that were; each once.

    One that has several paths (its folder is also named by a link) stands under the first of them.
    Raises ConfigError for a folder that is not there or cannot be read.
    """
    found: list[str] = []
    for one in targets:
        found += _sessions_in(one) if os.path.isdir(one) else [_session(one)]
    paths = [os.path.abspath(one) for one in found]
    return list({os.path.realpath(path): path for path in reversed(paths)}.values())[::-1]


def _session(named: str) -> str:
    path = session_path(named)
    if not os.path.basename(named) or not os.path.isdir(os.path.dirname(os.path.abspath(path))):
        raise _no_such(named)
    return path


def _sessions_in(folder: str) -> list[str]:
    try:
        families = Listing(folder).families()
        return [family.path for family in families if family.kind is EntryKind.SESSION]
    except OSError as error:
        raise ConfigError(f"the folder of sessions cannot be read ({error.strerror})", path=folder) from error


def _no_such(named: str) -> ConfigError:
    return ConfigError(
        f"there is no such folder or session: {printable(named) or 'an empty name'}",
        hint="name folders of *.session files, or single sessions",
    )
