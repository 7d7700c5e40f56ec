"""The least that mending takes: copy each family onto the disk, then open the session so that SQLite recovers it.

Without a second folder nothing is copied: the plain open.
"""

import os
import shutil
import sqlite3
import sys


def main(folder: str, copies: str | None) -> None:
    """Copy the families of the folder into `copies`, which is made, unless it is None; then open each session."""
    names = os.listdir(folder)
    if copies is not None:
        os.mkdir(copies)
        families: dict[str, list[str]] = {}
        for name in names:
            families.setdefault(name.partition(".session")[0], []).append(name)
    for name in names:
        if name.endswith(".session"):
            if copies is not None:
                for member in families[name.removesuffix(".session")]:
                    copy_durably(f"{folder}/{member}", f"{copies}/{member}")
            open_and_select(f"{folder}/{name}")
    print(sum(name.endswith(".session") for name in names), "opened")


def copy_durably(source: str, target: str) -> None:
    """Copy a file with its times and mode, on disk at return."""
    with open(source, "rb", buffering=0) as read, open(target, "wb", buffering=0) as written:
        written.write(read.read())
        shutil.copystat(source, target)
        os.fsync(written.fileno())


def open_and_select(path: str) -> None:
    """Open a session for writing, so that SQLite recovers it, and read its version and login."""
    database = sqlite3.connect(f"file:{path}?mode=rw", uri=True)
    database.execute("SELECT version FROM version").fetchone()
    database.execute("SELECT * FROM sessions").fetchall()
    database.close()


main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
