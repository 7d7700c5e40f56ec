"""`cleanup_sessions.py files backup`: a verified backup of each session, also of those that a bot has open."""

from __future__ import annotations

import argparse

from core.commands.output import Output

SUMMARY = """\
Back sessions up through SQLite, also while their bots write; each backup is opened and checked. A session that was not
written since its newest backup is passed over. Rotation keeps the newest, and the last of each day and week."""
EXAMPLES = """\
  cleanup_sessions.py files backup                  back up sessions/
  cleanup_sessions.py files backup -n               which sessions would be
  cleanup_sessions.py files backup -q --recursive /srv/bots      from a timer
  cleanup_sessions.py files restore                 list what can be brought back

A backup is a login: keep it private, encrypt it with GAVAT_BACKUP_KEY_FILE, never run one beside the original.

exit codes: 0 done · 3 a session could not be backed up (each named) · 1 failed · 2 usage ·
11 another run · 130 interrupted"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "folders", nargs="*", metavar="DIR|FILE", help="folder of *.session files, or single ones (default: sessions/)"
    )
    parser.add_argument("-n", "--dry-run", action="store_true", help="show what would be backed up; writes nothing")
    parser.add_argument("--recursive", action="store_true", help="sub-folders too")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing when all is well")
    parser.add_argument("-v", "--verbose", action="store_true", help="list every session")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Back up, and report."""
    from core.commands.files.backup_work import BackupWork
    from core.commands.wiring import wire

    return BackupWork(arguments, output, wire()).run()
