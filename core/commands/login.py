"""`python -m core login NAME`: its arguments and words; the work is in `core.client.login`."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from core.commands import exit_codes
from core.commands.output import Output
from core.errors import ConfigError, GavatError, SessionFileBusy, SessionFileError

if TYPE_CHECKING:
    from core.client.login import LoginResult
    from core.client.login_calls import Server
    from core.client.refusal import Refused
    from core.commands.wiring import Wiring

SUMMARY = "Log in to Telegram, into a session file that only you can read, under the lease that a bot would hold."
EXAMPLES = """\
  python -m core login alice                      asks for phone, code and password, or for a bot's token
  python -m core login ./alice.session            a path, instead of a name in the sessions folder
  python -m core login alice --again              anew: the old session is copied, and moves to quarantine
  python -m core login shop < token.txt           without a terminal: one line for each question, in their order
  python -m core login test --server 2:149.154.167.40:443      Telegram's test servers

Phone, code, password and token are asked for, and never taken as arguments: other users can read those.
GAVAT_API_ID and GAVAT_API_HASH, or api_id and api_hash in [client] of gavat.toml, come from my.telegram.org.
A login that was broken off is gone on with by calling it again; nothing half-made stays behind.

exit codes: 0 logged in, or it was already · 1 failed; the session is as it was · 2 usage or configuration ·
11 another run is at work · 130 interrupted"""
_HIGHEST_PORT = 65535


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "session", metavar="NAME", help="session in the sessions folder (GAVAT_SESSIONS), or a path with a slash in it"
    )
    parser.add_argument("--again", action="store_true", help="log in anew though the session is logged in")
    parser.add_argument(
        "--server", metavar="DC:ADDRESS:PORT", help="data centre for a new login, such as a test server"
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Log in and say who it is and what to do next."""
    from core.commands.telethon_needed import require_telethon
    from core.commands.wiring import refuse_without_application, wire

    require_telethon("logging in")
    wiring = wire()
    server = _parse_server(arguments.server)
    refuse_without_application(wiring.client)
    path = _path_of(arguments.session, wiring)
    result = _log_in(path, wiring, server, again=arguments.again)
    if output.json:
        output.document(_document(path, result))
    else:
        output.lines(_text(path, arguments.session, result))
    return exit_codes.DONE


def _log_in(path: str, wiring: Wiring, server: Server | None, *, again: bool) -> LoginResult:
    import logging

    from core.client.judge_login import Existing
    from core.client.leasing import Sharers
    from core.client.login import LoginWanted, log_in
    from core.client.login_calls import Api
    from core.client.refusal import Refused
    from core.commands.asking import Asker

    logging.getLogger("telethon").addHandler(logging.NullHandler())  # what it warns of ends in one line of ours
    wanted = LoginWanted(
        path=path,
        api=Api(wiring.client.api_id, wiring.client.api_hash, wiring.client),
        sharers=Sharers(wiring.state, wiring.redis),
        existing=Existing.REPLACED if again else Existing.KEPT,
        server=server,
    )
    try:
        return log_in(wanted, Asker())
    except Refused as refused:
        raise _told_of(path, refused) from refused


def _told_of(path: str, refused: Refused) -> GavatError:
    """The refusal as an error of the documented tree, with the file it is about and the finding's code."""
    from core.client.model import FailureKind

    failure = refused.failure
    if failure.kind is FailureKind.HELD:
        return SessionFileBusy(failure.reason, path=path, hint=failure.hint)
    if failure.kind in (FailureKind.DAMAGED, FailureKind.UNUSABLE, FailureKind.REVOKED):
        code = f"{failure.code} " if failure.code.startswith("GV") else ""
        return SessionFileError(f"{code}{failure.reason}", path=path, hint=failure.hint)
    return GavatError(failure.reason, hint=failure.hint)


def _path_of(given: str, wiring: Wiring) -> str:
    """Real path of the session that is meant; the sessions folder is made where it is missing. Raises ConfigError."""
    from core.client.preparation import session_path
    from core.commands.wiring import refuse_root_elsewhere, why_no_folder

    if not os.path.basename(given).removesuffix(".session").strip("."):
        raise ConfigError("the name of a session is missing", hint="such as: python -m core login alice")
    if "/" not in given:
        given = os.path.join(_sessions_folder(given, wiring), given)
    path = session_path(given)
    folder = os.path.dirname(path)
    problem = why_no_folder(folder, told=True)
    if problem is not None:
        raise problem
    # A file that root makes there is of no use to the bot
    hint = "log in as the user that the bots run as"
    refuse_root_elsewhere(folder, "belongs to another user: nothing was made there", hint)
    return path


def _sessions_folder(name: str, wiring: Wiring) -> str:
    """The folder that has the session already, else the first of the settings."""
    file = name if name.endswith(".session") else name + ".session"
    folders = wiring.files.sessions
    folder = next((one for one in folders if os.path.lexists(os.path.join(one, file))), folders[0])
    if not os.path.lexists(folder):
        try:
            os.mkdir(folder, 0o700)
        except OSError as error:
            hint = "make it, or set GAVAT_SESSIONS to the folder of your *.session files"
            raise ConfigError(
                f"the sessions folder cannot be made ({error.strerror})", path=folder, hint=hint
            ) from error
    return folder


def _parse_server(text: str | None) -> Server | None:
    if text is None:
        return None
    from core.client.login_calls import Server

    dc_id, _, rest = text.partition(":")
    address, _, port = rest.rpartition(":")
    address = address.removeprefix("[").removesuffix("]")
    is_number = dc_id.isascii() and dc_id.isdigit() and port.isascii() and port.isdigit()
    if not address or not is_number or not 0 < int(port) <= _HIGHEST_PORT or not int(dc_id):
        raise ConfigError("argument --server: not DC:ADDRESS:PORT", hint="such as 2:149.154.167.40:443")
    return Server(int(dc_id), address, int(port))


def _who(result: LoginResult) -> str:
    from utils.redact import printable

    account = result.account
    return f"{printable(account.name)} ({'bot' if account.is_bot else 'id'} {account.id})"


def _text(path: str, given: str, result: LoginResult) -> list[str]:
    from core.commands.pastable import command_line
    from utils.redact import printable

    if not result.is_new:
        again = command_line("python -m core", "login", given, "--again")
        return [
            f"{printable(path)} is logged in already, as {_who(result)}; nothing was changed.",
            f"To log in anew and keep this one aside: {again}",
        ]
    lines = [f"Logged in as {_who(result)}.", f"The session is {printable(path)}, readable by its owner alone."]
    if result.run_id is not None:
        undo = command_line("cleanup_sessions.py", "undo", result.run_id)
        lines += [
            f"The old one is in {printable(result.quarantine or '')}; to take this back: {undo}",
            "Its login stays valid until it is ended in a Telegram app: Settings, Devices.",
        ]
    running = command_line("python -m core", "run", path)
    return [
        *lines,
        f"Next: {running}",
        f"or in a program: client = GavatClient({path!r}, api_id=…, api_hash=…); see docs/client.md",
    ]


def _document(path: str, result: LoginResult) -> dict[str, object]:
    account = result.account
    return {
        "schema": {"name": "gavat.login", "version": 1},
        "path": path,
        "account": {"id": account.id, "name": account.name, "is_bot": account.is_bot},
        "is_new": result.is_new,
        "run_id": result.run_id,
        "quarantine": result.quarantine,
    }
