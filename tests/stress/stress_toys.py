"""Small targets for real threads: right ones, and each wrong in one way."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Any

from schedule_explorer.oracles import History, Recorded
from schedule_explorer.programs import Alphabet, Call, Method, parse


class Anything:
    """The specification of an object that may return what it likes."""

    def initial(self) -> None:
        return None

    def outcomes(self, state: None, recorded: Recorded) -> Iterable[tuple[None, Any]]:
        yield None, recorded.result

    def parts(self, call: Call) -> Sequence[Any]:
        return ("all",)


class Toy:
    """A target whose every call does nothing; a subclass says what goes wrong."""

    name = "toy"

    def __init__(self) -> None:
        self.alphabet = Alphabet((Method("touch", ("key",)), Method("end")), {"key": ("a", "b")}, ("key",))
        self.specification: Any = Anything()
        self.made = 0
        self.events: list[str] = []

    def make(self, root: Path) -> Any:
        self.made += 1
        self.root = root
        return self

    def perform(self, system: Any, recorded: Recorded) -> Any:
        return None

    def look(self, system: Any, recorded: Recorded, history: History) -> Any:
        return None

    def check_order(self, order: Sequence[Recorded]) -> None:
        pass

    def observe(self, system: Any) -> Iterable[tuple[Call, Any]]:
        return []

    def at_quiescence(self, system: Any, history: History) -> None:
        pass

    def needs_explorer(self) -> str:
        return ""

    def idle(self, system: Any) -> bool:
        return True

    def close(self, system: Any) -> None:
        self.events.append("close")


class Flaky(Toy):
    """Fails in a share of its runs, which a seed draws.

    Arguments:
        rate: that share.
        seed: draws them.
    """

    def __init__(self, rate: float, seed: int = 0) -> None:
        super().__init__()
        self._rate, self._random = rate, Random(seed)

    def at_quiescence(self, system: Any, history: History) -> None:
        if self._random.random() < self._rate:
            raise AssertionError("bad luck")


class Counter(Toy):
    """A number in a file, which two calls may read before either has written: a race that pauses show.

    Arguments:
        locked: calls take a lock, so nothing is wrong.
    """

    name = "counter"

    def __init__(self, locked: bool = False) -> None:
        super().__init__()
        self._locked = locked
        self.alphabet = Alphabet((Method("add"),))

    def make(self, root: Path) -> Any:
        (root / "number").write_text("0")
        return root / "number", threading.Lock()

    def perform(self, system: Any, recorded: Recorded) -> Any:
        file, lock = system
        if self._locked:
            with lock:
                return self._add(file)
        return self._add(file)

    def _add(self, file: Path) -> None:
        number = int(file.read_text() or 0)
        file.write_text(str(number + 1))

    def at_quiescence(self, system: Any, history: History) -> None:
        found = int(system[0].read_text() or 0)
        assert found == len(history), f"{found} after {len(history)} calls"


def racy() -> Counter:
    """The counter that loses updates."""
    return Counter()


def right() -> Counter:
    """The counter with a lock."""
    return Counter(locked=True)


ONE, TWO = parse("touch(a) touch(b)"), parse("touch(a) | touch(b)")
