"""Settings of the state folder."""

from __future__ import annotations

import os
from typing import NamedTuple

from core.settings import Declaration, Room

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
"""The folder that holds the scripts."""


class StateSettings(NamedTuple):
    """`[state]` of gavat.toml."""

    path: str = os.path.join(ROOT, "state")


STATE_ROOM = Room(
    "state",
    StateSettings,
    {
        "path": Declaration(
            "GAVAT_STATE", str, "the folder for history, copies and locks; default: state/ beside the scripts"
        )
    },
)
