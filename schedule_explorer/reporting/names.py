"""What things are called in a report: objects, paths, threads and source lines, cut to fit.

Nothing here depends on the machine: an object is numbered within its kind, in the order of creation,
among those that the trace mentions (``Lock#1``), and an operation on it is written as a call
(``Lock#1.acquire``); a path below `fresh_dir` begins at the name of that
directory (``d0/cache/f``); a source file is shown by its last component.
"""

from __future__ import annotations

import linecache
import re
from types import TracebackType

from schedule_explorer.runtime import Frames, Trace
from schedule_explorer.runtime.trace import internal

_NUMBERED = re.compile(r"(\w+) (-?\d+)\.(\d+)")
_FRESH = re.compile(r"[^\s'\"]*/schedule-explorer-[^/\s'\"]+/")
#: how a virtual thread writes itself
_VIRTUAL = re.compile(r"<virtual thread (\d+) .*>")
_ELLIPSIS = "…"


def relative(text: str) -> str:
    """Take the machine's part out of every path below a `fresh_dir`."""
    return _FRESH.sub("", text)


def last_component(path: str) -> str:
    """Return what is after the last slash."""
    return path.rstrip("/").rpartition("/")[2] or path


def cut(text: str, width: int) -> str:
    """Shorten `text` to `width` characters, with an ellipsis where something is missing.

    Of a path the middle goes first, so that its last component stays to be read.
    """
    if len(text) <= width:
        return text
    if width <= 1:
        return _ELLIPSIS[:width]
    head, slash, last = text.rpartition("/")
    tail = slash + last
    if slash and len(tail) + 2 <= width:
        return head[: width - len(tail) - 1] + _ELLIPSIS + tail
    return text[: width - 1] + _ELLIPSIS


def cut_target(target: str, room: int) -> str:
    """Shorten what an operation was done to; of two names each keeps its last component."""
    source, arrow, destination = target.partition(" -> ")
    if arrow:
        source, destination = last_component(source), last_component(destination)
        half = (room - len(arrow)) // 2
        source = cut(source, max(half, room - len(arrow) - len(destination)))
        return source + arrow + cut(destination, room - len(arrow) - len(source))
    return cut(target, room)


class Names:
    """The names used in the report of one trace."""

    def __init__(self, trace: Trace) -> None:
        self._objects = _number(trace)
        names = trace.thread_names
        # Two threads of one name are told apart by their number.
        self._threads = [f"{name}#{tid}" if names.count(name) > 1 else name for tid, name in enumerate(names)]

    def thread(self, tid: int) -> str:
        """Name a thread."""
        return self._threads[tid] if tid < len(self._threads) else f"thread {tid}"

    def holder(self, text: str) -> int | None:
        """Return the tid of the thread that a blocked one was noted to wait for; None when unclear."""
        match = _VIRTUAL.fullmatch(text)
        if match:
            return int(match[1])
        found = [tid for tid, shown in enumerate(self._threads) if shown == text]
        return found[0] if found else None

    def target(self, target: object) -> str:
        """Name what an operation was done to."""
        text = str(target)
        return self._objects.get(text) or relative(text)

    def parts(self, kind: str, target: object) -> tuple[str, str]:
        """Name an operation as (what is done, to what): ("mkdir", "d0/f"), or ("Lock#1.acquire", "")."""
        shown = self.target(target)
        family, dot, call = kind.rpartition(".")
        # RLock#1 and BoundedSemaphore#1 are of the families lock and semaphore.
        if dot and shown.partition("#")[0].lower().endswith(family) and str(target) in self._objects:
            # A wait on a condition is two operations, of which the second one is the wake-up.
            return f"{shown}.{'wait' if call in ('wake', 'timed_wake') else call}", ""
        return kind, shown

    def operation(self, kind: str, target: object) -> str:
        """Name an operation with its target."""
        return " ".join(self.parts(kind, target)).strip()

    def waiting(self, kind: str, target: object) -> str:
        """Say what a thread does while it waits in an operation."""
        if kind == "thread.join":
            return f"waits for {self.target(target)} to end"
        if kind == "sleep":
            return f"sleeps {target}"
        if kind == "hang":
            return f"hangs in {self.target(target)}"
        return f"waits in {self.operation(kind, target)}"


def _number(trace: Trace) -> dict[str, str]:
    """Map ``"Lock 0.7"``, as interposition names an object, to ``"Lock#1"``."""
    texts = {str(event.target) for event in trace.events}
    texts |= {blocked.operation.partition(" ")[2] for blocked in trace.blocked}
    found = [(m[1], int(m[2]), int(m[3]), m[0]) for m in map(_NUMBERED.fullmatch, texts) if m]
    numbers: dict[str, int] = {}
    named: dict[str, str] = {}
    for kind, _, _, text in sorted(found):
        numbers[kind] = numbers.get(kind, 0) + 1
        named[text] = f"{kind}#{numbers[kind]}"
    return named


def place(frames: Frames) -> str:
    """Write the innermost frame as ``file:line``; empty when no line was noted."""
    return f"{last_component(frames[0][0])}:{frames[0][1]}" if frames else ""


def function(frames: Frames) -> str:
    """Return the name of the innermost function."""
    return frames[0][2] if frames else ""


def source(frames: Frames) -> str:
    """Return the text of the innermost frame's line, or the function where the text is not to be had."""
    if not frames:
        return ""
    path, line, name = frames[0]
    return linecache.getline(path, line).strip() or f"in {name}"


def line_of(frames: Frames) -> str:
    """Write the innermost frame's place and text: ``store.py:31  self.items.get()``."""
    return f"{place(frames)}  {source(frames)}" if frames else ""


def line_in_function(frames: Frames) -> str:
    """As `line_of`, with the function: ``store.py:31 in take:  self.items.get()``."""
    return f"{place(frames)} in {function(frames)}:  {source(frames)}" if frames else ""


def raised_at(error: BaseException) -> Frames:
    """Return the line of the program on which `error` was raised; () when it was never raised.

    It is the innermost frame that is neither the explorer's nor of the library modules that it
    interposes; when there is none such, the innermost of all.
    """
    frames: list[tuple[str, int, str]] = []
    innermost: list[tuple[str, int, str]] = []
    traceback: TracebackType | None = error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        found = (code.co_filename, traceback.tb_lineno, code.co_name)
        innermost = [found]
        if not internal(traceback.tb_frame):
            frames.append(found)
        traceback = traceback.tb_next
    return tuple(frames[-1:] or innermost)

