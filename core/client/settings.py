"""Settings of a client."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

from core.errors import ConfigError
from core.session_files.backups.settings import BACKUP_ROOM, BackupSettings
from core.settings import Declaration, Room, fill_rooms, parse_count, parse_duration
from core.state.settings import REDIS_ROOM, ROOT, STATE_ROOM, RedisSettings, StateSettings


class ClientSettings(NamedTuple):
    """`[client]` of gavat.toml; a bot may also make one in its code."""

    api_id: int = 0
    """The application's number at my.telegram.org; 0: not set."""
    api_hash: str = ""
    """The secret that belongs to it; in no message."""
    connect_within: timedelta = timedelta(seconds=30)
    """A start that has no connection and no answer by then has failed."""
    probe_every: timedelta = timedelta(seconds=45)
    """How often the account's state is asked while it is connected."""
    probe_within: timedelta = timedelta(seconds=15)
    """An answer that takes longer means that the connection is dead."""
    flood_sleep: timedelta = timedelta(seconds=10)
    """Flood waits up to this are slept through, longer ones are raised."""
    reconnect_cap: timedelta = timedelta(minutes=1)
    """Longest wait between two tries to connect."""
    backup_every: timedelta = timedelta(days=1)
    """How old the newest backup of the session may be at a start; 0 makes none."""
    stop_within: timedelta = timedelta(seconds=1.5)
    """How long a stop waits for handlers and the network before it closes the session regardless."""

    def __repr__(self) -> str:
        """All but the secret."""
        shown = self._asdict() | {"api_hash": "set" if self.api_hash else "not set"}
        return f"ClientSettings({', '.join(f'{name}={value}' for name, value in shown.items())})"


class Surroundings(NamedTuple):
    """What a program that embeds a client is given by its environment and by `gavat.toml`."""

    client: ClientSettings
    backup: BackupSettings
    state: StateSettings
    redis: RedisSettings


def surroundings(environ: Mapping[str, str]) -> Surroundings:
    """Read them; raises ConfigError. Other rooms' settings are not looked at: the program may have its own."""
    config = os.path.join(ROOT, "gavat.toml")
    return Surroundings(
        *fill_rooms((CLIENT_ROOM, BACKUP_ROOM, STATE_ROOM, REDIS_ROOM), environ=environ, config_file=config)
    )


def refuse_without_application(client: ClientSettings) -> None:
    """Raise ConfigError where api_id or api_hash is not set: without them nobody talks to Telegram."""
    if not client.api_id or not client.api_hash:
        missing = "GAVAT_API_ID" if not client.api_id else "GAVAT_API_HASH"
        hint = "set it, or [client] in gavat.toml: my.telegram.org, API development tools, shows both"
        raise ConfigError(f"{missing} is not set", hint=hint)


def parse_api_id(text: str) -> int:
    """The number of an application. Raises ValueError that repeats nothing: what stands there may be its api_hash."""
    try:
        return parse_count(text)
    except ValueError:
        raise ValueError("that is no whole number; it is not repeated here, as it may be the api_hash") from None


CLIENT_ROOM = Room(
    "client",
    ClientSettings,
    {
        "api_id": Declaration("GAVAT_API_ID", parse_api_id, "the number of your application at my.telegram.org"),
        "api_hash": Declaration("GAVAT_API_HASH", str, "the hash that belongs to it"),
        "connect_within": Declaration("GAVAT_CONNECT_WITHIN", parse_duration, "deadline of a start's connection"),
        "probe_every": Declaration("GAVAT_PROBE_EVERY", parse_duration, "how often the account's state is asked"),
        "probe_within": Declaration("GAVAT_PROBE_WITHIN", parse_duration, "how long its answer may take"),
        "flood_sleep": Declaration("GAVAT_FLOOD_SLEEP", parse_duration, "longest flood wait that is slept through"),
        "reconnect_cap": Declaration("GAVAT_RECONNECT_CAP", parse_duration, "longest wait between two connects"),
        "backup_every": Declaration("GAVAT_BACKUP_EVERY", parse_duration, "age of a backup that wants a new one"),
        "stop_within": Declaration("GAVAT_STOP_WITHIN", parse_duration, "how long a stop waits for handlers"),
    },
)
