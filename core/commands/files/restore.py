"""`cleanup_sessions.py files restore`: listing backups, and putting one in the place of its session."""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import TYPE_CHECKING

from core.commands import exit_codes
from core.commands.output import Output
from core.errors import ConfigError

if TYPE_CHECKING:
    from core.commands.wiring import Wiring
    from core.session_files.backups.catalog import Backup, Catalog, Shelf

SUMMARY = """\
Put a backup in the place of its session; without a name, list what there is. What is there now moves to quarantine,
with all beside it, and undo brings it back. A session that a bot has open is refused."""
EXAMPLES = """\
  cleanup_sessions.py files restore                                     what can be brought back
  cleanup_sessions.py files restore shop_03 -n                          what would be done
  cleanup_sessions.py files restore shop_03 --at 2026-11-20T18:00       the newest backup not after that time
  cleanup_sessions.py files restore sessions/shop_03.session            where several folders have one of that name

exit codes: 0 restored, or listed · 3 not restored (in use, or unknown) · 2 no such backup · 1 failed ·
11 another run"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("name", nargs="?", metavar="NAME|FILE", help="the session; without it, list all backups")
    parser.add_argument("--at", metavar="TIME", help="the newest backup not after that time (local, or with its zone)")
    parser.add_argument("-n", "--dry-run", action="store_true", help="show what would be done; writes nothing")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing when it was restored")
    parser.set_defaults(verbose=False, exit_code=False)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """List, or restore one."""
    from core.commands.wiring import wire
    from core.session_files.backups.catalog import Catalog

    wiring = wire()
    catalog = Catalog(wiring.state.backups)
    if arguments.name is None:
        return _list(catalog, output)
    from core.commands.files.restore_work import RestoreWork

    backup = choose_backup(catalog, arguments.name, _moment(arguments.at), wiring)
    return RestoreWork(arguments, output, wiring, backup).run()


def choose_backup(catalog: Catalog, name: str, moment: datetime | None, wiring: Wiring) -> Backup:
    """The one backup that is meant; raises ConfigError when there is none, or several sessions bear the name."""
    from core.session_files.backups.catalog import at
    from utils.clock import utc_text
    from utils.redact import printable

    shelf = only_shelf(catalog, name, wiring)
    chosen = shelf.backups[0] if moment is None else at(shelf.backups, moment)
    if chosen is None:
        oldest = utc_text(shelf.backups[-1].manifest.taken_at)
        raise ConfigError(f"no backup of {printable(name)} is that old", hint=f"the oldest is of {oldest}")
    return chosen


def only_shelf(catalog: Catalog, name: str, wiring: Wiring) -> Shelf:
    """The backups of the session that is meant; raises ConfigError when there are none, or of several sessions."""
    from utils.redact import printable

    shelves = [shelf for shelf in catalog.find(name) if shelf.backups]
    if not shelves:
        hint = "files restore without a name lists what there is"
        raise ConfigError(f"there is no backup of {printable(name)}", path=wiring.state.backups, hint=hint)
    if len(shelves) > 1:
        paths = ", ".join(printable(shelf.backups[0].manifest.session) for shelf in shelves)
        raise ConfigError(f"several sessions are named {printable(name)}", hint=f"name one: {paths}")
    return shelves[0]


def _list(catalog: Catalog, output: Output) -> int:
    shelves = list(catalog)
    if output.json:
        output.document(_document(shelves))
        return exit_codes.DONE
    if not shelves:
        output.lines(["There is no backup yet; files backup makes them."])
    for shelf in shelves:
        output.lines(_shelf_lines(shelf))
    return exit_codes.DONE


def _shelf_lines(shelf: Shelf) -> list[str]:
    from utils.redact import printable
    from utils.units import size_text

    path = shelf.backups[0].manifest.session if shelf.backups else shelf.path
    lines = [printable(path)]
    for one in shelf.backups:
        manifest = one.manifest
        login = "logged in" if manifest.logged_in else "not logged in"
        sealed = ", encrypted" if manifest.encryption else ""
        when = f"{manifest.taken_at.astimezone():%Y-%m-%d %H:%M:%S}"
        lines.append(f"  {when}  {size_text(manifest.bytes):>8}  {login}{sealed}")
    return lines + [f"  unusable: {printable(error.path or '')}: {error}" for error in shelf.unusable]


def _document(shelves: list[Shelf]) -> dict[str, object]:
    from utils.clock import utc_text

    return {
        "schema": {"name": "gavat.backups", "version": 1},
        "sessions": [
            {
                "path": shelf.backups[0].manifest.session if shelf.backups else None,
                "folder": shelf.path,
                "backups": [
                    {
                        "path": one.path,
                        "taken_at": utc_text(one.manifest.taken_at),
                        "bytes": one.manifest.bytes,
                        "logged_in": one.manifest.logged_in,
                        "encryption": one.manifest.encryption,
                    }
                    for one in shelf.backups
                ],
                "unusable": [f"{error.path}: {error}" for error in shelf.unusable],
            }
            for shelf in shelves
        ],
    }


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone()  # a time without its zone is local
    except ValueError:
        raise ConfigError("--at takes a time such as 2026-11-20T18:00", hint="see --help") from None
