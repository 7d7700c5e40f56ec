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


def money_text(dollars: float) -> str:
    """US dollars and cents, `$0.02`; what is less than a cent and not nothing is `less than $0.01`."""
    return "less than $0.01" if 0 < dollars < 0.01 else f"${dollars:,.2f}"


def percent_text(share: float) -> str:
    """A share in whole percent that never says more than there is: 0.999 is `99 %`, 0.001 `less than 1 %`."""
    if share >= 100:
        return "10,000 % and more"
    percent = int(share * 100 + 1e-9)  # 0.29 * 100 is 28.999999999999996
    return "less than 1 %" if share > 0 and not percent else f"{percent:,} %"
