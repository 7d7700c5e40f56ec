"""Users, one's own and others."""

import contextlib
from typing import Any

from telethon.tl import types

from tests.telegram.methods.registry import Call, method
from tests.telegram.refusals import Refusal
from tests.telegram.views import Cast, user_of


@method("users.getUsers")
def get_users(call: Call) -> Any:
    """The users asked for; `InputUserSelf` is what `get_me` asks."""
    found = []
    for user in call.query.id:
        with contextlib.suppress(Refusal):  # as with Telegram, unknown ones are left out of the answer
            found.append(user_of(call.viewer, call.peers.user(user)))
    return found


@method("users.getFullUser")
def get_full_user(call: Call) -> Any:
    """A user with the little that is known besides."""
    account = call.peers.user(call.query.id)
    full = types.UserFull(
        account.id,
        types.PeerSettings(),
        types.PeerNotifySettings(),
        len([chat for chat in call.world.chats_of(account) if call.viewer in chat.members]),
        blocked=account in call.viewer.blocked,
    )
    return types.users.UserFull(full, [], Cast(call.viewer).add(account).users)


@method("account.updateStatus")
def update_status(_: Call) -> Any:
    """Being online or not is taken note of by nobody."""
    return True
