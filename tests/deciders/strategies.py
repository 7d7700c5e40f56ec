"""Inspections by chance: every combination that the types allow, also those that no adapter makes today."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st

from core.session_files.model import (
    Contents,
    ContentsKind,
    DatabaseHeader,
    EntryKind,
    Evidence,
    FileInspection,
    Holder,
    JournalHeat,
    JournalMode,
    Occupancy,
    SessionFamily,
    Sidecar,
    SidecarKind,
    Usage,
)
from core.session_files.model import HeaderKind as Kind
from tests.deciders.builders import PAGE, file_stat

NO_SESSIONS = (EntryKind.NOT_REGULAR, EntryKind.DANGLING, EntryKind.LOOP, EntryKind.ALIAS, EntryKind.UNREADABLE)
_modes = st.sampled_from([0o600, 0o400, 0o640, 0o644, 0o666])
_ages = st.integers(-120, 7200).map(lambda seconds: timedelta(seconds=seconds))
_words = st.sampled_from(["", "as seen"])

stats = st.builds(
    file_stat,
    st.sampled_from([0, 100, PAGE, 7 * PAGE, 20 * PAGE]),
    age=_ages,
    mode=_modes,
    links=st.sampled_from([1, 1, 1, 2]),
)
headers = st.one_of(
    st.sampled_from([Kind.EMPTY, Kind.NOT_DATABASE, Kind.UNREAD]).map(DatabaseHeader),
    st.builds(
        DatabaseHeader,
        st.just(Kind.DATABASE),
        st.sampled_from(JournalMode),
        st.just(PAGE),
        st.sampled_from([0, 1, 7, 20]),
    ),
)
contents = st.builds(
    Contents,
    st.sampled_from(ContentsKind),
    st.sampled_from([None, 7, 8, 9]),
    st.sampled_from([None, True, False]),
    st.sampled_from([None, 0, 1, 2]),
    _words,
)
holders = st.builds(
    Holder, st.integers(2, 99), st.just("python bot.py …"), st.just("bots"), st.just(0.0), st.just(None)
)
occupancies = st.builds(
    Occupancy,
    st.sampled_from(Usage),
    st.sampled_from(Evidence),
    _words,
    st.lists(holders, max_size=3).map(tuple),
    st.sampled_from([None, 41]),
)


def sidecars(kind: SidecarKind) -> st.SearchStrategy[Sidecar]:
    """A sidecar of that kind with the facts that its kind can have."""
    heat = st.sampled_from([None, *JournalHeat]) if kind is SidecarKind.JOURNAL else st.none()
    frames = st.sampled_from([None, 0, 1, 5]) if kind is SidecarKind.WAL else st.none()
    pages = st.sampled_from([None, 0, 7]) if kind is SidecarKind.JOURNAL else st.none()
    return st.builds(Sidecar, st.just(kind), st.just(f"/fleet/x.session{kind.value}"), stats, heat, pages, frames)


@st.composite
def families(draw: st.DrawFn, kinds: st.SearchStrategy[EntryKind]) -> SessionFamily:
    kind = draw(kinds)
    name = draw(st.text("abcdef", min_size=1, max_size=4))
    path = f"/fleet/{name}.session"
    main = draw(stats) if kind is EntryKind.SESSION else None
    present = draw(st.sets(st.sampled_from(SidecarKind))) if kind not in NO_SESSIONS else set()
    beside = tuple(draw(sidecars(one)) for one in SidecarKind if one in present)
    lock = draw(st.none() | st.just(file_stat(0)))
    return SessionFamily(name, path, path, kind, main, beside, lock, draw(_words))


def inspections(kinds: st.SearchStrategy[EntryKind] | None = None) -> st.SearchStrategy[FileInspection]:
    """What may be seen of an entry of those kinds (default: any)."""
    chosen = kinds if kinds is not None else st.sampled_from([*EntryKind, *[EntryKind.SESSION] * 9])
    return st.builds(FileInspection, families(chosen), headers, occupancies, st.none() | contents)
