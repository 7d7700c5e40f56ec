"""The table holds every name that Telethon knows, each once, and reads as a table."""

import re
from collections import Counter

import pytest
from telethon import errors
from telethon.errors import common, rpcbaseerrors, rpcerrorlist

from utils.telegram_errors import ErrorKind, ErrorScope, classify, classify_name, error_name, local
from utils.telegram_errors.local import BY_CLASS
from utils.telegram_errors.lookup import FAMILIES, GROUPS, PLACES, place
from utils.telegram_errors.model import Meaning
from utils.telegram_errors.names import split_name

NAMES = [name for group in GROUPS for name in group.names.split()]
LISTED = {
    **rpcerrorlist.rpc_errors_dict,
    **{pattern.replace(r"(\d+)", "7"): cls for pattern, cls in rpcerrorlist.rpc_errors_re},
}
THE_DEAD = {
    *("AUTH_KEY_UNREGISTERED", "AUTH_KEY_INVALID", "AUTH_KEY_PERM_EMPTY", "SESSION_REVOKED", "SESSION_EXPIRED"),
    *("USER_DEACTIVATED", "USER_DEACTIVATED_BAN", "PHONE_NUMBER_BANNED"),
    *("ACCESS_TOKEN_EXPIRED", "ACCESS_TOKEN_INVALID"),
}


def _classes_of(module: object) -> list[type[Exception]]:
    return [cls for cls in vars(module).values() if isinstance(cls, type) and issubclass(cls, Exception)]


def _hints() -> set[str]:
    rows = [*GROUPS, *BY_CLASS.values(), *vars(local).values(), *(meaning for _, meaning in FAMILIES)]
    return {row.hint for row in rows if isinstance(row, Meaning)}


def test_every_name_that_telethon_lists_is_placed() -> None:
    """A newer Telethon that lists a new name fails here until somebody says what it means."""
    assert len(LISTED) > 500
    assert [text for text in LISTED if place(split_name(text)[0]) is None] == []


def test_every_class_of_telethon_gives_back_the_name_it_was_made_for() -> None:
    """The class alone says the name; its `message` is its base class's."""
    made = {text: cls(request=None, **({"capture": 7} if "7" in text else {})) for text, cls in LISTED.items()}

    assert {text: error_name(error) for text, error in made.items()} == {text: split_name(text)[0] for text in LISTED}
    assert [text for text, error in made.items() if classify(error) != classify_name(text)] == []


def test_no_class_of_telethon_is_forgotten() -> None:
    """Those without a name in its tables: the bases, by the message they bring, and the errors of its own."""
    placed = set(LISTED.values()) | {rpcbaseerrors.RPCError, errors.MultiError}
    placed |= {base for base in rpcbaseerrors.base_errors.values() if place(split_name(base.message)[0])}
    placed |= {cls for cls in _classes_of(common) if f"{cls.__module__}.{cls.__name__}" in BY_CLASS}

    assert [cls.__name__ for cls in _classes_of(errors) if cls not in placed] == []


def test_only_ten_names_call_a_login_dead() -> None:
    """Each is known to say so; no other name, and no family, ever does."""
    assert {name for name, meaning in PLACES.items() if meaning.kind is ErrorKind.PERMANENT} == THE_DEAD
    assert {text for text in LISTED if classify_name(text).kind is ErrorKind.PERMANENT} == THE_DEAD
    assert ErrorKind.PERMANENT not in {meaning.kind for _, meaning in FAMILIES}


def test_each_name_stands_in_one_group_and_is_spelt_as_a_name() -> None:
    """What stands twice has two meanings; what the splitter would change is never found."""
    assert [name for name, times in Counter(NAMES).items() if times > 1] == []
    assert [name for name in NAMES if split_name(name) != (name, None)] == []


@pytest.mark.parametrize("hint", sorted(_hints()))
def test_a_hint_is_one_line_that_touches_no_file(hint: str) -> None:
    """It says what to do next, and never to delete or move a session."""
    assert 10 < len(hint) <= 120
    assert hint.isprintable()
    assert not re.search(r"\b(delete|remove|unlink|rename|move|rm)\b", hint)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("CHAT_SEND_HOLOGRAMS_FORBIDDEN", ErrorKind.PER_CHAT),
        ("STORY_WAIT_30", ErrorKind.TIMED),
        ("STORY_WAIT", ErrorKind.COOL_DOWN),
        ("STORY_FLOOD", ErrorKind.COOL_DOWN),
        ("STORY_ID_INVALID", ErrorKind.REQUEST),
        ("STORY_CAPTION_TOO_LONG", ErrorKind.REQUEST),
        ("STORY_GONE", ErrorKind.UNRECOGNISED),
    ],
)
def test_a_name_that_nobody_knows_yet_is_placed_by_its_family(text: str, kind: ErrorKind) -> None:
    assert classify_name(text).kind is kind


@pytest.mark.parametrize(
    "text",
    [
        *(
            "AUTH_KEY_TORN_INVALID",
            "SESSION_SEAL_EMPTY",
            "USER_STATE_INVALID",
            "ACCOUNT_ID_INVALID",
            "ACCESS_KEY_EMPTY",
        ),
        *("PHONE_LINE_INVALID", "PASSWORD_TOO_SHORT", "SRP_A_INVALID", "CODE_TOO_LONG", "EMAIL_TOO_LONG"),
        *("API_KEY_INVALID", "CONNECTION_PROXY_INVALID", "FROZEN_REASON_EMPTY"),
    ],
)
def test_no_family_takes_a_name_that_may_speak_of_a_login(text: str) -> None:
    """An unknown name about keys or accounts is shown to the operator, not filed as a wrong argument."""
    assert (classify_name(text).kind, classify_name(text).scope) == (ErrorKind.UNRECOGNISED, ErrorScope.UNKNOWN)


@pytest.mark.parametrize(
    "text", ["MT_SEND_QUEUE_TOO_LONG", "PTS_CHANGE_EMPTY", "WORKER_BUSY_TOO_LONG_RETRY", "STORE_INVALID_SCALAR_TYPE"]
)
def test_servers_trouble_is_not_read_as_a_wrong_argument(text: str) -> None:
    """They are 500s whose endings look like an argument's."""
    assert classify_name(text).kind is ErrorKind.UNKNOWN_OUTCOME
