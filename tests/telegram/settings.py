"""What a test may turn on the server, as a whole and at any time."""

from dataclasses import dataclass

from tests.telegram.faults import Duplicates, Repeats


@dataclass(kw_only=True, eq=False)
class Settings:
    """The switches, which `Telegram` inherits."""

    duplicates: Duplicates = Duplicates.TWO_ADDRESSES
    repeats: Repeats = Repeats.FIRST_MESSAGE
    accept_and_close: bool = False
    silent: bool = False
    login_code: str = "12345"
