"""Looking at the fleet: collect → judge → show. Nothing here changes anything.

collect    what is on disk: folders of sessions, copies, history of runs
"""

from core.monitoring.collect import CopiesView, FleetView, SessionView, collect_fleet, collect_session

__all__ = ["CopiesView", "FleetView", "SessionView", "collect_fleet", "collect_session"]
