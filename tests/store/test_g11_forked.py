"""G11, G1: a child that is forked, whenever that is, keeps nothing of its parent and touches nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from store_support import LONG

from store import forks

HERE = Path(__file__).parent


def forked(program: str, base: Path) -> str:
    """Return what a program says that forks; in a process of its own, without threads of other tests."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent.parent), str(HERE)])}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), base], env=environment, capture_output=True,
        text=True, timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_child_that_is_forked_while_a_lock_is_taken_has_none(tmp_path: Path) -> None:
    said = forked("""
        import fcntl, os, sys
        from store import layout
        real, ready, gate = fcntl.flock, os.pipe(), os.pipe()

        def flock(fd, operation):
            real(fd, operation)
            if os.fork() == 0:
                os.close(gate[1])
                os.write(ready[1], b".")
                os.read(gate[0], 1)
                os._exit(0)
            fcntl.flock = real

        fcntl.flock = flock
        first = layout.Layout(sys.argv[1])
        os.read(ready[0], 1)
        first.release()
        second = layout.Layout(sys.argv[1])
        print(layout.gone(first.session), second.destroy())
    """, tmp_path)
    assert said == "True True\n"


def test_a_child_that_is_forked_during_a_write_does_not_have_the_file(tmp_path: Path) -> None:
    """It would keep the blocks of a file that a cleanup removed."""
    said = forked("""
        import os, sys
        from store_support import *
        from store import writer

        def open_files():
            found = []
            for fd in os.listdir("/dev/fd"):
                try:
                    status = os.fstat(int(fd))
                except OSError:
                    continue
                found += [fd for entry in parts if os.path.samestat(entry, status)]
            return found

        disk = Disk()
        writer.write_snapshot = disk.write
        store = BoundarySnapshotStore(sys.argv[1])
        arrived, gate = disk.hold("a", after=True)
        save(store, "a")
        assert arrived.wait(LONG)
        parts = [os.stat(os.path.join(sys.argv[1], name)) for name in files(sys.argv[1])]
        assert len(parts) == len(open_files()) == 1
        child = os.fork()
        if child == 0:
            os._exit(len(open_files()))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        gate.set()
        settled(store)
        assert values(store.load("a", 0)) == [1.0] * 4
        print(len(writer.layout.forks.DESCRIPTORS))
    """, tmp_path)
    assert said == "0\n0\n"


@pytest.mark.parametrize("call", ["open", "close"])
@pytest.mark.parametrize("what", ["part", "session"])
def test_a_child_that_is_forked_while_a_descriptor_is_not_known_does_not_have_it(
    tmp_path: Path, call: str, what: str
) -> None:
    """After the system call that opens it and before the entry; before the one that closes it."""
    said = forked(f"""
        import os, sys, threading
        from store_support import *

        real_open, real_close = os.open, os.close
        chosen, forks, codes = None, [], []

        def copies(status):
            found = 0
            for fd in os.listdir("/dev/fd"):
                try:
                    found += os.path.samestat(status, os.fstat(int(fd)))
                except OSError:
                    pass
            return found

        def fork(status, done):
            child = os.fork()
            if child == 0:
                os._exit(copies(status))
            done.set()
            codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

        def fork_now(fd):
            done = threading.Event()
            forks.append(threading.Thread(target=fork, args=(os.fstat(fd), done)))
            forks[-1].start()
            done.wait(0.2)

        def opened(path, *arguments, **options):
            global chosen
            fd = real_open(path, *arguments, **options)
            name = os.path.basename(str(path))
            if chosen is None and (name.startswith("session-") if {what!r} == "session" else ".part" in name):
                chosen = fd
                if {call!r} == "open":
                    fork_now(fd)
            return fd

        def closing(fd):
            if {call!r} == "close" and fd == chosen and not forks:
                fork_now(fd)
            real_close(fd)

        os.open, os.close = opened, closing
        store = BoundarySnapshotStore(sys.argv[1])
        save(store, "a")
        settled(store)
        store.shutdown(cleanup=True)
        for thread in forks:
            thread.join()
        print(codes)
    """, tmp_path)
    assert said == "[0]\n"


def test_a_fork_waits_for_a_hanging_disk_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forks, "LONGEST", 0.01)
    other = threading.Thread(target=forks.begin, args=("hanging",))
    other.start()
    other.join()
    forks._before()
    waits = threading.Thread(target=forks.begin, args=("file",))
    waits.start()
    waits.join(LONG)
    assert not waits.is_alive(), "nor do files wait longer for a fork"
    assert set(forks._busy) == {"hanging"}, "it was not entered while the fork saw it"
    forks._after_in_parent()
    forks.end("hanging")
    assert not forks._busy and not forks._forking


def test_a_child_leaves_alone_what_is_its_parents(tmp_path: Path) -> None:
    said = forked("""
        import os, sys
        from store_support import *

        with BoundarySnapshotStore(sys.argv[1]) as store:
            save(store, "a")
            settled(store)
            child = os.fork()
            if child == 0:
                with store._lock:  # as a thread may have, which is not in the child
                    said = store.cleanup_all(), store.cleanup_request("a"), store.shutdown(cleanup=True)
                    print(*map(bool, said), flush=True)
                    sys.exit()
            os.waitpid(child, 0)
            print(values(store.load("a", 0)))
    """, tmp_path)
    assert said == "False False False\n[1.0, 1.0, 1.0, 1.0]\n"
