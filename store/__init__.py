"""Boundary snapshots: a store that forgets when it is told to.

A model server saves snapshots of its prompt cache and reads them back; when a request is aborted, nothing
of it may be left, in memory or on disk. `BoundarySnapshotStore` is all that a server needs. This note says
how it keeps its promises; G1 to G14 are the guarantees, and ``tests/store`` has a module for each.

The parts: ``boundary_store`` has the calls, ``generation`` one save, ``state`` the tables and every change of
them (no lock, thread or file in there), ``writer`` the thread, ``layout`` the names on disk and the lock of a
session, ``forks`` what a forked child has of all that, ``codec`` the snapshot as a file, ``outcomes`` what is
answered, ``texts`` what is said of values and errors.

One save
========

A save that is accepted is a *generation*: an object of its own. Nothing is ever counted or cancelled by id,
so what happens to one generation cannot reach another one of the same id.

::

               accept             take              wrote
    save() ─────────────> queued ──────> in hand ──────────> on disk
                            │              │  │                 │ forgotten, or replaced on disk
                            │              │  │ failed          v
                            │              │  └──────> failed   leaving ──removed──┐
                            │ forgotten or │ forgotten or │                         │
                            │ superseded   v superseded   │ forgotten or superseded │
                            │           cancelled         │                         v
                            │              │ let go       └───────────────────> released
                            └──────────────┴──────────────────────────────────────^

* *queued*, *in hand*, *failed*: `load` serves it from memory. *on disk*: from its file.
* *cancelled*: in hand, and nobody can load it any more, because a cleanup forgot it or a newer save of its
  key superseded it. The writer still reads the arrays, so their bytes are still counted; it stops after the
  present system call, removes what it wrote, and lets go.
* *leaving*: nobody can load it, and its file is to be removed. It stays in a table until the file is gone,
  so that every later cleanup of the request finds it, and removes it too or waits for nobody.
* *released*: no table, no array and no file.

The arrays are referred to by `Generation.payload` alone (and by whoever is inside the write or a `load`).

Lock order, and who waits for whom
==================================

There is one lock, and nothing is waited for while it is held: so there is no order to break. (A second one is
for the list of saves that have begun, and held for one look or entry.) Under it run
dict operations and releases of what others wait for; no file operation, no logging, no call of the caller's
code (ids and token counts are plain values there), no MLX, and no memory is given back: `StoreState.drain`
hands what was let go to whoever has the lock (G7). More bare locks serve as signals, and one as a flag of the
finalizer, and guard nothing; none is waited for under the lock.

* The writer waits for its signal, without a timeout.
* A cleanup waits for the writer to be done with one generation that the cleanup covers, at most for its
  timeout, and a shutdown for the end of the writer: by a lock of its own (`held`), which the writer lets go.
  Nobody else waits: a save, a look, or the cleanup of another request never does (G6).

Linearization points
====================

save
    The lock section of `StoreState.accept`: tables, queue slot and bytes change at once, or not at all. One
    that a cleanup covers which came after the save began, and before that section: the moment before the
    section of `forget`; nothing is kept of it. One that is refused before its arrays are evaluated: the look
    at a flag that never changes back (the store is shut down, the writer is dead), or the lock section of
    `StoreState.refuse` (it is full).
load, has
    The lock section that looks the key up. A `load` that then finds its file gone looks again: whatever
    removed it (a cleanup, a newer save) is in the tables by then. If the key still has that generation,
    somebody else removed the file; that is logged, and forgetting it is one more lock section.
cleanup_request, cleanup_all
    The lock section of `StoreState.forget`. What follows only removes files that nobody can reach.
shutdown
    The lock section of `StoreState.close`, which with ``cleanup=True`` is the one of `forget`.

Why each guarantee holds
========================

G1
    `forget` finds every generation of a request: those of saves that have begun; those in `current`; the
    older file that one of them replaces; those `leaving`; and the one in hand. In a save: `accept` keeps
    nothing of it. On disk: the cleanup unlinks it. Queued: no file was
    ever made. In hand: the writer writes in staging, and only its one rename makes a name in the live tree.
    Either the cleanup sees the writer let go, which it does after it removed the names; or the time is
    over, and the cleanup renames the staging directory away and then unlinks the final name. After the
    first, the writer's rename fails for want of its source; had it come before, the second removed its
    result. The name belongs to this generation, so the unlink hits nothing else. The directory is renamed
    rather than the file, because a rename of the file would wait for the write that is stuck.

    A cleanup that is interrupted (Ctrl-C, or what a signal handler raises) makes all of what it covers
    unreachable or nothing, and what an interrupted call has taken out of `current` is in another table by
    then: `StoreState.settle` goes on with it at the next save, cleanup or step of the writer. Files that it
    was to remove stay, in the table of those that leave, until the next cleanup that covers them. A save that
    is interrupted was accepted or was not: `has` tells. The same goes for a call that runs short of memory.
G2
    The first thing the writer does when its operation returns is to look at the phase. For *cancelled* it
    removes its file. When a cleanup has given up on it, it takes the staging directory away itself, for the
    cleanup may be about to: whoever is second finds nothing to rename. It removes the directory under its
    last name, and goes on in a new one.
G3
    Accepted means in `current` with its payload, and the payload is let go only by `wrote` (the file is
    whole, closed and renamed), by being superseded, or by a cleanup. A failed write keeps both, and so does
    one of what no file gives back as it was: see `codec`. A directory that vanished is made anew, and the
    write tried once more.
G4
    `current` has the newest. An older file is removed only when the newer one is on disk, and by its own
    name.
G5
    A cleanup marks generation objects; a later save is a new object with new names.
G6
    `forget` touches the tables of one request, and a cleanup waits for one generation.
G7
    Above. A data write is on the writer's thread alone.
G8
    `pending_bytes` changes where a payload is set or cleared and nowhere else; what was let go and is not yet
    dropped is counted beside it. The writer holds no array in a local variable between two tasks, nor in the
    traceback of a failed write.
G9
    Handles: see `codec`. A load from disk is evaluated before it returns; a file is renamed when it is
    whole; its name is never used again.
G10
    Closing is a flag under the lock, and the writer leaves when the queue is empty. The session is removed by
    who is last: a shutdown that finds the writer running leaves that to it. The thread refers to
    the tables, not to the store: a finalizer of the store signals it, without any lock, because a finalizer
    may run in the middle of anything.
G11
    A session is removed only by who holds the lock (flock) of its directory and finds that under its name;
    see `layout`. Its name is never used again. The kernel drops the lock when the process ends, however it
    ends; a child that was forked lets go of it as it begins, and of the file that is being written (see
    `forks`), and none of its cleanups, and no ``with`` that it leaves, touches what is its parent's.
G12
    No name on disk comes from an id. Files are made with O_EXCL and O_NOFOLLOW in directories of the owner;
    one of another user is refused. A session is removed by the descriptor that has its lock, not by its path,
    so that a link in place of a directory above loses nobody's files; nor is a session begun behind a link
    that was not there at the start.
G13
    Whatever ends the loop of the writer is caught, told to the tables, and refuses saves from then on. What
    was accepted stays loadable from memory, and cleanups do their own work. What is in hand has its names
    already, so that there is always something to remove it by.
G14
    The points above, each inside its call, on tables that are changed under one lock.

Limits: a process that was forked must not use the store of its parent, for it has no writer; nor may a
signal handler or a finalizer of the caller call the store, for what they interrupt may hold its lock. A fork
waits a second at most for a disk that hangs as it opens or closes a file, and its child may keep that. Files
are not synced to the device: they are ephemeral, and the next start sweeps them. At the exit of a process
without `shutdown` its files stay until then. `base_dir` must be on a file system that locks directories. MLX
lets an array keep a buffer that is up to 16 KB larger than the array, and these bytes are not counted, nor
are texts, numbers and containers. MLX keeps a thread of the system for every thread that has evaluated
anything, also when that one has ended: save and load from a fixed set of threads. A program that writes into
an array's buffer behind MLX's back (through `memoryview` or NumPy) changes what was saved, as long as it is
not on disk.
"""

from __future__ import annotations

try:
    import mlx.core as _mlx  # noqa: F401
except ImportError as error:
    raise ImportError(
        "the snapshot store needs MLX: install it with `pip install mlx` on macOS, or "
        "`pip install 'mlx[cpu]'` (or 'mlx[cuda]') on Linux"
    ) from error

from store.boundary_store import BoundarySnapshotStore
from store.outcomes import CleanupOutcome, StoreStats

#: the name of the class that this one takes the place of: a server changes one import line
BoundarySnapshotSSDStore = BoundarySnapshotStore

__all__ = ["BoundarySnapshotSSDStore", "BoundarySnapshotStore", "CleanupOutcome", "StoreStats"]
