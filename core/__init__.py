"""The rooms of gavatcore; imports run down this list only.

commands                    arguments, exit codes, wiring, one renderer for text and JSON
monitoring                  collect, judge, show: looks and never changes; it reads status and knows no client
fleet (controller.py)       many bots: started in a wave, supervised, reloaded, drained
client (gavat_client.py)    one bot: lease, inspect, mend, start, watch, stop; logins
session_files               one Telethon session file on disk: inspect, plan, apply, report
completions                 settings of the room gpt, and helpers made from them
state                       what is kept: history of runs, status of running bots, the fleet's secret
findings                    every finding code: what it means, why it matters, what to do
settings                    flags, environment, gavat.toml, defaults
errors                      the one error tree
"""

import os
import sys

import utils

__version__ = "0.1.0"
_ROOM_FOR_BYTECODE = 16 * 1024 * 1024

_disk = os.statvfs(os.path.dirname(os.path.abspath(__file__)))
if _disk.f_bavail * _disk.f_frsize < _ROOM_FOR_BYTECODE:
    # A disk that fills up in mid-write leaves a truncated .pyc behind, on which Python fails from then on
    # (importlib's _write_atomic does not look at how much was written); and a full disk is when this is needed.
    sys.dont_write_bytecode = True

if os.path.dirname(os.path.dirname(os.path.abspath(utils.__file__ or ""))) != os.path.dirname(
    os.path.dirname(os.path.abspath(__file__))
):
    raise ImportError(
        f"the package `utils` is not gavatcore's ({utils.__file__}); put gavatcore's folder first on PYTHONPATH, or "
        "run its scripts as commands of their own"
    )
