"""Settings of the state folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import ClassVar

from core.settings import setting

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
"""The folder that holds the scripts."""


@dataclass(frozen=True, slots=True)
class StateSettings:
    """`[state]` of gavat.toml."""

    section: ClassVar[str] = "state"

    path: str = setting(
        os.path.join(ROOT, "state"),
        variable="GAVAT_STATE",
        parse=str,
        help="the folder for history, copies and locks; default: state/ beside the scripts",
    )
