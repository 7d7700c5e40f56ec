"""Changing sessions that nobody has open, so that it can be taken back.

apply        carries out a plan: look again, copy, act, verify, record
act          what acting on one family is
copies       byte copies, on disk before anything is changed
recovery     letting SQLite roll back, checkpoint and leave WAL mode
set_aside    moving sidecars that have no session; permissions: modes
replace      putting another file in a session's place; the old family moves to quarantine
identity     knowing again a session that nobody wrote to since
"""
