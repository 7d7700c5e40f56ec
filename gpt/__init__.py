"""Completions: fewer calls, no 429s, one wallet. This room knows nothing of sessions.

One question goes: local cache → join a flight → shared cache → circuit breaker → budget → gate → wire. The door is
`gpt.openai_utils`. Its floors, imports going down (held by import-linter): the helper (act) → flight → shared, wire,
gate, budget, completion_cache (adapters) → breaker, hints, request_key (decide) → settings, model, errors.
"""
