"""What accounts and chats have in common."""

from abc import ABC, abstractmethod

from telethon.tl import types


class Peer(ABC):
    """Somebody or something that messages go to."""

    id: int
    username: str | None

    @property
    @abstractmethod
    def marked_id(self) -> int:
        """The id as Telethon's `chat_id` shows it, and as its methods take it."""

    @property
    @abstractmethod
    def tl_peer(self) -> "types.TypePeer":
        """The TL peer."""
