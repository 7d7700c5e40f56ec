"""Runs a command and writes its peak memory to a file: `launcher.py FILE COMMAND …`; run as a process of its own.

A child's `ru_maxrss` starts at what its parent used when it was made, so the parent of a measured run must be small.
"""

import os
import sys


def main(report: str, command: list[str]) -> int:
    pid = os.posix_spawn(command[0], command, os.environ)
    _pid, status, usage = os.wait4(pid, 0)
    with open(report, "w", encoding="ascii") as written:
        written.write(str(usage.ru_maxrss))
    return os.waitstatus_to_exitcode(status)


sys.exit(main(sys.argv[1], sys.argv[2:]))
