"""The least that pruning takes: the bare SQLite calls, after a copy of the file as it was."""

import os
import shutil
import sqlite3
import sys


def main(folder: str, copies: str, keep: int) -> None:
    """Copy each session of the folder into `copies`, which is made, and leave it the `keep` newest of its entities."""
    os.mkdir(copies)
    pruned = 0
    for name in os.listdir(folder):
        if not name.endswith(".session"):
            continue
        shutil.copyfile(f"{folder}/{name}", f"{copies}/{name}")
        with open(f"{copies}/{name}", "rb") as copy:
            os.fsync(copy.fileno())
        database = sqlite3.connect(f"{folder}/{name}", isolation_level=None)
        kept = "SELECT id FROM entities ORDER BY date DESC, id LIMIT ?"
        database.execute(f"DELETE FROM entities WHERE id NOT IN ({kept})", (keep,))
        database.execute("VACUUM")
        database.close()
        pruned += 1
    print(pruned, "pruned")


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
