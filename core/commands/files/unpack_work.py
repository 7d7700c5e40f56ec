"""The other half of `files move`: the sessions of a pack come into a folder, as a run that undo takes back."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from core.commands import exit_codes
from core.commands.output import Output
from core.commands.pastable import as_user, command_line
from core.errors import ConfigError, RunUnfinished
from core.session_files.moving.pack import read_pack
from core.session_files.moving.unpack import Unpacked, unpack
from core.state import RunHistory, StateFolder, new_run_id, run_lock
from utils.clock import utc_now
from utils.redact import printable
from utils.users import user_name

if TYPE_CHECKING:
    from collections.abc import Sequence


def unpack_to(pack: str, arguments: argparse.Namespace, output: Output, state: StateFolder) -> int:
    """Check a pack and put its sessions into the folder `--to`."""
    folder = arguments.to
    _refuse_folder(folder)
    run_id = None
    if arguments.dry_run:
        sessions = [_session(one.name, one.bytes, None) for one in read_pack(pack)]
    else:
        run_id, unpacked = _unpack_noted(pack, folder, state)
        sessions = [_session(one.packed.name, one.packed.bytes, bool(one.contents.logged_in)) for one in unpacked]
    if output.json:
        schema = {"name": "gavat.unpack", "version": 1}
        about = {"run_id": run_id, "pack": pack, "folder": folder, "written": run_id is not None}
        output.document({"schema": schema, **about, "sessions": sessions})
    elif not arguments.quiet:
        output.lines(_text(len(sessions), pack, folder, run_id))
    return exit_codes.DONE


def _session(name: str, size: int, logged_in: bool | None) -> dict[str, Any]:
    return {"name": name, "bytes": size, "logged_in": logged_in}


def _text(number: int, pack: str, folder: str, run_id: str | None) -> list[str]:
    done = "Would unpack" if run_id is None else "Unpacked"
    lines = [
        f"{done} {number:,} of {printable(pack)} into {printable(folder)}, each as it was packed.",
        "Remove the pack when the bots run: every session in it is a login.",
    ]
    if run_id is not None:
        lines.append(f"Take it back before they run: {command_line('cleanup_sessions.py', 'undo', run_id)}")
    return lines


def _refuse_folder(folder: str) -> None:
    """Refuse a folder that is not there, or another user's, who could swap names under root's hands."""
    if not os.path.isdir(folder):
        raise ConfigError("there is no such folder", path=folder, hint="make it (mode 0700) and run again")
    owner = os.stat(folder).st_uid
    if os.geteuid() == 0 and owner != 0:
        hint = f"run as that user: {as_user(user_name(owner))}"
        raise ConfigError("belongs to another user: nothing was unpacked", path=folder, hint=hint)


def _unpack_noted(pack: str, folder: str, state: StateFolder) -> tuple[str, Sequence[Unpacked]]:
    """Unpack as a run of its own: no other works meanwhile, and the history says when it was and what came."""
    state.make()
    with run_lock(state), RunHistory.open(state) as history:
        _refuse_half_unpacked(folder, history)
        run_id = new_run_id(utc_now())
        history.begin(run_id, "files move", utc_now(), folders=printable(folder))
        outcome = "exit 1"
        try:
            unpacked = unpack(pack, folder, history, run_id)
            outcome = "exit 0"
        finally:
            history.end(run_id, outcome, utc_now())
    return run_id, unpacked


def _refuse_half_unpacked(folder: str, history: RunHistory) -> None:
    from core.session_files.undoing.unpacked import is_half_unpacked

    for change in history.begun():
        inside = os.path.realpath(os.path.dirname(change.path)) == os.path.realpath(folder)
        if inside and is_half_unpacked(change):
            undo = command_line("cleanup_sessions.py", "undo", change.run_id)
            message = f"run {change.run_id} was killed while it unpacked into this folder"
            raise RunUnfinished(message, path=folder, hint=f"take it back, then run this again: {undo}")
