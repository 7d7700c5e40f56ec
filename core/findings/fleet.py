"""GV2xx: what is found in the fleet as a whole and on the machine it runs on."""

from __future__ import annotations

from core.findings.model import Finding

_LOGIN = "Whoever has a copy of a session file can log in as the bot"

OF_THE_FLEET = (
    Finding(
        "GV201",
        "sessions of another user",
        "The tool runs as one user, and session files belong to another.",
        "The kernel tells nobody but the owner and root who has a file open, so these sessions are left alone; root "
        "may look at them and changes none.",
        "Run the command as the user who owns them (sudo -u USER …); a timer or unit gets User=.",
    ),
    Finding(
        "GV202",
        "state folder of another user",
        "The history of runs and the byte copies lie in a folder that another user owns.",
        "A run that may not write there changes nothing, and whoever owns the folder could change what undo gives "
        "back.",
        "Run as its owner, or set GAVAT_STATE to a folder of your own.",
    ),
    Finding(
        "GV203",
        "holders without a name",
        "A session is open somewhere, and the process cannot be seen: its /proc/PID/fd may not be read by this user.",
        "None for the session, which is left alone; but nobody can say which bot to stop.",
        "Ask as root, who may look at every process: sudo python monitor_system.py locks DIR.",
    ),
    Finding(
        "GV204",
        "holders outside the container",
        "The tool runs in a container with process numbers of its own, and a session is open in a process outside.",
        "None for the session, which is left alone; but its holder has no name here, and without write leases (some "
        "overlay disks) freedom cannot be proven either.",
        "Run the tool on the host, or start the container with --pid=host.",
    ),
    Finding(
        "GV205",
        "state folder on a disk that may be shared",
        "The history, the copies and the run lock lie on a network or user-space file system.",
        "Locks are unreliable there: two machines may run at once, and SQLite may damage the history.",
        "Set GAVAT_STATE to a folder on a local disk.",
    ),
    Finding(
        "GV211",
        "several schemas in one fleet",
        "Session files of this fleet were written by different generations of Telethon.",
        "Opening a file with a newer Telethon upgrades it without asking; the older Telethon fails with «too many "
        "values to unpack» from then on. Two environments that share one file break each other.",
        "Bring every bot to one version of Telethon. A copy for an older one: python cleanup_sessions.py files "
        "repair-schema FILE --downgrade 7 --out NEW.",
    ),
    Finding(
        "GV212",
        "one login in several files",
        "Two session files hold the same authorisation key: one was copied from the other.",
        "Started from two places, Telegram answers AUTH_KEY_DUPLICATED and revokes the key: the account must log in "
        "again everywhere.",
        "Keep the file that the bot uses and move the other out of every session folder. For a second client log in "
        "anew.",
    ),
    Finding(
        "GV221",
        "session tracked by git",
        "A session file, or a copy of one, is in the index of a git work tree.",
        f"{_LOGIN}, and every clone and every push carries it, the history for ever.",
        "Was it ever pushed? Then end that session in Telegram (Settings, Devices) and log in anew; removing it from "
        "the history comes second. Take it out of the index (git rm --cached; the file stays) and ignore *.session*.",
    ),
    Finding(
        "GV222",
        "session not ignored by git",
        "Session files, or copies of them, lie in a git work tree and no rule ignores them.",
        f"The next `git add .` takes them along. {_LOGIN}.",
        "Add the pattern *.session* to .gitignore, or keep sessions outside of work trees.",
    ),
    Finding(
        "GV223",
        "git cannot be asked",
        "Session files, or copies of them, lie in a git work tree, and git is missing or refuses to answer this user.",
        f"Whether they are tracked or ignored is not known. {_LOGIN}.",
        "Run the command as the user who owns the work tree, where git is installed.",
    ),
    Finding(
        "GV224",
        "state folder open to others",
        "The mode of the state folder lets other users in.",
        f"It holds byte copies and backups of sessions. {_LOGIN}.",
        "Set it to 0700 (chmod 700 DIR), which it has when the tool makes it.",
    ),
    Finding(
        "GV225",
        "secrets in gavat.toml open to others",
        "An api_hash, a key or a password stands in gavat.toml, and its mode lets every user read it.",
        "With the api_hash others act as your application, with the password of a proxy or of Redis as your fleet.",
        "Set it to 0600 (chmod), or to 0640 with the group of the service. Change what others may have read.",
    ),
    Finding(
        "GV231",
        "set aside long ago",
        "Files that a run moved to `set-aside` or `quarantine` have lain there for more than a month.",
        "They may hold a login, or the last of one, and nobody watches them.",
        "Look at them. What is needed goes back beside its session under its own name; what is not needed may be "
        "removed.",
    ),
    Finding(
        "GV232",
        "copies cannot be counted",
        "The copies, backups or set-aside files may not be read by this user.",
        "Each is a login, and how many there are is not known.",
        "Run the command as the user who owns them.",
    ),
    Finding(
        "GV241",
        "disk nearly full",
        "The disk of the sessions or of the state folder has less than 1 % free, or not room for twice the largest "
        "session and 1 MiB.",
        "Telethon fails with «database or disk is full» in the middle of its work, and no copy can be made, so nothing "
        "is mended.",
        "Free some space. Fewer copies: GAVAT_COPIES_KEPT; another disk for them: GAVAT_STATE.",
    ),
    Finding(
        "GV251",
        "clock behind the files",
        "A file of the fleet was written more than five minutes in the future, by the clock of this machine.",
        "Ages are wrong, so what looks young is left alone; runs sort wrongly; Telegram refuses messages of a clock "
        "that is far off.",
        "Set the clock, or find out what dated the file.",
    ),
    Finding(
        "GV252",
        "clock not synchronised",
        "The kernel says that no time service disciplines the clock.",
        "It drifts by seconds a day; Telegram refuses messages from more than 30 s ahead or 300 s behind.",
        "Switch on a time service (systemd-timesyncd, chrony): timedatectl set-ntp true.",
    ),
)
