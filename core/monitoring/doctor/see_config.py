"""Whether gavat.toml holds a secret, and who may read it."""

from __future__ import annotations

import os
import re

from core.monitoring.doctor.judge_fleet import ConfigMode
from core.monitoring.doctor.model import Scene
from core.monitoring.doctor.see_fleet import lets_everyone_pass

_SECRET_KEYS = ("api_hash", "key")
"""Of `[client]` and `[bots.NAME]`, and of `[backup]`."""
_PASSWORD = re.compile(r"://[^/]*:[^/]*@")
"""In the address of a proxy, of Redis or of an API."""


def see_config_mode(scene: Scene) -> ConfigMode | None:
    """Mode of the file; None where there is none, or one that this user cannot read."""
    import tomllib

    try:
        with open(scene.config, "rb") as opened:
            document = tomllib.load(opened)
            mode = os.fstat(opened.fileno()).st_mode & 0o7777
    except (OSError, ValueError):  # what is no TOML ends a command before it gets here
        return None
    reachable = lets_everyone_pass(os.path.dirname(os.path.abspath(scene.config)))
    return ConfigMode(scene.config, mode, reachable, _secrets_in(document))


def _secrets_in(table: dict[str, object]) -> tuple[str, ...]:
    """Names of the settings that hold one, never their values."""
    found: list[str] = []
    for key, value in table.items():
        if isinstance(value, dict):
            found += _secrets_in(value)
        elif value and (key in _SECRET_KEYS or (isinstance(value, str) and _PASSWORD.search(value))):
            found.append(key)
    return tuple(dict.fromkeys(found))
