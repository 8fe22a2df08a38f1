"""Processes that take the processor and the disk from the runs. They end with the process that began them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

#: Each looks at its parent now and then, for a killed one ends nothing.
_COMPUTES = """
import os, sys
parent = int(sys.argv[1])
while os.getppid() == parent:
    for number in range(1000000):
        number * number
"""
_WRITES = """
import os, sys
parent, path = int(sys.argv[1]), os.path.join(sys.argv[2], "hog")
while os.getppid() == parent:
    with open(path, "wb") as file:
        for _ in range(64):
            file.write(bytes(1 << 16))
        file.flush()
        os.fsync(file.fileno())
    os.unlink(path)
"""


@contextmanager
def hogs(count: int, directory: Path) -> Iterator[None]:
    """Keep `count` processes computing, and one more writing and removing a file of 4 MiB.

    Arguments:
        directory: an existing directory; the file is in a new one below it.

    Raises:
        OSError: a process cannot be started, or the directory cannot be written.
    """
    parent = str(os.getpid())
    with ExitStack() as stack:
        own = stack.enter_context(tempfile.TemporaryDirectory(prefix="hog-", dir=directory))
        for code, arguments in (*((_COMPUTES, [parent]) for _ in range(count)), (_WRITES, [parent, own])):
            process = subprocess.Popen([sys.executable, "-I", "-c", code, *arguments])
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield
