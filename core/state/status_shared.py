"""Status documents in Redis, where all hosts of a fleet see them: one key each, and a sorted set of who wrote when.

When is the server's clock, so the clocks of the hosts need not agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from core.errors import ConfigError
from core.state.status_files import LARGEST, Stored

if TYPE_CHECKING:
    from utils.redis_link import RedisLink

_KEY = "gavat:status:"
_ALL = "gavat:statuses"
_KEPT_MS = 86_400_000
_MOST = 2_000
"""Processes that are read, the newest first."""
_FAR_MS = 1e12
"""A score may be infinite, a duration may not."""
_NOW = "local t = redis.call('TIME'); local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"
_WRITE = (
    _NOW
    + """
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('ZADD', KEYS[2], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return now
"""
)
_REMOVE = "redis.call('ZREM', KEYS[2], ARGV[1]); return redis.call('DEL', KEYS[1])"
_READ = (
    _NOW
    + """
local found, room = {}, 3 * ARGV[2]
local function add(member, wrong, text)
    local age = now - tonumber(redis.call('ZSCORE', KEYS[1], member))
    found[#found + 1] = {wrong == 'its name is none of ours' and '?' or member, tostring(age), wrong, text}
end
for _, member in ipairs(redis.call('ZREVRANGE', KEYS[1], 0, ARGV[1] - 1)) do
    local key = ARGV[3] .. member
    local size = redis.call('TYPE', key).ok == 'string' and redis.call('STRLEN', key) or 0
    if #member > 300 or not string.find(member, '^[%w._-]+$') then
        add(member, 'its name is none of ours', '')
    elseif size > tonumber(ARGV[2]) then
        add(member, 'it is larger than ' .. math.floor(ARGV[2] / 1048576) .. ' MiB', '')
    elseif size > room then
        add(member, 'there is too much to read all', '')
    elseif size > 0 then
        local text = redis.call('GET', key)
        room = room - size
        if string.find(text, '[\\128-\\255]') then add(member, 'it is no ASCII', '') else add(member, '', text) end
    end
end
return found
"""
)
# A name or document that is not plain ASCII would spoil the whole answer on its way into texts: the script says only
# what is wrong with it. One whose document is gone is left out. An answer holds 48 MiB at most.


def open_shared(url: str) -> SharedStatuses:
    """The documents at that address; nothing is asked yet. Raises ConfigError where that cannot be.

    The address is not repeated: it may hold a password, and what is wrong with it may be just that.
    """
    from utils.redis_link import RedisLink

    try:
        return SharedStatuses(RedisLink(url))
    except ImportError:
        raise ConfigError("the package redis is not installed here", hint="make run builds an environment") from None
    except ValueError:
        hint = (
            "GAVAT_REDIS_URL is like redis://HOST:6379/0; special characters of a password are written as %XX;"
            " ?socket_timeout= is above 0 and at most 10"
        )
        raise ConfigError("the address of Redis cannot be read", hint=hint) from None


class SharedStored(NamedTuple):
    """One document as it was found."""

    stored: Stored
    age: timedelta
    """Since it was written, by the clock of Redis."""


class SharedStatuses:
    """The documents of all hosts; every call may raise RedisUnavailable."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    @property
    def place(self) -> str:
        """Where the documents are, for people."""
        return f"Redis at {self._link.place}"

    def write(self, process: str, text: str) -> None:
        """Replace the process's document, and forget those that nobody has written for a day."""
        self._link.run(_WRITE, keys=[_KEY + process, _ALL], args=[process, text, _KEPT_MS])

    def remove(self, process: str) -> None:
        """Take the process's document away; harmless when there is none. The last call."""
        try:
            self._link.run(_REMOVE, keys=[_KEY + process, _ALL], args=[process])
        finally:
            self.close()

    def close(self) -> None:
        """End the connections."""
        self._link.close()

    def read(self) -> Iterator[SharedStored]:
        """Every document, the newest first."""
        for process, age, wrong, text in self._link.run(_READ, keys=[_ALL], args=[_MOST, LARGEST, _KEY]):
            stored = Stored(process, f"{_KEY}{process} in {self.place}", None if wrong else text, wrong)
            yield SharedStored(stored, timedelta(milliseconds=max(-_FAR_MS, min(_FAR_MS, float(age)))))
