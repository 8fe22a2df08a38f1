"""os: making, removing and renaming names, as operations on the real file system.

What an operation accesses follows from what it did: one that failed wrote nothing, a rename onto another
name of the same file changed nothing. The keys are told in `paths`.
"""

from __future__ import annotations

import glob
import os
import stat as stats
import tempfile
from pathlib import Path
from typing import Any

from schedule_explorer.interposition import attributes, listings, uncontrolled
from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.file_steps import distinct, is_path, step
from schedule_explorer.interposition.paths import ROOT, UMASK, Place, born, content, inode_id, real, world_of
from schedule_explorer.operations import ADD, READ, WRITE, Access, Operation
from schedule_explorer.runtime import Execution

__all__ = ["PATCHES", "Place", "born", "content", "fresh_dir", "inode_id", "real", "step"]


def _mkdir(path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
    execution = virtual()
    if execution is None or not is_path(path):
        return real["mkdir"](path, mode, dir_fd=dir_fd)  # type: ignore[no-any-return]

    def perform(operation: Operation) -> None:
        place = Place(execution, path, dir_fd)
        operation.accesses = distinct(place.entry(READ))
        real["mkdir"](path, mode, dir_fd=dir_fd)
        born(execution, real["stat"](path, dir_fd=dir_fd))
        operation.accesses = distinct([*place.changed(), (UMASK, READ)])

    step("mkdir", path, perform, execution)


def _lost(execution: Execution, status: os.stat_result) -> Access:
    """A file has one link less; the order of such changes does not matter."""
    return ("node", inode_id(execution, status)), ADD


def _unlink(path: Any, *, dir_fd: int | None = None) -> None:
    execution = virtual()
    if execution is None or not is_path(path):
        return real["unlink"](path, dir_fd=dir_fd)  # type: ignore[no-any-return]

    def perform(operation: Operation) -> None:
        place = Place(execution, path, dir_fd)
        operation.accesses = distinct(place.entry(READ))
        real["unlink"](path, dir_fd=dir_fd)
        assert place.status is not None
        operation.accesses = distinct([*place.changed(), _lost(execution, place.status)])

    step("unlink", path, perform, execution)


def _emptied(execution: Execution, status: os.stat_result) -> list[Access]:
    """A directory was found empty, and is no longer linked."""
    own = inode_id(execution, status)
    return [(("listing", own), READ), (("directory", own), WRITE)]


def _looked_into(execution: Execution, status: os.stat_result | None) -> list[Access]:
    """Whether a directory is empty decided."""
    if status is None or not stats.S_ISDIR(status.st_mode):
        return []
    return [(("listing", inode_id(execution, status)), READ)]


def _rmdir(path: Any, *, dir_fd: int | None = None) -> None:
    execution = virtual()
    if execution is None or not is_path(path):
        return real["rmdir"](path, dir_fd=dir_fd)  # type: ignore[no-any-return]

    def perform(operation: Operation) -> None:
        place = Place(execution, path, dir_fd)
        place.guard("rmdir")
        operation.accesses = distinct([*place.entry(READ), *_looked_into(execution, place.status)])
        real["rmdir"](path, dir_fd=dir_fd)
        assert place.status is not None
        operation.accesses = distinct([*place.changed(), *_emptied(execution, place.status)])

    step("rmdir", path, perform, execution)


def _renamer(name: str) -> Any:
    def move(src: Any, dst: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
        execution = virtual()
        if execution is None or not is_path(src) or not is_path(dst):
            return real[name](src, dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)  # type: ignore[no-any-return]

        def perform(operation: Operation) -> None:
            source, target = Place(execution, src, src_dir_fd), Place(execution, dst, dst_dir_fd)
            source.guard(name)
            # A name that is not there is missed before the other one is looked at.
            reads = [*source.entry(READ), *(target.entry(READ) if source.status else target.reads)]
            directory, onto = (one is not None and stats.S_ISDIR(one.st_mode)
                               for one in (source.status, target.status))
            apart = source.directory != target.directory and target.directory is not None
            if directory:
                reads += _looked_into(execution, target.status)
            if apart and (directory or (onto and source.status is not None)):
                # Neither may be inside of the other; a file that goes onto a directory is told which it is.
                reads += [*source.ancestors(), *target.ancestors()]
            operation.accesses = distinct(reads)
            real[name](src, dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
            assert source.status is not None
            if target.status is not None and os.path.samestat(source.status, target.status) and _still(
                src, src_dir_fd
            ):
                return
            changes = [*reads, *source.changed(), *target.changed()]
            if target.status is not None and not os.path.samestat(source.status, target.status):
                if stats.S_ISDIR(target.status.st_mode):
                    changes += _emptied(execution, target.status)
                else:
                    changes.append(_lost(execution, target.status))
            if apart and directory:
                changes.append((("parent", inode_id(execution, source.status)), WRITE))
            operation.accesses = distinct(changes)

        target = f"{os.fsdecode(src)} -> {os.path.basename(os.fsdecode(dst))}"
        return step(name, target, perform, execution)  # type: ignore[no-any-return]

    move.__name__ = name
    return move


def _still(path: Any, dir_fd: int | None) -> bool:
    """Say whether a rename onto the same file left its old name."""
    try:
        real["lstat"](path, dir_fd=dir_fd)
    except OSError:
        return False
    return True


def _link(
    src: Any, dst: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None,
    follow_symlinks: bool = True,
) -> None:
    execution = virtual()
    options = {"src_dir_fd": src_dir_fd, "dst_dir_fd": dst_dir_fd, "follow_symlinks": follow_symlinks}
    if execution is None or not is_path(src) or not is_path(dst):
        return real["link"](src, dst, **options)  # type: ignore[no-any-return]

    def perform(operation: Operation) -> None:
        source = Place(execution, src, src_dir_fd)
        reads = source.entry(READ)
        if follow_symlinks:
            # Whether link() itself follows differs between systems.
            reads = [*reads, *Place(execution, src, src_dir_fd, follow=True).entry(READ)]
        place = Place(execution, dst, dst_dir_fd)
        operation.accesses = distinct([*reads, *place.entry(READ)] if source.status is not None else reads)
        real["link"](src, dst, **options)
        linked = inode_id(execution, real["lstat"](dst, dir_fd=dst_dir_fd))
        operation.accesses = distinct([*reads, *place.changed(), (("node", linked), ADD)])

    return step("link", dst, perform, execution)  # type: ignore[no-any-return]


def _symlink(src: Any, dst: Any, target_is_directory: bool = False, *, dir_fd: int | None = None) -> None:
    execution = virtual()
    if execution is None or not is_path(src) or not is_path(dst):
        return real["symlink"](src, dst, target_is_directory, dir_fd=dir_fd)  # type: ignore[no-any-return]

    def perform(operation: Operation) -> None:
        place = Place(execution, dst, dir_fd)
        operation.accesses = distinct(place.entry(READ))
        real["symlink"](src, dst, target_is_directory, dir_fd=dir_fd)
        born(execution, real["lstat"](dst, dir_fd=dir_fd))
        operation.accesses = distinct([*place.changed()])

    return step("symlink", dst, perform, execution)  # type: ignore[no-any-return]


def _readlink(path: Any, *, dir_fd: int | None = None) -> Any:
    execution = virtual()
    if execution is None or not is_path(path):
        return real["readlink"](path, dir_fd=dir_fd)

    def perform(operation: Operation) -> Any:
        operation.accesses = distinct(Place(execution, path, dir_fd).entry(READ))
        return real["readlink"](path, dir_fd=dir_fd)

    return step("readlink", path, perform, execution)


# -- directories for bodies ------------------------------------------------------------------------------


def fresh_dir() -> Path:
    """Return an empty directory on the fastest real file system, removed when the execution ends.

    It has the same path in every execution of one process.

    Raises:
        RuntimeError: called outside of an exploration.
    """
    execution = virtual()
    if execution is None:
        raise RuntimeError("fresh_dir() is for a body under explore(); elsewhere use tempfile.mkdtemp()")
    world = world_of(execution)
    if not world.root:
        _make_root(execution)
    path = f"{world.root}/d{world.fresh}"
    world.fresh += 1
    real["mkdir"](path, 0o700)
    born(execution, real["lstat"](path))
    return Path(path)


def fast_directory() -> str:
    """Return the directory for temporary files on the fastest file system."""
    memory = "/dev/shm"
    return memory if os.path.isdir(memory) and os.access(memory, os.W_OK) else tempfile.gettempdir()


# tempfile looks for its directory once a process: that must not be in the first execution.
tempfile.gettempdir()
_BASE = os.path.abspath(fast_directory())


def _make_root(execution: Execution) -> None:
    """Make the directory above all fresh ones. Nothing on the way to it may change."""
    root = f"{_BASE}/schedule-explorer-{real['getpid']()}"
    try:
        real["mkdir"](root, 0o700)
    except FileExistsError:
        remove_tree(root)
        real["mkdir"](root, 0o700)
    execution.at_end.append(lambda: remove_tree(root))
    world = world_of(execution)
    status = real["lstat"](root)
    world.inodes[(status.st_dev, status.st_ino)] = ROOT
    world.fixed = frozenset(key for key, _ in Place(execution, root).entry(READ))
    world.resolved.clear()
    world.root = root


def remove_tree(path: str) -> None:
    """Remove a tree for real: not a step of the program."""
    try:
        with real["scandir"](path) as scan:
            entries = [(entry.path, entry.is_dir(follow_symlinks=False)) for entry in scan]
    except PermissionError:
        real["chmod"](path, 0o700)
        with real["scandir"](path) as scan:
            entries = [(entry.path, entry.is_dir(follow_symlinks=False)) for entry in scan]
    for below, directory in entries:
        if directory:
            remove_tree(below)
        else:
            _remove(path, below)
    real["rmdir"](path)


def _remove(directory: str, path: str) -> None:
    try:
        real["unlink"](path)
    except PermissionError:
        real["chmod"](directory, 0o700)
        real["unlink"](path)


PATCHES: list[tuple[object, str, Any]] = [
    (os, "mkdir", _mkdir),
    (os, "unlink", _unlink),
    (os, "remove", _unlink),
    (os, "rmdir", _rmdir),
    (os, "rename", _renamer("rename")),
    (os, "replace", _renamer("replace")),
    (os, "link", _link),
    (os, "symlink", _symlink),
    (os, "readlink", _readlink),
    *attributes.PATCHES,
    *listings.PATCHES,
    *uncontrolled.PATCHES,
]
if hasattr(glob, "_StringGlobber"):
    # Python 3.13 binds these two when the class is made.
    PATCHES += [
        (glob._StringGlobber, "lstat", staticmethod(attributes.lstat)),
        (glob._StringGlobber, "scandir", staticmethod(listings.scandir)),
    ]
for _name in ("supports_dir_fd", "supports_fd", "supports_follow_symlinks", "supports_effective_ids"):
    # A program that asks whether a function takes a descriptor asks about ours.
    _known: Any = getattr(os, _name)
    PATCHES.append((os, _name, _known | {
        new for owner, name, new in PATCHES
        if owner is os and not name.startswith("supports") and getattr(os, name) in _known
    }))
