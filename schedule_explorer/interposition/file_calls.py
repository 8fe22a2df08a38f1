"""One call on a file object, as the steps that it consists of.

A call runs in a greenlet beside its thread's, so that it can stop inside of CPython's C code before its
second system call and go on from there when its thread is chosen again. No other thread can use the object
meanwhile, as with the lock inside of CPython's buffers. The text layer has no such lock, nor has a raw file
that is read to its end: others could get in wherever the interpreter is let go of for a system call, and find
what is decoded or pending half done. Calls that could overlap so are noted, and nothing is proved then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import greenlet

from schedule_explorer.interposition.context import atomic
from schedule_explorer.interposition.descriptors import touched
from schedule_explorer.interposition.file_steps import distinct
from schedule_explorer.interposition.paths import world_of
from schedule_explorer.operations import WRITE, Access, Accesses, Gate, Key, Operation
from schedule_explorer.runtime import Execution


class Record:
    """What all layers of one file object share.

    Attributes:
        fd: the descriptor.
        key: stands for the object and its buffers.
        gate: open while no thread is in the middle of a call.
        most: all that a call can touch.
        name: for people.
        writable: whether bytes can be changed through it.
        call: the call under way, if any.
        finalizing: it is being collected: nobody else can see it, and nothing may be switched.
        looking: it is being asked whether it is closed, within one step.
        fresh: nobody has called anything on it since it was made.
        unguarded: from so many system calls on a call can be disturbed by another; 0: by none.
        calls: all that ended, as (event that it began in, number of its system calls).
    """

    __slots__ = ("call", "calls", "execution", "fd", "finalizing", "fresh", "gate", "key", "looking", "most",
                 "name", "unguarded", "writable")

    def __init__(self, execution: Execution, fd: int, name: str, writable: bool) -> None:
        self.execution = execution
        self.fd = fd
        self.key: Key = ("file", *execution.new_id())
        self.gate: Gate = (self.key, "free")
        most = [(key, WRITE) for key, _ in touched(execution, fd, WRITE, WRITE)]
        description = world_of(execution).descriptors.get(fd)
        if description is not None:
            most.append((("flock", description.inode), WRITE))
        self.most: Accesses = ((self.key, WRITE), *most)
        self.name = name
        self.writable = writable
        self.call: Call | None = None
        self.fresh = True
        self.finalizing = False
        self.looking = False
        #: a raw file is read to its end by several calls; a buffer would guard it
        self.unguarded = 2
        self.calls: list[tuple[int, int]] = []

    def free(self) -> bool:
        """No thread is in the middle of a call."""
        return self.call is None

    def busy_here(self) -> bool:
        """The calling thread is in the middle of a call: this one is part of it."""
        return self.call is not None and self.call.thread is self.execution.current


class Call:
    """A call on a file object, which stops before each system call but the first of a step."""

    __slots__ = ("accesses", "error", "event", "finished", "function", "key", "record", "result", "systems",
                 "thread", "used", "worker")

    def __init__(self, record: Record, function: Callable[[], Any]) -> None:
        self.record = record
        self.key = record.key
        self.thread = record.execution.current
        self.function: Callable[[], Any] | None = function
        self.accesses: list[Access] = []
        self.used = False
        #: how many system calls it has made, and the event that it began in
        self.systems = 0
        self.event = -1
        self.finished = False
        self.result: Any = None
        self.error: BaseException | None = None
        #: the greenlet that it runs in; None when all of it is one step
        self.worker: Any = None

    def begin(self, operation: Operation) -> None:
        """Take the object, and go up to the end or to the second system call."""
        operation.opened = (self.record.gate,)
        self.record.call = self
        execution = self.record.execution
        self.event = len(execution.trace.events) - 1
        world = world_of(execution)
        if world.workers is None:
            idle: list[Any] = []
            world.workers = idle
            execution.at_end.append(lambda: _end(idle))
        self.worker = world.workers.pop() if world.workers else greenlet.greenlet(_work)
        self.worker.parent = greenlet.getcurrent()
        self._go(operation, self)

    def advance(self, operation: Operation) -> None:
        """Go on up to the end or to the next system call."""
        self.used = False
        self._go(operation, None)

    def _go(self, operation: Operation, what: Call | None) -> None:
        self.worker.switch(what)
        operation.accesses = distinct([(self.key, WRITE), *self.accesses])
        self.accesses = []

    def whole(self, operation: Operation) -> None:
        """Do all of it at once."""
        operation.opened = (self.record.gate,)
        self.record.call = self
        self.finished = True
        assert self.function is not None
        try:
            self.result = self.function()
        finally:
            operation.accesses = distinct([(self.key, WRITE), *self.accesses])

    def system(self) -> None:
        """A system call comes next: let others move, unless it is the first of its step."""
        if self.used and self.worker is not None:
            self.worker.parent.switch()
        self.used = True
        self.systems += 1

    def end(self) -> None:
        """Give the object back; when the execution has ended in the middle of the call, unwind it."""
        record = self.record
        if record.call is self:
            record.call = None
        if self.event >= 0:
            record.calls.append((self.event, self.systems))
            if record.unguarded:
                record.execution.trace.unguarded[record.key] = (record.unguarded, record.calls)
        if self.worker is None:
            return
        if not self.finished:
            self.worker.parent = greenlet.getcurrent()
            self.worker.throw(greenlet.GreenletExit)
        if self.finished:
            idle = world_of(record.execution).workers
            if idle is not None:
                idle.append(self.worker)


def _work(call: Call) -> None:
    """Run one call after another: a new greenlet for each would cost more than most calls do."""
    while True:
        try:
            assert call.function is not None
            call.result = call.function()
        except BaseException as error:
            call.error = error
        call.finished = True
        call.function = None
        # The frame of a greenlet is out of the collector's sight: what it held would live for ever.
        del call
        call = greenlet.getcurrent().parent.switch()


def _end(idle: list[Any]) -> None:
    """End the greenlets that wait for a call; they hold the one that they came from."""
    while idle:
        worker = idle.pop()
        worker.parent = greenlet.getcurrent()
        worker.throw(greenlet.GreenletExit)


def run(record: Record, name: str, function: Callable[[], Any]) -> Any:
    """Make a call on a file object, in as many steps as it takes."""
    execution = record.execution
    record.fresh = False
    thread = execution.current
    assert thread is not None
    call = Call(record, function)
    kind = f"file.{name}"
    try:
        if thread.atomic or record.finalizing:
            with atomic(execution):
                execution.step(Operation(kind, record.name, call.whole, record.free, record.most))
            return call.result
        execution.step(
            Operation(kind, record.name, call.begin, record.free, record.most, gate=record.gate)
        )
        while not call.finished:
            execution.step(Operation(kind, record.name, call.advance, accesses=record.most))
        if call.error is not None:
            error, call.error = call.error, None
            try:
                raise error
            finally:
                del error
        return call.result
    finally:
        call.end()
