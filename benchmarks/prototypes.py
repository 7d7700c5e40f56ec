"""Really crashed sessions to copy fleets from; run as a process of its own, so that Telethon's memory goes with it."""

from __future__ import annotations

import sys
from pathlib import Path

from core.session_files.sample_fleet import make_sample_fleet

FLEETS = 3
_HOLDERS = "shop_01"  # its live holder ends at once here; what it leaves is no crash


def main(folder: str) -> None:
    """Make a few sample fleets below the folder and remove the family of the live holder from each."""
    for number in range(FLEETS):
        fleet = make_sample_fleet(f"{folder}/{number}", holder_minutes=0)
        for member in Path(fleet.folder).glob(f"{_HOLDERS}.*"):
            member.unlink(missing_ok=True)


if __name__ == "__main__":
    main(sys.argv[1])
