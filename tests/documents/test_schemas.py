"""The schemas say what the code says: the same documents, the same words."""

from __future__ import annotations

import re
from enum import Enum
from typing import Any

import pytest

from core import errors as core_errors
from core.client.mending import STARTED
from core.client.model import HealthState
from core.commands.programs import CLEANUP, CORE
from core.commands.run_shown import LEFT_OUT, WOULD_START
from core.fleet.model import BotState
from core.monitoring.doctor import Level
from core.session_files.model import (
    ContentsKind,
    Evidence,
    JournalHeat,
    JournalMode,
    RepairAction,
    SidecarKind,
    Usage,
)
from core.session_files.verdicts import WORST_FIRST
from core.state import ChangeStatus
from core.state.runs import DAILY_BACKUP
from core.state.status_reading import Condition, Source
from tests.documents.schemas import PREFIX, SCHEMAS, check, errors, objects
from tests.house.repository import ROOT, source_modules

NAMED = re.compile(r'"name": "(gavat\.[a-z_]+)", "version": (\d+)')
EVERY = pytest.mark.parametrize("name", SCHEMAS)
ERROR_KINDS = [
    name for name, one in vars(core_errors).items() if isinstance(one, type) and issubclass(one, core_errors.GavatError)
]
WORDS: dict[str, list[str]] = {
    "state": list(WORST_FIRST),
    "error_kind": ERROR_KINDS,
    "bot_state": [*(one.value for one in BotState), WOULD_START, LEFT_OUT],
    **{
        name: [one.value for one in words]
        for name, words in {
            "usage": Usage,
            "evidence": Evidence,
            "action": RepairAction,
            "journal_mode": JournalMode,
            "sidecar_kind": SidecarKind,
            "journal_heat": JournalHeat,
            "contents": ContentsKind,
            "change_status": ChangeStatus,
            "level": Level,
            "condition": Condition,
            "source": Source,
            "health": HealthState,
        }.items()
        if issubclass(words, Enum)
    },
}


def documents_in_the_code() -> dict[str, int]:
    """Name and version of every document that a command writes."""
    commands = [name for name in source_modules() if name.startswith("core/commands/")]
    found = [pair for name in commands for pair in NAMED.findall((ROOT / name).read_text(encoding="utf-8"))]
    return {name: int(version) for name, version in found}


def test_every_document_has_a_schema_and_every_schema_a_document() -> None:
    """A schema without a document is stale, a document without one is a promise to nobody."""
    assert documents_in_the_code().keys() == SCHEMAS.keys()


@EVERY
def test_a_schema_names_its_document(name: str) -> None:
    """Name and version are constants in it, and its own identifier bears both."""
    about = SCHEMAS[name]["properties"]["schema"]["properties"]
    version = documents_in_the_code()[name]

    assert (about["name"], about["version"]) == ({"const": name}, {"const": version})
    assert SCHEMAS[name]["$id"] == f"urn:gavatcore:schema:{name.removeprefix(PREFIX)}:{version}"


@EVERY
def test_a_schema_is_one_itself(name: str) -> None:
    """Draft 2020-12, titled and described."""
    check(SCHEMAS[name])

    assert SCHEMAS[name]["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMAS[name]["title"]
    assert SCHEMAS[name]["description"]


@EVERY
def test_every_field_of_today_is_required(name: str) -> None:
    """Whoever reads a document may rely on all that is described; more may come, and nothing may go."""
    for one in objects(SCHEMAS[name]):
        assert one["required"] == list(one["properties"])
        assert "additionalProperties" not in one


@EVERY
def test_parts_that_share_a_name_are_the_same(name: str) -> None:
    """Each schema stands alone, so what several documents hold is written in each: word for word."""
    parts: dict[str, Any] = SCHEMAS[name].get("$defs", {})

    for other in SCHEMAS.values():
        for shared in parts.keys() & other.get("$defs", {}).keys():
            assert parts[shared] == other["$defs"][shared]


@EVERY
def test_every_part_is_used(name: str) -> None:
    """No definition is left over."""
    used = set(re.findall(r"'#/\$defs/(\w+)'", str(SCHEMAS[name])))

    assert used == SCHEMAS[name].get("$defs", {}).keys()


@pytest.mark.parametrize("part", WORDS)
def test_the_words_of_a_schema_are_those_of_the_code(part: str) -> None:
    """No word is missing and none is left over."""
    lists = [schema["$defs"][part]["enum"] for schema in SCHEMAS.values() if part in schema.get("$defs", {})]

    assert lists
    assert all(sorted(words) == sorted(WORDS[part]) for words in lists)


def test_states_are_listed_worst_first() -> None:
    """In the order of a report."""
    assert SCHEMAS["gavat.files"]["$defs"]["state"]["enum"] == list(WORST_FIRST)


def test_runs_are_of_commands_that_change_something() -> None:
    """`run.command` names commands of cleanup_sessions.py, and the one of python -m core."""
    commands = SCHEMAS["gavat.runs"]["$defs"]["run"]["properties"]["command"]["enum"]

    assert set(commands) <= {*CLEANUP.commands, *CORE.commands, STARTED, DAILY_BACKUP}


def test_a_schema_refuses_what_it_does_not_describe() -> None:
    """A field that is missing, a word that is unknown, a number that is text; a field more is welcome."""
    schema = SCHEMAS["gavat.error"]
    about = {"kind": "StateError", "message": "m", "path": None, "hint": None, "retryable": False}
    good = {"schema": {"name": "gavat.error", "version": 1}, "error": about}

    assert errors(schema, good) == []
    assert errors(schema, {**good, "more": 1, "error": {**about, "more": 1}}) == []
    assert errors(schema, {"schema": good["schema"]})
    assert errors(schema, {**good, "error": {**about, "kind": "OtherError"}})
    assert errors(schema, {**good, "error": {**about, "retryable": "no"}})
    assert errors(schema, {**good, "schema": {"name": "gavat.error", "version": 2}})
