"""The Redis that the hosts of a fleet share: how to reach it, and telling that it is silent, once for all its bots."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import ConfigError
from core.state.settings import REDIS_ROOM, RedisSettings
from utils.leases import LeaseError
from utils.redis_link import RedisLink, RedisUnavailable

logger = logging.getLogger("gavatcore.leases")
_silent: dict[str, object] = {}
"""Addresses of those that did not answer when they were last asked."""


def open_link(redis: RedisSettings) -> RedisLink:
    """The way to it, not yet gone; raises ConfigError for an address that cannot be."""
    try:
        return RedisLink(redis.url)
    except ValueError as error:  # its words may hold the password
        hint = (
            "such as redis://:PASSWORD@HOST:6379/0, with what is special in the password as %40;"
            " ?socket_timeout= is above 0 and at most 10"
        )
        raise ConfigError("the address of Redis cannot be read", hint=hint) from error


@contextmanager
def asking(redis: RedisSettings) -> Iterator[None]:
    """Around a question to it: warns when it falls silent, and tells when it answers again; what is raised goes on."""
    try:
        yield
    except RedisUnavailable as unavailable:
        this = object()
        if _silent.setdefault(redis.url, this) is this:  # one step: many threads ask at a time
            logger.warning("%s", _meanwhile(unavailable))
        raise
    except LeaseError:  # an answer too
        _tell_answer(redis)
        raise
    _tell_answer(redis)


def _tell_answer(redis: RedisSettings) -> None:
    if _silent.pop(redis.url, None) is not None:
        logger.info("Redis answers again: bots start")


def set_by(redis: RedisSettings) -> str:
    """The name of the setting that its address comes from."""
    variable = REDIS_ROOM.declarations["url"].variable
    return variable if os.environ.get(variable) == redis.url else "[redis] url"


def leases_told(redis: RedisSettings) -> list[str]:
    """Who else is kept off the fleet's logins, a line each, and whether Redis can be asked (it is).

    Raises ConfigError.
    """
    if not redis.url:
        return ["this host alone"]
    link = open_link(redis)
    told = [f"shared by Redis at {link.place}, lost: {redis.lease_loss.value}"]
    try:
        link.run("return 1")
    except RedisUnavailable as unavailable:
        told.append(_meanwhile(unavailable))
    finally:
        link.close()
    return told


def _meanwhile(unavailable: RedisUnavailable) -> str:
    return f"{unavailable}; no bot starts meanwhile"
