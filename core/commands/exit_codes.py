"""Exit codes of the commands; documented in README.md."""

DONE = 0
FAILED = 1
USAGE = 2
NEEDS_ATTENTION = 3
"""Something needed mending and was not; each such session is named."""
FOUND_WORK = 4
"""`-n --exit-code` found something to mend."""
ANOTHER_RUN = 11
INTERRUPTED = 130
