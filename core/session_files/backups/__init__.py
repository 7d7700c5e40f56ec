"""Scheduled backups of sessions, live and idle: taken through SQLite, verified, kept by rotation, given back.

errors        what can be wrong with a session to be backed up, and with a backup
rotation      which backups stay (pure)
encryption    encryption at rest, optional; settings: `[backup]` of gavat.toml
manifest      what a backup is of, as JSON beside it (pure)
source        what a session is right before it is copied, by names and sizes alone
snapshot      a committed state of a session out of SQLite's hands while bots go on writing
catalog       the backups that are there: by session, by moment; removing those of a revoked login
write         one session into one file, verified
store, fetch  taking backups and rotating them; giving one back as a verified file beside its target

Imports run up this list, never down.
"""
