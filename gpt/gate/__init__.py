"""The rate limit before the wire: one spacing for all processes that share an API key, with or without Redis.

A request enters, waits for its turn, and goes. Its turn comes from a store that hands out slots by one formula (GCRA,
no bursts): in Redis or Valkey for a fleet, in memory for one process and while Redis does not answer. Slots are
reserved a few at a time, and who gets one is decided when its moment has come, so a person overtakes a batch.

gate          the door: one for each key, for all event loops of the process
turnstile     one event loop's queue, and the slots it has in hand
shared_store  the state in Redis, and what is known of it here; `utils.courier` asks it
memory_store  the state of one process
hand | queue | rate | tally | scripts    slots in hand; who is next; how fast; counters; the formula in Lua
formula       what the state, a question and the moment give: pure
"""

from gpt.gate.gate import Gate
from gpt.gate.memory_store import Memory
from gpt.gate.rate import Rate

__all__ = ["Gate", "Memory", "Rate"]
