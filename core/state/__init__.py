"""What is kept between runs, in one folder (`GAVAT_STATE`, default `state/` beside the scripts, mode 0700).

folder      where each thing lies
runs        history of runs and of every change: `runs.sqlite3`
runs_file   its schema and its opening
lock        one changing run at a time
"""

from typing import TYPE_CHECKING

from core.state.folder import StateFolder, is_state_folder

if TYPE_CHECKING:
    from core.state.lock import pid_at_work, run_lock
    from core.state.runs import Change, ChangeStatus, RunHistory, RunRecord, new_run_id

__all__ = [
    "Change",
    "ChangeStatus",
    "RunHistory",
    "RunRecord",
    "StateFolder",
    "is_state_folder",
    "new_run_id",
    "pid_at_work",
    "run_lock",
]


def __getattr__(name: str) -> object:
    # Loaded on first use: a dry run needs only the paths, not the history with its SQLite (start-up cost).
    if name in ("pid_at_work", "run_lock"):
        from core.state import lock

        return getattr(lock, name)
    if name in __all__:
        from core.state import runs

        return getattr(runs, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
