"""Numbers as people read them."""

from __future__ import annotations

from datetime import timedelta


def size_text(size: int) -> str:
    """Bytes in decimal units: `4.6 kB`."""
    if size < 1000:
        return f"{size} B"
    power = min((len(str(size)) - 1) // 3, 4)
    return f"{size / 1000**power:.1f} {('kB', 'MB', 'GB', 'TB')[power - 1]}"


def duration_text(duration: timedelta) -> str:
    """In the largest unit of which the duration holds two: `240 ms`, `90 s`, `5 min`; a negative one is `0 s`."""
    seconds = max(0.0, duration.total_seconds())
    if 0 < seconds < 1:
        return f"{max(1, int(seconds * 1000))} ms"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"
