"""Settings of a fleet."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

from core.settings import Declaration, Room, fill_rooms, parse_count, parse_duration
from core.state.settings import ROOT


class FleetSettings(NamedTuple):
    """`[fleet]` of gavat.toml."""

    at_once: int = 5
    """Bots that start at a time."""
    stagger_min: timedelta = timedelta(seconds=1)
    stagger_max: timedelta = timedelta(seconds=3)
    """Between two starts passes a time between these, by chance."""
    restart_first: timedelta = timedelta(seconds=5)
    restart_cap: timedelta = timedelta(minutes=15)
    """Waits before starting again: the first one, doubled each time, and the longest."""
    wave_stops_after: int = 3
    """Refusals of the kind 406 or 420 in a row that stop the wave."""
    wave_pause: timedelta = timedelta(minutes=10)
    """How long a stopped wave waits before it tries one bot."""


def fleet_settings(environ: Mapping[str, str]) -> FleetSettings:
    """From the environment and `gavat.toml`; raises ConfigError."""
    (settings,) = fill_rooms((FLEET_ROOM,), environ=environ, config_file=os.path.join(ROOT, "gavat.toml"))
    assert isinstance(settings, FleetSettings)
    return settings


FLEET_ROOM = Room(
    "fleet",
    FleetSettings,
    {
        "at_once": Declaration("GAVAT_AT_ONCE", parse_count, "how many bots start at a time"),
        "stagger_min": Declaration("GAVAT_STAGGER_MIN", parse_duration, "shortest time between two starts"),
        "stagger_max": Declaration("GAVAT_STAGGER_MAX", parse_duration, "longest time between two starts"),
        "restart_first": Declaration("GAVAT_RESTART_FIRST", parse_duration, "wait before the first restart"),
        "restart_cap": Declaration("GAVAT_RESTART_CAP", parse_duration, "longest wait before a restart"),
        "wave_stops_after": Declaration("GAVAT_WAVE_STOPS_AFTER", parse_count, "refusals in a row that stop a wave"),
        "wave_pause": Declaration("GAVAT_WAVE_PAUSE", parse_duration, "how long a stopped wave waits"),
    },
)
