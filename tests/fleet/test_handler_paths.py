"""From a name in the settings to a function, or to one line that says what is wrong with it."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import ConfigError
from core.fleet.handler_paths import find_handler, look_in

MODULE = """\
import functools
async def answer(event): ...
class Shop: ...
number, nothing = 7, None
def given(call):
    @functools.wraps(call)
    async def one(event): await call(event, 7)
    return one
@given
async def with_more(event, number): ...
async def yields(event): yield event
def takes_two(event, other): ...
class Counter:
    def __call__(self, event): yield event
counter = Counter()
bound = functools.partial(takes_two, 1)
"""
YIELDS = "has a `yield` in it, so that calling it runs nothing"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """First in the search; what was imported from it is forgotten afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)
    look_in([str(tmp_path)])
    yield tmp_path
    for name in set(sys.modules) - known:
        del sys.modules[name]


def refused(folder: Path, name: str) -> ConfigError:
    with pytest.raises(ConfigError) as error:
        find_handler(name, "[fleet] on_group", [str(folder), sys.prefix])  # .venv is often below one of the folders
    assert str(error.value).startswith("[fleet] on_group: ")
    return error.value


def test_a_function_is_found_where_its_name_says(folder: Path) -> None:
    """A function that a program gives is taken as it is; a partial one is one too."""
    (folder / "shop_bot").mkdir()
    (folder / "shop_bot" / "handlers.py").write_text(MODULE)

    found = find_handler("shop_bot.handlers:answer", "x", [str(folder)])

    assert (found.__name__, found.__module__) == ("answer", "shop_bot.handlers")
    assert find_handler(found, "x", []) is found
    assert isinstance(find_handler("shop_bot.handlers:bound", "x", [str(folder)]), functools.partial)
    assert find_handler("shop_bot.handlers:with_more", "x", [str(folder)]).__wrapped__
    assert find_handler(print, "x", []) is print


def test_folders_are_searched_in_their_order_and_before_all_others(folder: Path) -> None:
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "same_bot.py").write_text(f"def {name}(event): ...\n")

    look_in([str(folder / "one"), str(folder / "two"), str(folder / "one")])

    assert sys.path[:2] == [str(folder / "one"), str(folder / "two")]
    assert find_handler("same_bot:one", "x", [str(folder)]).__name__ == "one"


@pytest.mark.parametrize(
    ("name", "said", "hint"),
    [
        ("no_bot:answer", "there is no module no_bot", "looked in {folder}"),
        ("a_bot.sub:answer", "there is no module a_bot.sub", "looked in {folder}"),
        ("a_bot:anwser", "there is no anwser in a_bot", "did you mean answer?"),
        ("a_bot:Shop", "Shop in a_bot is no function, but a class", "a function that takes the event"),
        ("a_bot:number", "number in a_bot is no function, but of type int", "a function that takes the event"),
        ("a_bot:nothing", "there is no nothing in a_bot", ""),
        ("a_bot:yields", f"yields in a_bot {YIELDS}", "a handler is such as"),
        ("a_bot:takes_two", "takes_two in a_bot cannot be called with the event alone", "a handler is such as"),
        ("a_bot:counter", f"Counter in a_bot {YIELDS}", "a handler is such as"),
    ],
)
def test_what_is_not_there_or_no_function_is_said(folder: Path, name: str, said: str, hint: str) -> None:
    (folder / "a_bot.py").write_text(MODULE)

    error = refused(folder, name)

    assert str(error) == f"[fleet] on_group: {said}"
    assert (error.hint or "").startswith(hint.format(folder=folder))


@pytest.mark.parametrize(
    ("text", "said", "line"),
    [
        ("from telethon.crypto import rsa\n\nrsa.add_key(b'', old=False)\n", "ValueError: ", 3),
        ("\n\nraise ValueError('not\\ntoday')\n", "ValueError: not\\ntoday", 3),
        ("import no_such_package\n", "ModuleNotFoundError: No module named 'no_such_package'", 1),
        ("import json\n\njson.loads('{')\n", "JSONDecodeError: Expecting property name", 3),
        ("\ndef answer(:\n", "SyntaxError: ", 2),
        ("raise SystemExit\n", "SystemExit", 1),
    ],
)
def test_a_module_that_fails_is_told_with_file_and_line(folder: Path, text: str, said: str, line: int) -> None:
    """Those of the reader's own code, though it went wrong in a library; what was raised is the cause."""
    (folder / "bad_bot.py").write_text(text)

    error = refused(folder, "bad_bot:answer")

    assert str(error).startswith(f"[fleet] on_group: bad_bot cannot be imported: {said}")
    assert (error.path, error.hint) == (f"{folder}/bad_bot.py:{line}", "with -v the whole traceback is shown")
    assert error.__cause__ is not None
