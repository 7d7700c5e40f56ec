"""What a lease is and how taking one can fail."""

from __future__ import annotations

from enum import Enum
from typing import ClassVar, NamedTuple


class LeaseState(Enum):
    """Whether anybody holds a lease; unknown is an answer of its own and means hands off."""

    FREE = "free"
    HELD = "held"
    UNKNOWN = "unknown"


class LeaseOwner(NamedTuple):
    """What the holder wrote into its lock file for people; a hint, never proof."""

    pid: int
    command: str
    host: str
    acquired_at: str
    """RFC 3339, UTC."""

    def to_text(self) -> str:
        """One line of JSON."""
        import json

        return json.dumps(self._asdict(), ensure_ascii=True)

    @classmethod
    def from_text(cls, text: str) -> LeaseOwner | None:
        """The owner written in a lock file, None when the text is not one (anybody can write there)."""
        import json

        try:
            fields = json.loads(text.strip("\0 \n"))
            return cls(
                int(fields["pid"]), str(fields["command"])[:200], str(fields["host"])[:200], str(fields["acquired_at"])
            )
        except (ValueError, KeyError, TypeError):
            return None


class LeaseProbe(NamedTuple):
    """The answer to "does anybody hold it?" with what is known of the holder."""

    state: LeaseState
    owner: LeaseOwner | None = None
    reason: str = ""


class LeaseError(Exception):
    """A lease could not be had or kept; `hint` says what to do next."""

    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class LeaseHeld(LeaseError):
    """Another process holds the lease."""

    retryable = True

    def __init__(self, message: str, *, owner: LeaseOwner | None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.owner = owner


class LeaseLost(LeaseError):
    """The lease was ours and no longer is: stop using what it guards."""
