"""Completions: fewer calls, no 429s, one wallet. This room knows nothing of sessions.

One question goes: local cache → join a flight → shared cache → circuit breaker → budget → gate → wire. The door is
`gpt.openai_utils`. Floors, imports going down (import-linter holds it): helper → assembly, answering → streaming →
provider → passage → cache/, wire/, gate/, budget/, counters → question, breaker → request_key → figures, settings →
model → errors.
"""
