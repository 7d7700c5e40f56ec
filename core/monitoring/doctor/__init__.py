"""Checks of the fleet as a whole and of the machine it runs on: look → judge → show. Nothing here writes.

checks            which there are, by name, and running them
see_…             what is on this machine: the fleet, git, processes, disks, the clock
judge_…           what that means (pure): a level, the evidence, the command to run next
model             what the others talk about

Imports run up this list, never down.
"""

from core.monitoring.doctor.checks import CHECKS, choose, examine
from core.monitoring.doctor.model import CLEANUP, MONITOR, Answer, Check, Command, Examination, Level, Trouble, worst

__all__ = [
    "CHECKS",
    "CLEANUP",
    "MONITOR",
    "Answer",
    "Check",
    "Command",
    "Examination",
    "Level",
    "Trouble",
    "choose",
    "examine",
    "worst",
]
