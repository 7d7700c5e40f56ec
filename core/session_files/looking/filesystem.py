"""Which file system a folder lies on, and whether every opener of its files is a process of this machine."""

from __future__ import annotations

import os

LOCAL = frozenset(
    {"ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "f2fs", "jfs", "reiserfs", "ramfs", "bcachefs"}
    | {"nilfs2", "vfat", "exfat"}
)
"""On these, nobody but this kernel's processes can have a file open. All others (NFS, SMB, FUSE, 9p, virtiofs …)
may be shared with another machine, which no local question can see."""


def file_system_of(folder: str) -> str:
    """The type of the file system that holds `folder` ("ext4", "nfs4", …), "" when the system does not say.

    Found by the longest mount point above the real path, not by device number: btrfs and overlay give other numbers
    to `stat` than to the mount table.
    """
    real = os.path.realpath(folder)
    longest, kind = -1, ""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
            lines = mounts.readlines()
    except OSError:
        return ""
    for line in lines:
        fields, _, rest = line.partition(" - ")
        point = _unescape(fields.split()[4])
        if len(point) >= longest and _lies_below(real, point):
            longest, kind = len(point), rest.split()[0]
    return kind


def _lies_below(path: str, point: str) -> bool:
    return point == "/" or f"{path}/".startswith(point + "/")


def _unescape(field: str) -> str:
    # mountinfo writes blank, tab, newline and backslash as octal (proc(5))
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, char)
    return field
