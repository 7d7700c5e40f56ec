"""The table: names that speak of one chat, topic or peer. The session is healthy in all of them."""

from __future__ import annotations

from utils.telegram_errors.model import ErrorKind, ErrorScope, Group

GROUPS: tuple[Group, ...] = (
    # Out of reach: not ours, not there, or we were shown out. CHANNEL_PRIVATE comes as 400 and as 406, and its class
    # always says 400.
    Group(
        kind=ErrorKind.PER_CHAT,
        scope=ErrorScope.CHAT,
        hint="leave this chat out: it is gone, private, or the account is not in it; never join again by itself",
        names="""
            CHANNEL_PRIVATE CHANNEL_INVALID CHANNEL_ID_INVALID CHANNEL_BANNED CHANNEL_PUBLIC_GROUP_NA
            CHANNEL_PARICIPANT_MISSING CHAT_FORBIDDEN CHAT_INVALID CHAT_ID_INVALID CHAT_ID_EMPTY CHAT_RESTRICTED
            MEGAGROUP_ID_INVALID BROADCAST_ID_INVALID PEER_ID_INVALID PEER_ID_NOT_SUPPORTED PEER_HISTORY_EMPTY
            USER_KICKED USER_NOT_PARTICIPANT PUBLIC_CHANNEL_MISSING
            INVITE_HASH_EXPIRED INVITE_HASH_INVALID INVITE_HASH_EMPTY INVITE_REVOKED_MISSING HIDE_REQUESTER_MISSING
        """,
    ),
    # May not write, or not this, or only as a member or an admin.
    Group(
        kind=ErrorKind.PER_CHAT,
        scope=ErrorScope.CHAT,
        hint="leave this chat out until its admins allow it; do not join or ask by itself",
        names="""
            CHAT_WRITE_FORBIDDEN CHAT_GUEST_SEND_FORBIDDEN CHAT_ADMIN_REQUIRED CHAT_ADMIN_INVITE_REQUIRED
            CHAT_SEND_PLAIN_FORBIDDEN CHAT_SEND_MEDIA_FORBIDDEN CHAT_SEND_GAME_FORBIDDEN CHAT_SEND_GIFS_FORBIDDEN
            CHAT_SEND_INLINE_FORBIDDEN CHAT_SEND_PHOTOS_FORBIDDEN CHAT_SEND_POLL_FORBIDDEN CHAT_SEND_STICKERS_FORBIDDEN
            CHAT_SEND_VIDEOS_FORBIDDEN CHAT_SEND_VOICES_FORBIDDEN CHAT_SEND_DOCS_FORBIDDEN CHAT_SEND_AUDIOS_FORBIDDEN
            CHAT_SEND_ROUNDVIDEOS_FORBIDDEN CHAT_FORWARDS_RESTRICTED CHAT_DISCUSSION_UNALLOWED BROADCAST_FORBIDDEN
            BROADCAST_PUBLIC_VOTERS_FORBIDDEN BROADCAST_CALLS_DISABLED BOT_GAMES_DISABLED BOT_GROUPS_BLOCKED
            BOT_INLINE_DISABLED EDIT_BOT_INVITE_FORBIDDEN MESSAGE_AUTHOR_REQUIRED MESSAGE_DELETE_FORBIDDEN
            RIGHT_FORBIDDEN PIN_RESTRICTED SLOWMODE_MULTI_MSGS_DISABLED MEGAGROUP_PREHISTORY_HIDDEN
            GROUPCALL_FORBIDDEN INVITE_FORBIDDEN_WITH_JOINAS
        """,
    ),
    # Telegram speaks of "supergroups/channels", in the plural: one may have banned us, or the account is limited in
    # all. The chat is left out at once; that a second one says so is for the caller to count.
    Group(
        kind=ErrorKind.PER_CHAT,
        scope=ErrorScope.CHAT,
        hint="leave this chat out; if a second chat says so too, stop the account and ask its owner",
        names="USER_BANNED_IN_CHANNEL",
    ),
    # TOPIC_CLOSED has no class: at 406 it comes as AuthKeyError, like a dead login.
    Group(
        kind=ErrorKind.PER_CHAT,
        scope=ErrorScope.CHAT,
        hint="leave this topic out; do not post to General in its place",
        names="TOPIC_CLOSED TOPIC_DELETED CHANNEL_FORUM_MISSING",
    ),
    # The chat or peer wants money or premium. No classes either, and 406 here too.
    Group(
        kind=ErrorKind.PER_CHAT,
        scope=ErrorScope.CHAT,
        hint="leave this chat out: it takes paid or premium messages only; nothing is paid without the operator",
        names="""
            ALLOW_PAYMENT_REQUIRED PAYMENT_REQUIRED PAYMENT_UNSUPPORTED BALANCE_TOO_LOW PRIVACY_PREMIUM_REQUIRED
        """,
    ),
    # The *other* user is deleted, blocks us, is blocked by us, or takes no messages. INPUT_USER_DEACTIVATED and
    # USER_DELETED do not speak of our account. A block is a refusal for good.
    Group(
        kind=ErrorKind.PER_CHAT,
        scope=ErrorScope.CHAT,
        hint="leave this person out for good: deleted, or does not want it",
        names="""
            INPUT_USER_DEACTIVATED USER_DELETED USER_IS_BLOCKED USER_BLOCKED YOU_BLOCKED_USER USER_PRIVACY_RESTRICTED
            USER_NOT_MUTUAL_CONTACT VOICE_MESSAGES_FORBIDDEN BUTTON_USER_PRIVACY_RESTRICTED SCHEDULE_STATUS_PRIVATE
        """,
    ),
    # The peer does not exist under this name or number, or is not of the sort that is needed.
    Group(
        kind=ErrorKind.PER_CHAT,
        scope=ErrorScope.CHAT,
        hint="leave this peer out: nobody has this name or number, or it is of another sort",
        names="""
            USERNAME_NOT_OCCUPIED USERNAME_INVALID USER_ID_INVALID USER_INVALID PHONE_NOT_OCCUPIED BOT_INVALID
            USER_BOT USER_IS_BOT USER_CREATOR USER_ADMIN_INVALID USER_CHANNELS_TOO_MUCH CONTACT_ID_INVALID
            PARTICIPANT_ID_INVALID PARTICIPANT_VERSION_OUTDATED NEED_CHAT_INVALID NEED_MEMBER_INVALID
            BROADCAST_REQUIRED MEGAGROUP_REQUIRED
        """,
    ),
    # The chat is full, too big for this, or already as it should be.
    Group(
        kind=ErrorKind.PER_CHAT,
        scope=ErrorScope.CHAT,
        hint="nothing to repeat: the chat is full, too big, or already as asked",
        names="""
            ADMINS_TOO_MUCH BOTS_TOO_MUCH USERS_TOO_MUCH USERS_TOO_FEW PARTICIPANTS_TOO_FEW CHANNEL_TOO_BIG
            CHANNEL_TOO_LARGE CHAT_TOO_BIG CHAT_LINK_EXISTS CHAT_INVITE_PERMANENT CHAT_REVOKE_DATE_UNSUPPORTED
            SCHEDULE_TOO_MUCH USER_ALREADY_INVITED USER_ALREADY_PARTICIPANT INVITE_REQUEST_SENT
        """,
    ),
)
