"""What the store makes on disk, and how a session proves that it is alive.

    base_dir/_boundary_snapshots/            shared by all stores on this directory
        session-5f2c9d0e81b7a364/            of one store; whoever holds the lock on `lock` owns it
            lock
            live/0000000000000000.safetensors    one file a generation; nothing else is ever in here
            staging-0/0000000000000001.part      what the writer has in hand
            trash-0/0000000000000001.part        the same, after a cleanup gave up waiting for the writer

Names are drawn or counted and never derived from an id, so that no id can reach a path. The name of a session
is never used again, also where somebody removed its directories, and a generation's names are its own: an
operation that comes late finds nothing, and hits nobody else's file. A file gets into ``live`` by one
rename from staging; a cleanup that cannot wait for that rename takes its source away instead (renaming
the directory, which takes no lock of the file that is being written), and a late rename then fails.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import re
import shutil
import stat
import weakref
from typing import Any, NamedTuple

logger = logging.getLogger("store")
_ROOT = "_boundary_snapshots"
_LOCK = "lock"
_SESSION = re.compile(r"session-[0-9a-f]+")
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
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
        """
        base = os.fspath(base_dir)
        if not isinstance(base, str) or not base or "\0" in base:
            raise ValueError(f"base_dir must be the name of a directory, not {base!r}")
        # A link that is the base directory itself is the operator's: it is followed now, and never again.
        self.base = os.path.realpath(base)
        self.root = os.path.join(self.base, _ROOT)
        self.session = ""
        #: closes the lock file: when it is called, or when nobody has this object any more
        self._unlock: Any = None
        self._staging = -1
        self.claim()

    # -- the session -------------------------------------------------------------------------------

    def claim(self) -> None:
        """Begin a session: at the start, and again when somebody removed the directories of this one."""
        self.release()
        os.makedirs(self.base, 0o700, exist_ok=True)
        _own_directory(self.root)
        self._sweep()
        for _ in range(_ATTEMPTS):
            session = os.path.join(self.root, f"session-{os.urandom(8).hex()}")
            fd = _begin(session)
            if fd >= 0:
                self.session = session
                self._unlock = weakref.finalize(self, os.close, fd)
                self._unlock.atexit = False
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

    def release(self) -> None:
        """Let the lock go: from now on any store may remove what the session left."""
        if self._unlock is not None:
            self._unlock()

    def destroy(self) -> bool:
        """Remove the session with all that is in it, and let the lock go. Say whether nothing of it is left.

        Of several callers one removes, and the others say what they find: False while that one is at it.
        """
        # The lock is passed on to one caller alone.
        held = None if self._unlock is None else self._unlock.detach()
        if held is not None:
            _, close, (fd,), _ = held
            try:
                _remove_session(self.session)
            except OSError as error:
                logger.warning("the session %s was not removed: %s", self.session, error)
            finally:
                close(fd)
        return not os.path.lexists(self.session)

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
            self.claim()


def create(place: Place) -> int:
    """Open a new file in staging."""
    return os.open(place.part, _NEW_FILE, 0o600)


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
        if status.st_mode & 0o077:
            os.chmod(path, 0o700)


def _begin(session: str) -> int:
    """Make a session and take its lock; -1 when the name is taken.

    1. Until the lock is held, a sweep may take the session for dead and remove it.
    2. It does so while there is no such file, or with the lock of the same file in its hands.
    3. So: whoever makes the file alone, gets its lock, and then still finds it under its name, has it.
    """
    try:
        os.mkdir(session, 0o700)
    except FileExistsError:
        return -1
    try:
        fd = os.open(os.path.join(session, _LOCK), _NEW_FILE, 0o600)
    except (FileExistsError, FileNotFoundError):
        return -1
    try:
        if _locked(fd, os.path.join(session, _LOCK)):
            return fd
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return -1


def _locked(fd: int, path: str) -> bool:
    """Take the lock of a file, and say whether it was had and the file is still the one of that name."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(fd), os.lstat(path))
    except (BlockingIOError, FileNotFoundError):
        return False


def _sweep_one(session: str) -> None:
    """Remove a session unless somebody holds its lock."""
    try:
        directory = os.open(session, _DIRECTORY)
    except FileNotFoundError:
        return
    try:
        fd = _open_lock(session, directory)
    except FileNotFoundError:
        return  # somebody else has just removed it
    finally:
        os.close(directory)
    try:
        if _locked(fd, os.path.join(session, _LOCK)):
            _remove_session(session)
    finally:
        os.close(fd)


def _open_lock(session: str, directory: int) -> int:
    """Open the lock of a session.

    One that has no lock yet, or no more, is empty and is removed: whoever is about to remove it finds it
    gone, whoever is about to make the lock takes another name. In one that is not empty somebody removed the
    lock, and it is made.

    Raises:
        FileNotFoundError: the session is gone.
    """
    try:
        return os.open(_LOCK, os.O_RDWR | os.O_NOFOLLOW, dir_fd=directory)
    except FileNotFoundError:
        try:
            os.rmdir(session)
        except FileNotFoundError:
            raise
        except OSError:
            return os.open(_LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600, dir_fd=directory)
        raise


def _remove_session(session: str) -> None:
    """Remove a session whose lock is held. The lock goes last: whoever finds less finds it locked."""
    with os.scandir(session) as entries:
        others = [entry for entry in entries if entry.name != _LOCK]
    for entry in others:
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)
    remove_file(os.path.join(session, _LOCK))
    try:
        os.rmdir(session)
    except FileNotFoundError:
        pass
