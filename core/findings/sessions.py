"""GV1xx: what is found in and beside one session."""

from __future__ import annotations

from core.findings.model import Finding

_CLEANUP = "Run `cleanup_sessions.py DIR` on its folder (with -n it only shows what it would do)."
OF_SESSIONS = (
    Finding(
        "GV101",
        "cold journal left behind",
        "A -journal whose header is zeroed or empty lies beside a session that nobody has open. It is what a writer "
        "that was killed before its commit began leaves, or a commit in PERSIST mode.",
        "None by itself: SQLite ignores it. It is taken for a fault again and again, and a tool that judges by name or "
        "age may delete a needed one with it.",
        f"{_CLEANUP} It is removed while SQLite's exclusive lock is held and its first bytes are read once more.",
    ),
    Finding(
        "GV102",
        "hot journal",
        "The writer died inside a transaction; the journal holds the original pages. SQLite plays them back at the "
        "next open.",
        "If the journal is deleted, the file keeps a half transaction for ever: torn rows that pass integrity_check, "
        "or a login that cannot be read.",
        f"{_CLEANUP} The family is copied first, then SQLite rolls the transaction back. Never delete the journal.",
    ),
    Finding(
        "GV103",
        "WAL mode",
        "The database is in write-ahead-log mode and nothing waits in a log.",
        "None today. In WAL mode a kill leaves the newest commits, a first login included, only in the -wal, where "
        "scripts that delete sidecars destroy them.",
        f"{_CLEANUP} SQLite switches the file to DELETE mode, Telethon's own.",
    ),
    Finding(
        "GV104",
        "frames wait in the WAL",
        "Committed pages are in the -wal and not yet in the database.",
        "Deleting the -wal loses those commits without any error; after a first login it loses the key itself.",
        f"{_CLEANUP} SQLite checkpoints the log into the database and switches to DELETE mode.",
    ),
    Finding(
        "GV105",
        "empty -wal or lone -shm",
        "A -wal with no committed frame, or a -shm, lies beside a session that nobody has open.",
        "None: it holds nothing that is needed.",
        f"{_CLEANUP} SQLite removes it on the way to DELETE mode, or it goes under the exclusive lock.",
    ),
    Finding(
        "GV106",
        "sidecar without a session",
        "A -journal, -wal or -shm lies here and its session file does not, or that file is empty.",
        "It may be all that is left of a login. A new session of that name would swallow it: SQLite deletes the "
        "sidecars of an empty database.",
        f"{_CLEANUP} It moves, under its own name, to set-aside/RUN-ID/. If the session file still exists elsewhere, "
        "put both side by side again under the same base name.",
    ),
    Finding(
        "GV107",
        "sidecar beside a symbolic link",
        "SQLite looks for sidecars beside the file a link leads to; the one beside the link itself is never read.",
        "Perhaps the link replaced a real file whose last transaction is in that sidecar.",
        "Find the file that the sidecar belongs to and put it beside it, or move it away.",
    ),
    Finding(
        "GV111",
        "session readable by others",
        "The mode of the file lets other users read or write it.",
        "A session file is the whole account: whoever reads it can log in as the bot.",
        f"{_CLEANUP} The file becomes 0600. Set the bot's umask to 077 so that new ones are born so.",
    ),
    Finding(
        "GV112",
        "folder readable by others",
        "The mode of a folder that holds only sessions lets other users in.",
        "Other users can list the accounts, and read any session that is born readable.",
        f"{_CLEANUP} The folder becomes 0700.",
    ),
    Finding(
        "GV113",
        "hard-linked session",
        "The file has more than one name.",
        "SQLite names sidecars after the path it was opened by, so the journal of one name is not seen through the "
        "other: opening it there reads half a transaction.",
        "Keep one name: check which one the bot uses, then remove the other (rm removes a name, not the file).",
    ),
    Finding(
        "GV114",
        "another name of a session",
        "A symbolic link to a session that is listed itself.",
        "None. Two bots started from the two names would be two clients of one login.",
        "Nothing to do.",
    ),
    Finding(
        "GV115",
        "link to another user's session",
        "A symbolic link in one user's folder leads to a session file of another user.",
        "Whoever may write the folder could point the tool, run as root, at a file that is not theirs.",
        "Name the folder of the file itself, or give link and file to one user.",
    ),
    Finding(
        "GV116",
        "moved to another host",
        "A marker stands in the place of the session, which was packed for another host.",
        "None: Telethon refuses the marker, so no second client of the login starts here.",
        "To bring it back, if it does not run elsewhere: cleanup_sessions.py undo with the run that the marker names.",
    ),
    Finding(
        "GV120",
        "damaged database",
        "Pages are missing, cannot be read, or do not fit together, and no journal or WAL holds them.",
        "Telethon cannot open it, or fails later; deleting it would destroy what can still be rescued.",
        "Restore a backup (cleanup_sessions.py files restore NAME), or rescue what it still holds (files salvage FILE; "
        "add -n to see it first). Until then it stays where it is; `monitor_system.py why FILE` lists copies.",
    ),
    Finding(
        "GV121",
        "not a database",
        "The file bears a session's name and its content is something else.",
        "Telethon fails with «file is not a database».",
        "See what it is (head -c 100 FILE | xxd). A partial copy? Copy it again. Then put the right file here.",
    ),
    Finding(
        "GV122",
        "empty file",
        "The session has no bytes.",
        "Telethon takes it, without any error, for a new session that is not logged in.",
        "Restore a copy (`monitor_system.py why FILE` lists them), or log in again.",
    ),
    Finding(
        "GV123",
        "half-created session",
        "The first start was cut short: tables without a version row, or without the table of logins.",
        "Telethon cannot open it, at every start: «'NoneType' object is not subscriptable» or «no such table».",
        "Run: python cleanup_sessions.py files repair-schema FILE (add -n to see it first). What is inside stays.",
    ),
    Finding(
        "GV124",
        "half-migrated session",
        "Telethon was stopped while it upgraded the file: the columns are of one schema, the version of another.",
        "Telethon fails with «duplicate column name: tmp_auth_key» or «too many values to unpack».",
        "Run: python cleanup_sessions.py files repair-schema FILE (add -n to see it first), then start the bot.",
    ),
    Finding(
        "GV125",
        "newer schema",
        "The file was written by a newer Telethon.",
        "This Telethon fails with «too many values to unpack».",
        "Upgrade Telethon on this host to the version that wrote it; do not mix versions on one file. A copy for an "
        "older one: python cleanup_sessions.py files repair-schema FILE --downgrade 7 --out NEW.",
    ),
    Finding(
        "GV126",
        "not a Telethon session",
        "A database of another library (Pyrogram and its forks), or one with other tables.",
        "Telethon fails with «no such column: version» or adds its own tables to it.",
        "Move it to where its own library looks for it. It is left alone here.",
    ),
    Finding(
        "GV127",
        "not logged in",
        "A whole Telethon session without an authorisation key.",
        "The bot starts and asks for a phone number, or runs without an account.",
        "Log in: python -m core login FILE; or remove it if the account is gone.",
    ),
    Finding(
        "GV128",
        "more than one login row",
        "The table of logins has several rows; Telethon reads one of them.",
        "Which account starts depends on chance.",
        "Keep the file and restore a copy (`monitor_system.py why FILE` lists them) with one row.",
    ),
    Finding(
        "GV130",
        "too young to judge",
        "The file looks empty, garbage or damaged and was written moments ago.",
        "It may be a copy that is still arriving.",
        "Look again in a minute.",
    ),
    Finding(
        "GV131",
        "holder cannot be known",
        "The kernel does not tell this user whether the file is open.",
        "Changing a session that a bot has open destroys it, so it is left alone.",
        "Run as the user who owns the sessions (sudo -u USER …) or as root.",
    ),
    Finding(
        "GV132",
        "file system may be shared",
        "The folder lies on a network or user-space file system.",
        "Another machine may have the session open, and no local question can see that. SQLite's locks are unreliable "
        "there as well.",
        "Run the tool on the machine that owns the disk, or move the sessions to a local one.",
    ),
    Finding(
        "GV133",
        "open in several processes",
        "More than one process has the session open.",
        "Two clients of one login: «database is locked», lost updates, and AUTH_KEY_DUPLICATED across addresses.",
        "Stop one of them; `monitor_system.py why FILE` names them.",
    ),
    Finding(
        "GV134",
        "lock kept by a forked child",
        "The process that took the lock file is gone; a child that it forked inherited the lock and keeps it.",
        "The session looks in use although its bot is gone, and the bot cannot start again.",
        "End the child named here. In the bot, start workers with spawn instead of fork.",
    ),
    Finding(
        "GV140",
        "not a session file",
        "A folder, FIFO, socket or device bears a session's name.",
        "Opening a FIFO would hang, so it is not touched.",
        "Remove or rename it.",
    ),
    Finding(
        "GV141",
        "link that leads nowhere",
        "A symbolic link whose target is missing, or that leads to itself.",
        "SQLite would create the target as a new, empty session.",
        "Restore the target (is a disk not mounted?) or remove the link.",
    ),
    Finding(
        "GV142",
        "gone or changed while being looked at",
        "The file was removed, replaced or written between two looks.",
        "None: it was left alone.",
        "Look again.",
    ),
    Finding(
        "GV143",
        "cannot be read",
        "The file or its folder may not be read by this user.",
        "Nothing can be said of it, so it is left alone.",
        "Run as the user who owns the sessions, or as root.",
    ),
    Finding(
        "GV150",
        "mending failed",
        "The copy that comes first, or the work through SQLite, met an error.",
        "The file is as SQLite left it; the bytes from before are in the copy, where one was made.",
        "Remove the cause named in the line (disk full, read-only file), then run again.",
    ),
    Finding(
        "GV161",
        "entity cache larger than asked for",
        "The session keeps entities that the given rule lets go, or pages that hold nothing.",
        "A lookup by name that misses reads them all on the event loop: 44 ms at half a million rows.",
        "Run: python cleanup_sessions.py files prune with the same --older or --keep, without -n.",
    ),
    Finding(
        "GV162",
        "rescue of a damaged session",
        "Its pages, its journal and its WAL were read one by one; what they hold can be put into a fresh session.",
        "Nothing is invented: rows on damaged pages are missing. SQLite keeps no checksum of a page, so a value that "
        "was changed into another valid one is not noticed.",
        "Run: python cleanup_sessions.py files salvage FILE (add -n to see it first). A backup, where there is one, is "
        "better: files restore.",
    ),
    Finding(
        "GV163",
        "backup to be restored",
        "A verified backup takes the place of the session; what is there now moves to quarantine.",
        "What was written since the backup is in quarantine, not in the session. A login that was revoked since does "
        "not come back to life.",
        "Stop its bot first; never run the backup and the original side by side.",
    ),
    Finding(
        "GV164",
        "session to be handed over",
        "It is whole and free, and goes into a pack for another host; a marker takes its place here.",
        "Run in two places, Telegram answers AUTH_KEY_DUPLICATED and may revoke the login.",
        "Unpack it there with files move PACK --to DIR, and start its bot only there.",
    ),
)
