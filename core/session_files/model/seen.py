"""What was seen: a session file with all beside it, who uses it, what is inside, and its folder."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class FileStat(NamedTuple):
    """The part of `lstat` that decisions need."""

    size: int
    """Bytes."""
    modified_ns: int
    """Nanoseconds since 1970."""
    device: int
    inode: int
    mode: int
    uid: int
    gid: int
    links: int


class SidecarKind(Enum):
    """The files that SQLite keeps beside a database."""

    JOURNAL = "-journal"
    WAL = "-wal"
    SHM = "-shm"


class JournalHeat(Enum):
    """Whether a rollback journal must be played back (sqlite.org/lockingv3.html, "hot journals")."""

    COLD = "cold"
    """Empty, or its header is not (or no longer) valid: nothing in it is needed."""
    HOT = "hot"
    """A valid header: SQLite rolls it back at the next open, unless the writer lives."""
    UNKNOWN = "unknown"


class Sidecar(NamedTuple):
    """One file beside the database."""

    kind: SidecarKind
    path: str
    stat: FileStat
    heat: JournalHeat | None = None
    """For a journal whose bytes could be read."""
    original_pages: int | None = None
    """For a hot journal: pages the database had before the transaction."""
    pending_frames: int | None = None
    """For a WAL that could be read: frames up to the last commit."""


class EntryKind(Enum):
    """What bears a session's name in a folder."""

    SESSION = "session"
    ORPHAN = "orphan"
    """Sidecars without a session file."""
    NOT_REGULAR = "not regular"
    DANGLING = "dangling"
    LOOP = "loop"
    ALIAS = "alias"
    """A symbolic link to a file that another entry speaks for."""
    UNREADABLE = "unreadable"


class SessionFamily(NamedTuple):
    """A session file with all that lies beside it, as one listing of the folder saw it."""

    name: str
    """File name without `.session`."""
    path: str
    """The path as the folder names it."""
    target: str
    """The file a symbolic link leads to, else the same path; sidecars and lock lie beside it."""
    kind: EntryKind
    main: FileStat | None
    sidecars: tuple[Sidecar, ...] = ()
    lock: FileStat | None = None
    note: str = ""
    """For what is no session: what it is."""

    def sidecar(self, kind: SidecarKind) -> Sidecar | None:
        """The sidecar of that kind, if there is one."""
        return next((one for one in self.sidecars if one.kind is kind), None)


class JournalMode(Enum):
    """How the header says the database is written."""

    ROLLBACK = "delete"
    WAL = "wal"
    UNKNOWN = "unknown"


class HeaderKind(Enum):
    """What the first bytes of a file say it is."""

    DATABASE = "database"
    EMPTY = "empty"
    NOT_DATABASE = "not a database"
    MOVED = "moved to another host"
    """A marker that this tool put in a session's place; Telethon cannot open it, and so starts no second client."""
    UNREAD = "unread"


class DatabaseHeader(NamedTuple):
    """Facts of the first 100 bytes (sqlite.org/fileformat2.html §1.3)."""

    kind: HeaderKind
    journal_mode: JournalMode = JournalMode.UNKNOWN
    page_size: int = 0
    page_count: int = 0
    """0 where the header does not say it reliably."""


class Usage(Enum):
    """Whether a process uses a session; unknown is an answer and means hands off."""

    FREE = "free"
    IN_USE = "in use"
    UNKNOWN = "unknown"


class Evidence(Enum):
    """What an answer about usage rests on."""

    NONE = "nothing asked"
    LEASE = "lock file"
    LOCK_BYTES = "SQLite lock"
    WRITE_LEASE = "write lease"
    OPEN_FILES = "open files of all processes"
    OWN_PROCESS = "this process"
    PERMISSION = "permission"
    FILE_SYSTEM = "file system"


class Holder(NamedTuple):
    """A process that has a session open."""

    pid: int
    command: str
    """Program and script; arguments masked."""
    user: str
    since: float | None
    """Start of the process, seconds since 1970."""
    unit: str | None
    """systemd unit or container, where its cgroup names one."""


class Occupancy(NamedTuple):
    """The answer to "does anybody use it?" with its evidence."""

    usage: Usage
    evidence: Evidence
    reason: str = ""
    holders: tuple[Holder, ...] = ()
    lease_pid: int | None = None
    """The process that wrote itself into the lock file of a held lease."""


FREE = Occupancy(Usage.FREE, Evidence.WRITE_LEASE)


class ContentsKind(Enum):
    """What the pages of a file hold."""

    TELETHON = "telethon"
    HALF_CREATED = "half-created"
    HALF_MIGRATED = "half-migrated"
    NEWER = "newer schema"
    PYROGRAM = "pyrogram"
    FOREIGN = "not a telethon session"
    DAMAGED = "damaged"
    UNREAD = "unread"


class Contents(NamedTuple):
    """What was read from the pages of a file that nobody held; never the key itself."""

    kind: ContentsKind
    schema_version: int | None = None
    logged_in: bool | None = None
    login_rows: int | None = None
    reason: str = ""
    login_mark: bytes | None = None
    """Equal before and after mending when the login is; keyed with a secret of this process, never shown."""

    def __repr__(self) -> str:
        """All but the mark."""
        return f"Contents({self.kind.value}, schema={self.schema_version}, logged_in={self.logged_in}, {self.reason!r})"


class FileInspection(NamedTuple):
    """All that was learned of one family, from outside and, where asked and proven free, from inside."""

    family: SessionFamily
    header: DatabaseHeader
    occupancy: Occupancy
    contents: Contents | None = None


class FolderStat(NamedTuple):
    """A folder of sessions."""

    path: str
    mode: int
    uid: int
    gid: int
    file_system: str
    dedicated: bool
    """Holds nothing but session families and what this tool puts beside them."""
    lock_files: int = 0
    """Lock files of sessions, those whose session is gone included."""
