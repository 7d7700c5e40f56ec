"""One bot: lease → inspect → mend → check → open → connect, watched while it runs. The door is `core.gavat_client`.

client       what a program holds: start, stop, health, handlers
running      a client between start and stop; termination: SIGTERM as a normal end
watch        is it connected, does it answer, does it hear, can it save; helping it back
login        a first login, or one anew: the one place that asks a person;  login_calls, sign_in: its parts
backing_up   the daily backup beside the work
opening      sessions opened in threads of their own, a few at a time
observed     Telethon's client with its cures of requests; delivering: of updates; pace: how fast it connects again
dispatching  one update and its handlers; filtering, failing_alone: its parts
options      what Telethon gets of the caller's, and what is refused; handler_shape: what can be no handler
preparation  one session file made ready; leasing, mending: its parts
health       the signs of a running client, gathered
session/     Telethon's SQLite session, made patient
judge_file, judge_failure, judge_health, judge_login, flood_memory, silences, delivery   what all that means (pure)
refusal, settings, model

Imports run up this list, never down.
"""
