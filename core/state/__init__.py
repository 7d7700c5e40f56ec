"""What is kept between runs, in one folder (`GAVAT_STATE`, default `state/` beside the scripts, mode 0700).

folder      where each thing lies
runs        history of runs and of every change: `runs.sqlite3`
runs_file   its schema and its opening
lock        one changing run at a time

status          publishing how the bots of a process are, so that others see it
status_outlet   the thread for each place that takes documents; loop_lag: how late the event loop is
status_reading  what processes publish, judged by age and by whether the process lives
status_files, status_shared  the two places: `status/<process>.json`, and Redis
status_document  JSON and back;  status_model: what it says
"""

from typing import TYPE_CHECKING

from core.state.folder import StateFolder, is_state_folder

if TYPE_CHECKING:
    from core.state.lock import pid_at_work, run_lock
    from core.state.runs import Change, ChangeStatus, RunHistory, RunRecord, new_run_id
    from core.state.status import publish_status
    from core.state.status_model import BotFigures, ProcessStatus
    from core.state.status_reading import StatusView, read_statuses

__all__ = [
    "BotFigures",
    "Change",
    "ChangeStatus",
    "ProcessStatus",
    "RunHistory",
    "RunRecord",
    "StateFolder",
    "StatusView",
    "is_state_folder",
    "new_run_id",
    "pid_at_work",
    "publish_status",
    "read_statuses",
    "run_lock",
]
_MODULES = {
    "BotFigures": "status_model",
    "ProcessStatus": "status_model",
    "StatusView": "status_reading",
    "pid_at_work": "lock",
    "publish_status": "status",
    "read_statuses": "status_reading",
    "run_lock": "lock",
}


def __getattr__(name: str) -> object:
    # Loaded on first use: a dry run needs only the paths, not the history with its SQLite (start-up cost).
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'runs')}"), name)
