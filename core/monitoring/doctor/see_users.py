"""Who runs this, and to whom files and processes belong."""

from __future__ import annotations

import os
import pwd
from collections import Counter

from core.monitoring.doctor.judge_machine import Owners, User
from core.monitoring.doctor.model import Scene


def see_owners(scene: Scene) -> Owners:
    """The owners of sessions and state folder."""
    owners = Counter(one.family.main.uid for one in scene.sessions() if one.family.main is not None)
    try:
        state = user(os.stat(scene.state.path).st_uid)
    except OSError:
        state = None
    return Owners(user(os.geteuid()), tuple((user(uid), number) for uid, number in sorted(owners.items())), state)


def user(uid: int) -> User:
    """The user of that number; one without a name is written as `sudo -u` takes it."""
    try:
        return User(uid, pwd.getpwuid(uid).pw_name)
    except KeyError:
        return User(uid, f"#{uid}")


def user_of_file(path: str) -> str | None:
    """The owner of a path, or of the nearest folder above it that can be seen; None where that is the running user."""
    path = os.path.abspath(path)
    while True:
        try:
            owner = os.stat(path).st_uid
        except OSError:
            path = os.path.dirname(path)
            continue
        return None if owner == os.geteuid() else user(owner).name
