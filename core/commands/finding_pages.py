"""`make docs`: the pages of docs/findings, one for each code, written from `core.findings`."""

from __future__ import annotations

import os
import re
import sys

from core.findings import FINDINGS, Finding

INDEX = "README.md"
_A_PAGE = re.compile(r"GV\d{3}\.md")
_MADE = "<!-- Written by `make docs` from core/findings; change it there. -->"


def pages() -> dict[str, str]:
    """File name → text of every page, the index included."""
    return {INDEX: _index(), **{f"{code}.md": page(finding) for code, finding in FINDINGS.items()}}


def page(finding: Finding) -> str:
    """What `explain` says of one finding, as Markdown."""
    return f"""{_MADE}
# {finding.code} {finding.title}

{_markdown(finding.meaning)}

**Danger.** {_markdown(finding.danger)}

**What to do.** {_markdown(finding.remedy)}

`python monitor_system.py explain {finding.code}` prints this; all codes: [findings]({INDEX}).
"""


def write_pages(folder: str) -> None:
    """Write every page into a folder, and remove those of codes that are no more. Raises OSError."""
    os.makedirs(folder, exist_ok=True)
    wanted = pages()
    for name in os.listdir(folder):
        if _A_PAGE.fullmatch(name) and name not in wanted:
            os.unlink(os.path.join(folder, name))
    for name, text in wanted.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as opened:
            opened.write(text)


def _index() -> str:
    rows = "\n".join(f"| [{code}]({code}.md) | {finding.title} |" for code, finding in FINDINGS.items())
    return f"""{_MADE}
# Findings

What the commands find, by code. GV1xx: one session and what lies beside it; GV2xx: the fleet and its machine, as
`monitor_system.py doctor` sees them.

| code | what it is |
|---|---|
{rows}
"""


def _markdown(text: str) -> str:
    """The text with what Markdown would take for emphasis or a tag escaped, outside of `code`."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"([*<])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


if __name__ == "__main__":
    write_pages(sys.argv[1])
