"""Looking at the fleet: collect → judge → show. Nothing here changes anything.

collect    what is on disk: folders of sessions, history of runs
kept       what runs put away: byte copies, sidecars without a session
live       what running bots publish, joined to their sessions
completions  what those bots asked of models, what that cost and what it saved
processes  Python processes that hold sessions or look like bots
log_files  how large the bots' logs are, and which troubles stand at their ends
doctor/    checks of the fleet as a whole and of its machine
"""

from core.monitoring.collect import FleetView, SessionView, collect_fleet, collect_session
from core.monitoring.kept import CopiesView, CopyView, SetAsideView
from core.monitoring.live import LiveBot, LiveView, collect_live

__all__ = [
    "CopiesView",
    "CopyView",
    "FleetView",
    "LiveBot",
    "LiveView",
    "SessionView",
    "SetAsideView",
    "collect_fleet",
    "collect_live",
    "collect_session",
]
