"""Futures that Telethon leaves behind with an exception that nobody asks for, collected where it does no harm.

asyncio logs such a future when it is collected, with a traceback, which CPython 3.11 parses source for. Collected in
the middle of one of pytest's own `ast.parse` calls, it ends the whole run with "AST constructor recursion depth
mismatch" (from 3.11.0 to 3.11.7). So whoever uses clients in tests collects after each test.
"""

import gc
from functools import cache


@cache
def ignore_what_is_loaded() -> None:
    """Leave out of all later collections what is there now, once per process.

    That is mostly modules, of which Telethon has many: a collection takes 90 ms before and hardly any after.
    """
    gc.collect()
    gc.freeze()


def collect_leftovers() -> None:
    """Collect now; call it when the test's own variables are gone, as in a fixture after its yield."""
    gc.collect()
