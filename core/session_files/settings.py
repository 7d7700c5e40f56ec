"""Settings of the care for session files."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import NamedTuple

from core.session_files.model import COPIES_KEPT
from core.settings import Declaration, Room, parse_count, parse_duration, parse_paths


class FilesSettings(NamedTuple):
    """`[files]` of gavat.toml."""

    sessions: tuple[str, ...] = ("sessions",)
    min_age: timedelta = timedelta(0)
    copies_kept: int = COPIES_KEPT


FILES_ROOM = Room(
    "files",
    FilesSettings,
    {
        "sessions": Declaration(
            "GAVAT_SESSIONS", parse_paths, "folders of *.session files, colon-separated", separator=os.pathsep
        ),
        "min_age": Declaration(
            "GAVAT_MIN_AGE",
            parse_duration,
            "how old an empty, garbage or damaged file must be before it is called that; less than 60 s acts as 60 s",
        ),
        "copies_kept": Declaration("GAVAT_COPIES_KEPT", parse_count, "byte copies kept of each session"),
    },
)
