"""Every error that the explorer itself raises; each names what was met, where, and the remedy."""

from __future__ import annotations


class ExplorerError(Exception):
    """The exploration cannot go on; the program under test is not what failed."""


class InvalidBodyError(ExplorerError, TypeError):
    """The body is not callable, takes arguments, or returns a coroutine."""


class InvalidTokenError(ExplorerError, ValueError):
    """The schedule token is malformed, or made by a version that cannot be replayed here."""


class DivergenceError(ExplorerError):
    """The same choices led to another operation: something uncontrolled decides."""


class UncontrolledThreadError(ExplorerError):
    """A real thread was started during the exploration."""


class UncontrolledCallError(ExplorerError):
    """A call that reads or changes files, or starts a process, in a way that no step stands for."""


class UncontrolledBlockingError(ExplorerError):
    """A step did not return: a real lock, a blocking call that is not interposed, or a loop."""


class StepLimitError(ExplorerError):
    """One execution made more operations than the limit: probably a loop without a wait."""


class DeadlockError(Exception):
    """The program under test failed: a thread is blocked for ever. The text is the wait-for table."""


class LeakedThreadError(Exception):
    """The program under test failed: a non-daemon thread never ends."""


class OrphanFileError(Exception):
    """The program under test failed: a file is left that should have been removed."""


class ExecutionOverError(RuntimeError):
    """An object made in one execution was used after its end, by a finalizer say."""
