"""Numbers as people read them."""

from __future__ import annotations


def size_text(size: int) -> str:
    """Bytes in decimal units: `4.6 kB`."""
    if size < 1000:
        return f"{size} B"
    power = min((len(str(size)) - 1) // 3, 4)
    return f"{size / 1000**power:.1f} {('kB', 'MB', 'GB', 'TB')[power - 1]}"
