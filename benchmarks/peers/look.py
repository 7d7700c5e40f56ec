"""The least that looking at a folder takes: list, stat, read 100 bytes of each session, scan all descriptors once."""

import os
import sys


def main(folder: str) -> None:
    """Count the sessions of the folder, and how many of them somebody has open."""
    sessions = set()
    for name in os.listdir(folder):
        if name.endswith(".session"):
            path = f"{folder}/{name}"
            found = os.stat(path)
            sessions.add((found.st_dev, found.st_ino))
            with open(path, "rb", buffering=0) as opened:
                opened.read(100)
    print(len(sessions), "sessions,", len(sessions & open_files()), "open")


def open_files() -> set[tuple[int, int]]:
    """Device and inode of every file that a process has open, as far as this user may see them."""
    identities = set()
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            for descriptor in os.listdir(f"/proc/{process}/fd"):
                found = os.stat(f"/proc/{process}/fd/{descriptor}")
                identities.add((found.st_dev, found.st_ino))
        except OSError:
            continue
    return identities


main(sys.argv[1])
