"""The arguments that the verbs of `files` share."""

from __future__ import annotations

import argparse


def add_chore_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare which sessions are meant and how the chore reports."""
    parser.add_argument(
        "folders", nargs="*", metavar="DIR|FILE", help="folder of *.session files, or single ones (default: sessions/)"
    )
    parser.add_argument("-n", "--dry-run", action="store_true", help="show what would be done; writes nothing")
    parser.add_argument("--recursive", action="store_true", help="sub-folders too")
    parser.add_argument("--exit-code", action="store_true", help="with -n: exit 4 when there is something to do")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing when all is well")
    parser.add_argument("-v", "--verbose", action="store_true", help="list every session")
