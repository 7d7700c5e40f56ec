"""Every finding code: what it means, why it matters, what to do. `explain CODE` prints these.

sessions    GV1xx: one session and what lies beside it
fleet       GV2xx: the fleet and the machine it runs on, as `doctor` sees them
"""

from core.findings.fleet import OF_THE_FLEET
from core.findings.model import Finding
from core.findings.sessions import OF_SESSIONS

__all__ = ["FINDINGS", "Finding", "find_finding"]

FINDINGS = {finding.code: finding for finding in (*OF_SESSIONS, *OF_THE_FLEET)}


def find_finding(code: str) -> Finding | None:
    """The finding of that code, however it is written, or None."""
    return FINDINGS.get(code.strip().upper())
