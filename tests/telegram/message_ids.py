"""Server message ids: Unix time in the upper half, odd, strictly growing; 1 for answers, 3 for everything else."""

from collections.abc import Callable
from datetime import datetime

STEP = 4


class MessageIds:
    """The ids of one connection's outgoing messages, and their sequence numbers."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._last = 0
        self._content_related = 0

    def next_id(self, *, answer: bool) -> int:
        """A fresh id; `answer` when it goes out as the result of a request."""
        due = int(self._now().timestamp() * 2**32) // STEP * STEP
        self._last = max(due, self._last + STEP)
        return self._last + (1 if answer else 3)

    def next_seq_no(self, *, content_related: bool) -> int:
        """Twice the count of content-related messages before; odd for one that is content-related itself."""
        number = 2 * self._content_related + content_related
        self._content_related += content_related
        return number
