"""RPC errors as the server gives them: a name, and the code that goes with it."""

from telethon.errors import rpc_message_to_error
from telethon.tl import types

# Names that Telethon 1.45 does not know, with the codes that Telegram's pages and reports give them.
CODES_TELETHON_LACKS = {
    "TOPIC_CLOSED": 406,
    "PAYMENT_UNSUPPORTED": 406,
    "ALLOW_PAYMENT_REQUIRED": 406,
    "PRIVACY_PREMIUM_REQUIRED": 406,
    "BALANCE_TOO_LOW": 400,
}


class Refusal(Exception):
    """A method's answer is this RPC error."""

    def __init__(self, name: str, code: int | None = None) -> None:
        super().__init__(name)
        self.name = name
        self.code = code_of(name) if code is None else code

    def __bytes__(self) -> bytes:
        return bytes(types.RpcError(self.code, self.name))


def code_of(name: str) -> int:
    """The code of an error by its name; raises ValueError for one that neither Telethon nor this module knows."""
    code: int = rpc_message_to_error(types.RpcError(0, name), None).code or CODES_TELETHON_LACKS.get(name, 0)
    if not code:
        raise ValueError(f"{name}: which code has it? Give code=…")
    return code
