"""A Telegram of one's own: an MTProto server on loopback that real Telethon clients talk to over TCP.

    async with Telegram() as telegram:                       # in the test's own loop
        alice, bob = telegram.add_user("alice"), telegram.add_user("bob")
        ops = telegram.add_supergroup("Ops", members=[alice, bob])
        async with connected(alice.session_file(folder / "alice")) as client:
            inbox = Inbox(client)
            await client.send_message(ops.marked_id, "hello")
            ops.receives("hi", sender=bob)
            await inbox.holds("hi")
        assert [message.text for message in telegram.messages(ops)] == ["hello", "hi"]

`tests.telegram.fixtures` has `telegram`, `sessions` (a folder on tmpfs) and `no_leftovers`, to import in a conftest.

Who: `add_user`, `add_bot`, `add_basic_group`, `add_supergroup`, `add_channel`. An account writes its own session
files and strings; `new_key_session` has a key that nobody is logged in with, `blank_session` has none, so that the
client exchanges keys (`rsa.add_key(telegram.public_key, old=False)` first). `login_code`, `expire_codes`,
`account.password` and `bot.bot_token` are for logging in.

What happened: `requests(method, account=, peer=)` is the log of every request, with loop time, and
`await seen(…, count=)` waits for it; `messages(peer)` is what was delivered; `live(account)` and `accepted` count
connections; `await until(condition)` waits for anything else. `within=` is loop time. Nothing ever has to sleep.

What goes wrong: `faults.add(Fault.error("FLOOD_WAIT_7", method="messages.sendMessage", account=, peer=, times=1))`,
and `error_after`, `hang`, `delay`, `drop_before`, `drop_after`, `transport`. `silent`, `accept_and_close`, `go_down`
and `come_back`, `drop_connections`, `silence`, `deafen`. `account.revoke`, `.ban`, `.freeze`, `.pardon`,
`.forget_keys`, `.deaf`, `.log_in_elsewhere`. `duplicates` burns keys that are used twice; `repeats` says what a used
random_id is answered with.

Where: `TelegramThread` runs the server in a thread, for clients in other processes; `virtual_time.run_virtually`
lives hours in moments, server and clients in one loop (never with `TelegramThread`, whose clock is the real one).

True to Telegram: access hashes differ per account; message ids and pts are per account for private chats and basic
groups, and per channel for supergroups and channels; a difference gives what was missed; a random_id is kept per
account and peer and never expires; bots may not call what bots may not call; a wrong salt is corrected, answers over
1 KiB are compressed. Left out: media, editing, forum topics, secret chats, read marks, reactions, differences that are
too long, a check of the client's clock, other data centres (all five are this server), and answers that were sent and
not acknowledged are not sent again. A method that is not there is refused and noted in `unknown_methods`.
Which pattern of use makes Telegram burn a key is not known to us, hence the switch.

From the wire up: transport, encryption, message_ids, connections, dispatch (faults, requests, refusals), methods, and
below them the world: accounts, chats, boxes, keys, peers, views. One more thing fails loudly: an exception of the
server itself is raised when the test leaves it.
"""

from tests.telegram.accounts import Account
from tests.telegram.boxes import Message
from tests.telegram.chats import Chat
from tests.telegram.connections import Connection
from tests.telegram.faults import Duplicates, Fault, Repeats
from tests.telegram.peer import Peer
from tests.telegram.requests import Request
from tests.telegram.server import Telegram
from tests.telegram.thread import TelegramThread

__all__ = [
    "Account",
    "Chat",
    "Connection",
    "Duplicates",
    "Fault",
    "Message",
    "Peer",
    "Repeats",
    "Request",
    "Telegram",
    "TelegramThread",
]
