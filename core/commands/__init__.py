"""What people type: arguments, exit codes, wiring of real objects, and one renderer for text and JSON.

dispatch    finds the command, builds its arguments, turns errors into one line and an exit code
cleanup     the commands of cleanup_sessions.py        files, undo, demo
monitor     the commands of monitor_system.py          report, locks, why, explain
bots        the commands of python -m core             login, run;  asking, run_*: their parts
wiring      settings → the objects a command works with
documents   data → JSON documents (`docs/schema/`)
sessions_text  the same data → lines for people
log_lines   log records → lines of text or JSON
output      where text and JSON go: colour, quiet, progress
streams     stdout and stderr that take any text; how wide the terminal is
help_text   help as wide as the terminal
"""
