"""Whether folders of logins lie in a git work tree, and what git says of them.

Only `git ls-files` is asked, which reads the index and lists folders. `git status` would open the sessions themselves,
to hash them.
"""

from __future__ import annotations

import os
import subprocess

from core.monitoring.doctor.judge_fleet import WorkTree
from core.monitoring.doctor.model import Scene
from core.monitoring.doctor.see_users import user_of_file

_SESSIONS, _EVERYTHING = ":(glob)*.session*", "."
_PATIENCE_SECONDS = 20
_LONGEST_REFUSAL = 200
_QUIET = ("-c", "core.fsmonitor=false")
"""A repository's own settings may name a program that git starts for `core.fsmonitor`; looking starts nothing."""


def see_work_trees(scene: Scene) -> tuple[WorkTree, ...]:
    """Every folder of sessions, and the state folder, that lies in a work tree."""
    state = scene.state.path
    asked = [*((path, _SESSIONS) for path in scene.paths), *([(state, _EVERYTHING)] if os.path.isdir(state) else [])]
    trees = []
    for path, what in asked:
        folder = os.path.realpath(path)
        top = _top_of(folder)
        if top is not None:
            pattern = "*.session*" if what == _SESSIONS else f"/{os.path.relpath(folder, top)}/"
            trees.append(_ask(WorkTree(top, folder, pattern, user_of_file(top)), what))
    return tuple(trees)


def _top_of(folder: str) -> str | None:
    """Where `.git` (a folder, or the file of a further work tree) lies: here or in a folder above."""
    while not os.path.lexists(os.path.join(folder, ".git")):
        if folder == os.path.dirname(folder):
            return None
        folder = os.path.dirname(folder)
    return folder


def _ask(tree: WorkTree, what: str) -> WorkTree:
    try:
        tracked = _git(tree.folder, "ls-files", "-z", "--cached", "--", what)
        loose = _git(tree.folder, "ls-files", "-z", "--others", "--exclude-standard", "--", what)
    except FileNotFoundError:
        return tree._replace(refusal="git is not installed")
    except subprocess.TimeoutExpired:
        return tree._replace(refusal="git did not answer")
    except subprocess.CalledProcessError as error:
        said = os.fsdecode(error.stderr).strip().splitlines()
        return tree._replace(refusal=(said[0] if said else "git failed")[:_LONGEST_REFUSAL])
    return tree._replace(tracked=tracked, loose=loose)


def _git(folder: str, *words: str) -> tuple[str, ...]:
    # Variables such as GIT_DIR, set in hooks, would make git answer for another repository.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["git", *_QUIET, "-C", folder, *words],
        env={**environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=_PATIENCE_SECONDS,
    )
    return tuple(os.fsdecode(name) for name in done.stdout.split(b"\0") if name)
