"""`--plan-out` writes what would be done; `--apply` does just that, and nothing to what has changed since."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from core.session_files import sample_fleet
from tests.tool import Tool, states


@pytest.fixture
def planned(tool: Tool, crashed: Path, tmp_path: Path) -> Path:
    """The plan for one hot journal and one cut session that is to move to quarantine."""
    sample_fleet.write_healthy(str(crashed / "cut"))
    os.truncate(crashed / "cut.session", 8192)
    os.utime(crashed / "cut.session", (1, 1))
    plan = tmp_path / "plan.json"
    assert tool.cleanup("--plan-out", plan, "--quarantine", crashed).returncode == 0
    return plan


def _apply(tool: Tool, plan: Path) -> dict[str, Any]:
    return tool.files("--apply", plan)


def test_a_plan_is_made_without_changing_anything_and_then_carried_out(
    tool: Tool, crashed: Path, planned: Path
) -> None:
    """The file is private, names path, codes and actions, and needs no folder beside it."""
    assert planned.stat().st_mode & 0o777 == 0o600
    actions = {one["path"]: one["actions"] for one in json.loads(planned.read_text())["sessions"]}
    assert actions == {
        str(crashed / "hot.session"): ["roll back"],
        str(crashed / "cut.session"): ["move to quarantine"],
    }
    assert (crashed / "hot.session-journal").exists()

    document = _apply(tool, planned)

    assert states(document) == {"cut": "quarantined", "hot": "mended", "well": "fine"}
    assert document["exit_code"] == 0
    assert (crashed / "quarantine" / document["run_id"] / "cut.session").exists()


def test_what_changed_since_is_left_and_named(tool: Tool, crashed: Path, planned: Path) -> None:
    """One byte more, and the plan is not for this file."""
    with (crashed / "hot.session-journal").open("ab") as journal:
        journal.write(b"\0")

    document = _apply(tool, planned)

    assert states(document)["hot"] == "unknown"
    assert document["folders"][0]["sessions"][1]["findings"][0]["detail"] == "it changed since the plan was made"
    assert document["exit_code"] == 3
    assert (crashed / "hot.session-journal").exists()


def test_what_the_plan_does_not_name_is_left(tool: Tool, crashed: Path, planned: Path) -> None:
    """A session that crashed after the plan was made waits for the next one."""
    sample_fleet.crash_in_large_transaction(str(crashed / "later"))

    document = _apply(tool, planned)

    assert states(document)["later"] == "mend"
    assert (crashed / "later.session-journal").exists()


def test_quarantine_is_undone(tool: Tool, crashed: Path, planned: Path) -> None:
    """The damaged family returns to its place, byte for byte."""
    before = (crashed / "cut.session").read_bytes()
    run_id = _apply(tool, planned)["run_id"]
    assert not (crashed / "cut.session").exists()

    undone = tool.cleanup("undo", run_id)

    assert undone.returncode == 0
    assert (crashed / "cut.session").read_bytes() == before
    assert not (crashed / "quarantine").exists()


def test_quarantine_does_not_return_over_a_new_session(tool: Tool, crashed: Path, planned: Path) -> None:
    """Somebody logged in anew meanwhile: the old one stays where it is, and the line says where."""
    run_id = _apply(tool, planned)["run_id"]
    sample_fleet.write_healthy(str(crashed / "cut"))
    new = (crashed / "cut.session").read_bytes()

    undone = tool.cleanup("undo", run_id)

    assert undone.returncode == 3
    assert "a session of that name is there now" in undone.stdout
    assert (crashed / "cut.session").read_bytes() == new


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        pytest.param("[" * 100_000, id="nested"),
        '{"schema": {"name": "gavat.plan", "version": 2}}',
        "\x00",
    ],
)
def test_what_is_no_plan_is_one_line_and_exit_2(tool: Tool, tmp_path: Path, text: str) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(text)

    done = tool.cleanup("--apply", plan)

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_a_plan_is_never_written_over_a_file(tool: Tool, crashed: Path, planned: Path) -> None:
    before = planned.read_bytes()

    done = tool.cleanup("--plan-out", planned, crashed)

    assert done.returncode == 2
    assert "name a new file" in done.stderr
    assert planned.read_bytes() == before
