"""Text from outside, made safe to show."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.redact import masked_command, printable

TOKEN = "123456789:AAFxSecretOfTheBot"
PHONE = "+491701234567"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("shop_01", "shop_01"),
        ("Größe 🙂", "Größe 🙂"),
        ("two\nlines\r\tand", "two\\nlines\\r\\tand"),
        ("\x1b[31mred", "\\e[31mred"),
        ("nul\0bell\x07", "nul\\x00bell\\x07"),
        ("nbsp\xa0end", "nbsp\\xa0end"),
        ("right\u202eto left", "right\\u202eto left"),
        ("line\u2028end", "line\\u2028end"),
        ("private\U0010ffff", "private\\U0010ffff"),
        (os.fsdecode(b"caf\xe9.session"), "caf\\xe9.session"),
        ("lone \ud800 half", "lone \\ud800 half"),
    ],
)
def test_what_cannot_be_printed_is_written_as_an_escape(text: str, shown: str) -> None:
    """A file name forges no line, drives no terminal and turns no text around."""
    assert printable(text) == shown


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_becomes_one_printable_line(text: str) -> None:
    """Whatever bytes a name has; and making it safe twice changes nothing more."""
    shown = printable(text)

    assert shown.isprintable()
    assert shown.encode("utf-8").decode("utf-8") == shown
    assert printable(shown) == shown


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ([], ""),
        (["/usr/bin/python3.11", "/srv/bots/bot.py"], "python3.11 bot.py"),
        (["python", "bot.py", TOKEN, PHONE], "python bot.py …"),
        (["python3", "-u", "-Wignore", "bot.py"], "python3 bot.py"),
        (["python", "-m", "shop.bot", TOKEN], "python -m shop.bot …"),
        (["python", "-m"], "python …"),
        (["python", "-c", f"run('{TOKEN}')"], "python …"),
        (["python", "-"], "python …"),
        (["python"], "python"),
        (["/usr/bin/mybot", TOKEN], "mybot …"),
        (["mybot"], "mybot"),
        (["bash", "/srv/start.sh"], "bash start.sh"),
        (["bash", "-c", f"TOKEN={TOKEN} python bot.py"], "bash …"),
        (["PyPy3", "bot.py"], "PyPy3 bot.py"),
        (["/usr/bin/"], "/usr/bin/"),
        (["python", "two\nlines.py"], "python two\\nlines.py"),
    ],
)
def test_a_command_is_shown_by_program_and_script(arguments: list[str], shown: str) -> None:
    """Enough to know the process, nothing of what it was told."""
    assert masked_command(arguments) == shown


@pytest.mark.parametrize(
    "arguments",
    [
        ["bash", "-lc", f"BOT_TOKEN={TOKEN} exec python bot.py"],
        ["sh", "-ec", f"python bot.py {TOKEN}"],
        ["python", "-Ic", f"import bot; bot.run('{TOKEN}')"],
        ["perl", "-e", f"run('{TOKEN}')"],
        ["node", "-e", f"run('{TOKEN}')"],
        ["node", "--eval", f"run('{TOKEN}')"],
        ["ruby", "-e", f"run '{TOKEN}'"],
        [f"python bot.py --token {TOKEN}"],
        ["bot: 1 session", TOKEN],
        [f"gunicorn: worker [{PHONE}]"],
    ],
    ids=lambda arguments: " ".join(arguments).partition(TOKEN)[0].partition(PHONE)[0].strip(),
)
def test_no_token_or_phone_number_is_shown(arguments: list[str]) -> None:
    """Code given on the command line, and titles that a process gave itself, hold them too."""
    shown = masked_command(arguments)

    assert TOKEN not in shown
    assert PHONE not in shown


@given(st.lists(st.text(st.characters(exclude_categories=()), max_size=20), max_size=6))
def test_any_command_line_is_one_printable_line(arguments: list[str]) -> None:
    """Nothing is raised, and no line is forged."""
    shown = masked_command(arguments)

    assert shown.isprintable()


@given(st.lists(st.from_regex(r"[a-z0-9:=+]{9,20}", fullmatch=True), min_size=1, max_size=4))
def test_no_argument_of_a_script_is_shown(told: list[str]) -> None:
    """What follows the script or the module stays unseen."""
    for start in (["python", "bot.py"], ["python", "-m", "bot"], ["mybot"]):
        assert masked_command([*start, *told]) == " ".join([*start, "…"])
