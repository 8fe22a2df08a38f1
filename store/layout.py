"""What the store makes on disk, and how a session proves that it is alive.

    base_dir/_boundary_snapshots/            shared by all stores on this directory
        session-5f2c9d0e81b7a364/            of one store, which holds the lock (flock) of this directory
            live/0000000000000000.safetensors    one file a generation; nothing else is ever in here
            staging-0/0000000000000001.part      what the writer has in hand
            trash-0/0000000000000001.part        the same, after a cleanup gave up waiting for the writer

Names are drawn or counted and never derived from an id, so that no id can reach a path. The name of a session
is never used again, also where somebody removed its directories, and a generation's names are its own: an
operation that comes late finds nothing, and hits nobody else's file. The lock is on the directory itself: a
file that stood for it could be removed while the rest stays, and a live session would be taken for dead.

A file gets into ``live`` by one rename from staging; a cleanup that cannot wait for that rename takes its
source away instead (renaming the directory, which takes no lock of the file that is being written), and a
late rename then fails.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import re
import shutil
import stat
from typing import NamedTuple

from store import forks
from store.forks import Descriptor
from store.texts import shown

logger = logging.getLogger("store")
_ROOT = "_boundary_snapshots"
_SESSION = re.compile(r"session-[0-9a-f]+")
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
#: what flock says of a directory where it cannot be locked, as on NFS
_NO_LOCKS = (errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
#: names tried for a session: as many times a sweep would have to take it away before it has its lock
_ATTEMPTS = 1000


class Place(NamedTuple):
    """The names that belong to one generation."""

    staging: str
    trash: str
    name: str
    final: str

    @property
    def part(self) -> str:
        """The file while it is being written."""
        return os.path.join(self.staging, self.name)


class Layout:
    """The directories of one session, and its lock.

    After construction only the writer changes an attribute, and only the store removes the whole.
    """

    def __init__(self, base_dir: str | os.PathLike[str]) -> None:
        """Make the directories, take the lock and remove what dead sessions left.

        Raises:
            OSError: `base_dir` is not a directory, cannot be written, or what is to be the store's own
                directory in it is something else (a link, for one).
            TypeError: it is no path.
            ValueError: it is a path that no directory can have.
        """
        if not isinstance(base_dir, str | os.PathLike):
            raise TypeError(f"base_dir is {shown(base_dir)}: give the path of a directory")
        base = os.fspath(base_dir)
        if not isinstance(base, str) or not base or "\0" in base:
            raise ValueError(f"base_dir must be the name of a directory, not {base!r}")
        # A link that is the base directory itself is the operator's: it is followed now, and never again.
        self.base = os.path.realpath(base)
        if not _is_text(self.base):
            raise ValueError(f"MLX loads no file of a directory whose name is not UTF-8: {self.base!r}")
        self.root = os.path.join(self.base, _ROOT)
        self.session = ""
        #: the lock: closing its descriptor lets it go, when nobody has this object any more at the latest
        self._lock: Descriptor | None = None
        self._staging = -1
        self._process = forks.process
        self.claim()

    # -- the session -------------------------------------------------------------------------------

    def claim(self) -> None:
        """Begin a session: at the start, and again when somebody removed the directories of this one."""
        self.release()
        try:
            os.makedirs(self.base, 0o700, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            said = "base_dir is, or is below, something that is no directory: remove that, or choose another"
            raise NotADirectoryError(errno.ENOTDIR, said, self.base) from None
        _own_directory(self.root)
        self._sweep()
        for _ in range(_ATTEMPTS):
            session = os.path.join(self.root, f"session-{os.urandom(8).hex()}")
            lock = _begin(session)
            if lock is not None:
                self.session, self._lock = session, lock
                os.mkdir(os.path.join(session, "live"), 0o700)
                self.next_staging()
                return
        raise FileExistsError(errno.EEXIST, "no free session name", self.root)

    def _sweep(self) -> None:
        """Remove the sessions that nobody holds."""
        found = [name for name in os.listdir(self.root) if _SESSION.fullmatch(name)]
        for name in sorted(found):
            try:
                _sweep_one(os.path.join(self.root, name))
            except OSError as error:
                logger.warning("the session %s in %s was not swept: %s", name, self.root, error)

    @property
    def inherited(self) -> bool:
        """Say whether this process is a child of the one that made the session, and has no right to it."""
        return self._process is not forks.process

    def release(self) -> None:
        """Let the lock go: from now on any store may remove what the session left."""
        if self._lock is not None:
            self._lock.close()

    def destroy(self) -> bool:
        """Remove the session with all that is in it, and let the lock go. Say whether nothing of it is left.

        Of several callers one removes, and the others say what they find: False while that one is at it.
        What cannot be removed stays this store's, and may be tried again.
        """
        # The lock is passed on to one caller alone, by assignments: no thread and no interrupt comes between.
        lock, self._lock = self._lock, None
        if lock is None:
            return gone(self.session)
        try:
            if lock.fd >= 0:  # and not in a child that was forked
                _remove_session(self.session, lock.fd)
        except OSError as error:
            logger.warning("the session %s was not removed: %s", self.session, error)
        finally:
            try:
                removed = gone(self.session)
                if removed:
                    lock.close()
            finally:
                self._lock = lock
        return removed

    # -- one generation ------------------------------------------------------------------------------

    def place(self, sequence: int) -> Place:
        """Name what belongs to a generation that the writer takes now."""
        staging = os.path.join(self.session, f"staging-{self._staging}")
        return Place(
            staging,
            os.path.join(self.session, f"trash-{self._staging}"),
            f"{sequence:016x}.part",
            os.path.join(self.session, "live", f"{sequence:016x}.safetensors"),
        )

    def next_staging(self) -> None:
        """Make a staging directory that has a new name: the old one may be taken away at any time."""
        self._staging += 1
        os.mkdir(os.path.join(self.session, f"staging-{self._staging}"), 0o700)

    def repair(self) -> None:
        """Make anew what somebody removed. A session that is gone altogether is begun again elsewhere."""
        try:
            _own_directory(os.path.join(self.session, "live"))
            self.next_staging()
        except FileNotFoundError:
            if os.path.realpath(self.base) != self.base:
                said = "there is a link in base_dir by now, and the store follows no link"
                raise NotADirectoryError(errno.ENOTDIR, said, self.base) from None
            self.claim()


def create(place: Place) -> int:
    """Open a new file in staging."""
    key = object()
    try:
        forks.begin(key)
        fd = os.open(place.part, _NEW_FILE, 0o600)
        forks.DESCRIPTORS.add(fd)
    finally:
        forks.end(key)
    return fd


def close(fd: int) -> None:
    """Close a file that `create` opened."""
    key = object()
    try:
        forks.begin(key)
        # First, for as soon as it is closed the number may be that of another file.
        forks.DESCRIPTORS.discard(fd)
        os.close(fd)
    finally:
        forks.end(key)


def publish(place: Place) -> None:
    """Move a whole file into the live tree: one rename, which replaces nothing."""
    os.rename(place.part, place.final)


def steal(place: Place) -> None:
    """Take the staging directory away under the writer's hands, and what it may have published meanwhile.

    In this order: when the first rename is done, the writer's can succeed no more; when it came before,
    the file is in the live tree by now, and nobody writes to it.
    """
    _take_away(place)
    remove_file(place.final)


def remove_stolen(place: Place) -> None:
    """Remove a staging directory that was, or is just being, taken away.

    It is taken away here too: whoever comes second finds nothing to rename, and from then on the directory
    has one name, which nobody changes.
    """
    _take_away(place)
    remove_file(os.path.join(place.trash, place.name))
    try:
        os.rmdir(place.trash)
    except FileNotFoundError:
        pass


def _take_away(place: Place) -> None:
    try:
        os.rename(place.staging, place.trash)
    except FileNotFoundError:
        pass


def remove_file(path: str) -> None:
    """Remove a file that may be gone."""
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        pass


def gone(path: str) -> bool:
    """Say whether there is certainly nothing of this name: an error of the disk says nothing."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        pass
    return False


# -- sessions ------------------------------------------------------------------------------------------------


def _own_directory(path: str) -> None:
    """Make a directory for the owner alone, or make sure that it is one."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        status = os.lstat(path)
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(
                errno.ENOTDIR, "the store needs a directory of this name, and follows no link", path
            ) from None
        if status.st_uid != os.geteuid():
            said = f"it belongs to user {status.st_uid}: remove it, or choose another base_dir"
            raise PermissionError(errno.EPERM, said, path) from None
        if status.st_mode & 0o077:
            os.chmod(path, 0o700)


def _begin(session: str) -> Descriptor | None:
    """Make a session and take its lock; None when the name is taken, or a sweep was faster."""
    try:
        os.mkdir(session, 0o700)
    except FileExistsError:
        return None
    try:
        return _hold(session)
    except OSError as error:
        os.rmdir(session)
        if error.errno not in _NO_LOCKS:
            raise
        said = "directories cannot be locked here: base_dir must be on a local file system"
        raise OSError(error.errno, said, session) from None


def _hold(session: str) -> Descriptor | None:
    """Take the lock of a session; None when somebody else has it, or the session is gone.

    Until its owner has the lock, a sweep may take a session for dead. It removes one with the lock in its
    hands: so whoever gets the lock, and then still finds the directory under its name, has it.

    Raises:
        OSError: it is no directory, or nothing can be locked on this file system.
    """
    lock = Descriptor()
    try:
        lock.open(session, _DIRECTORY)
        fcntl.flock(lock.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(lock.fd), os.lstat(session)):
            return lock
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        lock.close()
        raise
    lock.close()
    return None


def _sweep_one(session: str) -> None:
    """Remove a session unless somebody holds its lock."""
    lock = _hold(session)
    if lock is not None:
        try:
            _remove_session(session, lock.fd)
        finally:
            lock.close()


def _remove_session(session: str, fd: int) -> None:
    """Remove a session, by the descriptor that has its lock: a link that took its name leads nowhere.

    Raises:
        OSError: something was not removed, or the name is that of something else by now, which stays.
    """
    key = object()
    try:
        # A child would have the lock by the copy of the descriptor that this makes.
        forks.begin(key)
        with os.scandir(fd) as entries:
            found = list(entries)
    finally:
        forks.end(key)
    errors = []
    for entry in found:
        try:
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.name, dir_fd=fd)
            else:
                os.unlink(entry.name, dir_fd=fd)
        except OSError as error:
            # One that cannot be removed keeps no other.
            errors.append(error)
            shutil.rmtree(entry.name, ignore_errors=True, dir_fd=fd)
    if errors:
        raise errors[0]
    try:
        if not os.path.samestat(os.fstat(fd), os.lstat(session)):
            raise FileExistsError(errno.EEXIST, "it was emptied, and something else has its name", session)
        os.rmdir(session)
    except FileNotFoundError:
        pass


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
