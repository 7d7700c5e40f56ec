"""The house stays as it was drawn: small modules, dull scripts, nothing new at the top."""

import ast
import re
import tomllib

import pytest

from tests.house.repository import ROOT, SCRIPTS, repository_files, source_modules

LONGEST_MODULE = 400
LONGEST_FUNCTION = 60
LONGEST_SCRIPT = 20

TOP_LEVEL = {
    *("core", "gpt", "utils", "tests", "cleanup_sessions.py", "monitor_system.py", "pyproject.toml"),
    *("README.md", "CHANGELOG.md", "LICENSE", "Makefile", "requirements", "docs", "benchmarks", "deploy"),
    *(".ci", ".gitignore", ".editorconfig"),
}
THE_NINE = {
    *("telethon", "aiosqlite", "openai", "cachetools", "tenacity"),
    *("redis", "psutil", "pytest", "pytest-asyncio"),
}
# Put together here, so that this file does not name them either.
INDEX_HOSTS = tuple(
    ".".join(labels)
    for labels in (
        ("pypi", "org"),
        ("files", "pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("npmjs", "com"),
        ("deb", "debian", "org"),
        ("security", "debian", "org"),
        ("ftp", "debian", "org"),
        ("snapshot", "debian", "org"),
        ("archive", "ubuntu", "com"),
        ("proxy", "golang", "org"),
        ("registry", "yarnpkg", "com"),
        ("index", "crates", "io"),
    )
)
SCRIPT_IMPORTS = {"sys", "os", "pathlib"}


def _tree(name: str) -> ast.Module:
    return ast.parse((ROOT / name).read_text(encoding="utf-8"), filename=name)


def test_every_source_module_is_short() -> None:
    """A module that outgrows its screenfuls is two modules."""
    lengths = {name: len((ROOT / name).read_text(encoding="utf-8").splitlines()) for name in source_modules()}

    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_MODULE} == {}


def test_every_function_is_short() -> None:
    """A function is read at one look; sixty lines is where looking ends."""
    lengths = {
        f"{name}:{node.lineno} {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for name in source_modules()
        for node in ast.walk(_tree(name))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

    assert {where: lines for where, lines in lengths.items() if lines > LONGEST_FUNCTION} == {}


def test_nothing_new_stands_at_the_top() -> None:
    """Whoever opens the repository finds the agreed names and no further ones."""
    found = {name.split("/", 1)[0] for name in repository_files()}

    assert found - TOP_LEVEL == set()


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_has_at_most_twenty_lines(script: str) -> None:
    """The scripts are door handles."""
    assert len((ROOT / script).read_text(encoding="utf-8").splitlines()) <= LONGEST_SCRIPT


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_defines_nothing(script: str) -> None:
    """Logic lives in the rooms, where it is layered, typed and tested."""
    definitions = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda

    assert [ast.dump(node) for node in ast.walk(_tree(script)) if isinstance(node, definitions)] == []


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_imports_only_its_commands(script: str) -> None:
    """A script finds its folder with the standard library and hands over to core.commands."""
    imported: set[str] = set()
    for node in ast.walk(_tree(script)):
        if isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            imported.add("." * node.level + (node.module or ""))

    assert {name for name in imported - SCRIPT_IMPORTS if not re.match(r"core\.commands(\.|$)", name)} == set()


def test_no_file_names_a_package_index() -> None:
    """Where packages come from is the machine's setting; a repository that names a host breaks behind a mirror."""
    naming = {
        name: host
        for name in repository_files()
        for text in [(ROOT / name).read_bytes().decode("utf-8", errors="replace")]
        for host in INDEX_HOSTS
        if host in text
    }

    assert naming == {}


@pytest.mark.parametrize("pins", ["requirements/base.txt", "requirements/dev.txt"])
def test_pins_are_hashed_and_name_no_place(pins: str) -> None:
    """Every requirement is one version with hashes; no address, no path, no option but the hashes."""
    joined = (ROOT / pins).read_text(encoding="utf-8").replace("\\\n", " ")
    requirements = [line for line in joined.splitlines() if line and not line.lstrip().startswith("#")]

    a_pin = re.compile(r"[a-z0-9-]+==[\w.]+(?: ; [^@/]+?)?(?: +--hash=sha256:[0-9a-f]{64})+ *")
    assert [line for line in requirements if not a_pin.fullmatch(line)] == []


def test_the_base_dependencies_are_the_nine_and_what_the_design_adds() -> None:
    """Completion, AES for Telethon, a parser for redis; everything else is an extra, or is left out."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    names = [re.split(r"[^A-Za-z0-9-]", requirement, maxsplit=1)[0] for requirement in project["dependencies"]]
    assert sorted(names) == sorted({*THE_NINE, "shtab", "cryptg", "hiredis"})


def test_installing_puts_no_module_into_site_packages() -> None:
    """core, gpt and utils run in place; installed, they would shadow or be shadowed by someone else's."""
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]

    assert setuptools == {"packages": [], "py-modules": []}
