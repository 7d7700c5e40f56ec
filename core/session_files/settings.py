"""Settings of the care for session files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from core.session_files.model import COPIES_KEPT
from core.settings import parse_count, parse_duration, parse_paths, setting

_NO_TIME = timedelta(0)


@dataclass(frozen=True, slots=True)
class FilesSettings:
    """`[files]` of gavat.toml."""

    section: ClassVar[str] = "files"

    sessions: tuple[str, ...] = setting(
        ("sessions",), variable="GAVAT_SESSIONS", parse=parse_paths, help="folders of *.session files, colon-separated"
    )
    min_age: timedelta = setting(
        _NO_TIME,
        variable="GAVAT_MIN_AGE",
        parse=parse_duration,
        help="how old an empty, garbage or damaged file must be before it is called that; at least 60 s",
    )
    copies_kept: int = setting(
        COPIES_KEPT, variable="GAVAT_COPIES_KEPT", parse=parse_count, help="byte copies kept of each session"
    )
