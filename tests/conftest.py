"""What holds for every test: a state folder of its own, tables shown at the end, and no skip where all is there.

Under REQUIRE_SERVICES=1, as .ci/run sets it, a test that skips has failed: nothing may be missing there.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.crash.proof import FULL, write_proof
from tests.tool import Tool

TABLES = pytest.StashKey[dict[str, str]]()
SERVICES_REQUIRED = os.environ.get("REQUIRE_SERVICES") == "1"

# How long an example takes says something of the machine, which others use too.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if SERVICES_REQUIRED and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped under REQUIRE_SERVICES=1: {report.longrepr}"


@pytest.fixture(autouse=True, scope="session")
def _no_state_of_ours(tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    """A test that names no state folder gets one of its own, never the one beside the scripts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAVAT_STATE", str(tmp_path_factory.mktemp("state") / "unnamed"))
        yield


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    """Both scripts with a state folder of the test's own."""
    return Tool(tmp_path / "state")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TABLES] = {}
    # Of its own: the folder that all runs share is closed to other users again by each run that begins
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.mkdtemp(prefix="gavat-"))


def pytest_sessionfinish(exitstatus: int) -> None:
    """Keep what failed tests left behind, and nothing else."""
    if exitstatus == pytest.ExitCode.OK:
        shutil.rmtree(os.environ["PYTEST_DEBUG_TEMPROOT"], ignore_errors=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for section, text in config.stash[TABLES].items():
        terminalreporter.section(section)
        terminalreporter.write_line(text)


@pytest.fixture
def publish(pytestconfig: pytest.Config) -> Callable[[str, str], None]:
    """Show a table at the end of the run; in full scale keep it in docs/proof.md."""

    def _publish(section: str, text: str) -> None:
        pytestconfig.stash[TABLES][section] = text
        if FULL:
            write_proof(section, text)

    return _publish


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the skip of a test, or of its fixtures, into a failure."""
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn the skip of a whole module into a failure."""
    report = yield
    _refuse_skip(report)
    return report
