"""`cleanup_sessions.py files backup-purge`: removing every copy of a login that was revoked."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from core.commands import exit_codes
from core.commands.output import Output
from core.errors import ConfigError

if TYPE_CHECKING:
    from core.commands.wiring import Wiring
    from core.session_files.backups.catalog import Catalog, Shelf

SUMMARY = """\
Remove all backups of one session, because its login was revoked or should be nowhere else. The session itself, and what
runs moved to quarantine, stay. This cannot be undone."""
EXAMPLES = """\
  cleanup_sessions.py files backup-purge shop_03           what would be removed
  cleanup_sessions.py files backup-purge shop_03 --yes     remove it

exit codes: 0 removed, or shown · 2 no such backup · 1 failed · 11 another run"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("name", metavar="NAME|FILE", help="the session whose backups go")
    parser.add_argument("--yes", action="store_true", help="remove them; without it they are only shown")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Show, or remove."""
    from core.commands.wiring import wire
    from core.session_files.backups.catalog import Catalog, Removed
    from core.session_files.mending.copies import CopyStore, shelf_of
    from core.state import RunHistory, new_run_id, run_lock
    from utils.clock import utc_now
    from utils.redact import printable

    wiring = wire()
    state = wiring.state
    catalog, copies = Catalog(state.backups), CopyStore(state.copies)
    shelf, path = _meant(catalog, arguments.name, wiring)
    name = os.path.basename(shelf.path) or shelf_of(path)  # both stores name the shelf of a session alike
    if not shelf.path and not copies.on(name):
        raise ConfigError(f"there is no backup and no copy of {printable(arguments.name)}", path=state.path)
    if not arguments.yes:
        return _show(shelf, path, len(copies.on(name)), output)
    with run_lock(state), RunHistory.open(state) as history:
        run_id = new_run_id(utc_now())
        history.begin(run_id, "files backup-purge", utc_now(), folders=path)
        removed = catalog.purge(shelf) if shelf.path else Removed(0, 0)
        dropped = copies.purge(name)
        history.end(run_id, "exit 0", utc_now())
    return _tell(path, removed.backups, dropped, output)


def _meant(catalog: Catalog, name: str, wiring: Wiring) -> tuple[Shelf, str]:
    """The backups of the session that is meant, unusable ones too, and its path; raises ConfigError where several are.

    Where no manifest can be read the path is that of the backups: nothing else tells them apart.
    """
    from core.commands.files.restore import only_shelf
    from core.session_files.backups.catalog import Shelf
    from utils.redact import printable

    found = catalog.find(name)
    if any(shelf.backups for shelf in found):
        shelf = only_shelf(catalog, name, wiring)
        return shelf, shelf.backups[0].manifest.session
    if len(found) > 1:
        places = ", ".join(printable(shelf.path) for shelf in found)
        raise ConfigError(f"several sessions are named {printable(name)}", hint=f"name its file, as it was: {places}")
    if found:
        return found[0], found[0].path
    return Shelf(""), os.path.abspath(name if name.endswith(".session") else f"{name}.session")


def _show(shelf: Shelf, path: str, copies: int, output: Output) -> int:
    if output.json:
        output.document(_document(path, len(shelf.backups) + len(shelf.unusable), copies, done=False))
    else:
        output.lines(
            [_counted("Would remove", path, len(shelf.backups) + len(shelf.unusable), copies), "--yes does it."]
        )
    return exit_codes.DONE


def _tell(path: str, backups: int, copies: int, output: Output) -> int:
    if output.json:
        output.document(_document(path, backups, copies, done=True))
    else:
        output.lines([_counted("Removed", path, backups, copies), "The session itself is where it was."])
    return exit_codes.DONE


def _counted(verb: str, path: str, backups: int, copies: int) -> str:
    from core.commands.sessions_text import plural
    from utils.redact import printable

    byte_copies = "1 copy" if copies == 1 else f"{copies:,} copies"
    return f"{verb} {plural(backups, 'backup')} and {byte_copies} of before changes of {printable(path)}."


def _document(path: str, backups: int, copies: int, *, done: bool) -> dict[str, object]:
    return {
        "schema": {"name": "gavat.purge", "version": 1},
        "path": path,
        "removed": done,
        "backups": backups,
        "copies": copies,
    }
