"""threading.local in a body: the same sequences on the real class, and contents by virtual thread."""

from __future__ import annotations

import _threading_local
import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from schedule_explorer import Verdict, explore


def base() -> Any:
    return threading.local


def plain() -> Any:
    class Plain(threading.local):
        shared = "class"

    return Plain


def initialized() -> Any:
    class Initialized(threading.local):
        def __init__(self, number: int = 0, *, word: str = "") -> None:
            self.number, self.word = number, word

        @property
        def twice(self) -> int:
            return 2 * self.number

        def __getattr__(self, name: str) -> str:
            if name.startswith("made_"):
                return name
            raise AttributeError(name)

    return Initialized


def slotted() -> Any:
    class Slotted(threading.local):
        __slots__ = ("seen",)

    return Slotted


def failing() -> Any:
    class Failing(threading.local):
        def __init__(self) -> None:
            if threading.current_thread() is not threading.main_thread():
                raise ValueError("not here")

    return Failing


CLASSES = {"base": base, "plain": plain, "initialized": initialized, "slotted": slotted, "failing": failing}
MAKES: list[tuple[tuple[Any, ...], dict[str, Any]]] = [((), {}), ((3,), {}), ((3,), {"word": "x"})]


def script(make: Callable[[], Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> list[str]:
    """Use one local from two threads and note what each step returned or raised."""
    notes: list[str] = []

    def note(call: Callable[[], Any]) -> Any:
        try:
            value = call()
        except Exception as error:
            notes.append(f"{type(error).__name__}: {error}")
            return None
        notes.append(repr(value) if isinstance(value, (int, str, bool, type(None), dict)) else "object")
        return value

    local: Any = note(lambda: make()(*arguments, **options))
    if local is None:
        return notes

    def look() -> None:
        for name in ("number", "word", "twice", "made_up", "shared", "seen", "missing"):
            note(lambda name=name: getattr(local, name))
        note(lambda: sorted(vars(local)) and dict(sorted(vars(local).items())))

    def change(value: int) -> None:
        note(lambda: setattr(local, "number", value))
        note(lambda: setattr(local, "seen", value))
        note(lambda: setattr(local, "twice", value))
        note(lambda: setattr(local, "__dict__", {}))
        note(lambda: delattr(local, "__dict__"))
        note(lambda: local.__dict__.update(direct=value))
        note(lambda: local.direct)
        note(lambda: delattr(local, "missing"))

    def steps(value: int) -> None:
        look()
        change(value)
        look()
        note(lambda: delattr(local, "direct"))

    thread = threading.Thread(target=steps, args=(7,))
    steps(5)
    thread.start()
    thread.join()
    look()
    note(lambda: isinstance(local, threading.local))
    return notes


@pytest.mark.parametrize("given", range(len(MAKES)))
@pytest.mark.parametrize("name", sorted(CLASSES))
def test_does_what_the_real_class_does(name: str, given: int) -> None:
    found: list[list[str]] = []
    explore(lambda: found.append(script(CLASSES[name], *MAKES[given])), max_executions=1)
    assert found[0] == script(CLASSES[name], *MAKES[given])


def test_contents_go_with_their_thread() -> None:
    class Held:
        pass

    def body() -> None:
        local, references = threading.local(), []

        def keep() -> None:
            local.held = Held()
            references.append(weakref.ref(local.held))

        thread = threading.Thread(target=keep)
        thread.start()
        thread.join()
        gc.collect()
        assert references[0]() is None

    assert explore(body).verdict is Verdict.PROVED


def test_every_execution_begins_without_contents() -> None:
    kept: list[Any] = []

    def body() -> None:
        if not kept:
            kept.append(threading.local())
        assert not vars(kept[0])
        kept[0].value = 1

    assert explore(body).failure is None


def test_the_pure_python_class_works_as_well() -> None:
    def body() -> None:
        local = _threading_local.local()
        local.value, seen = 1, []
        thread = threading.Thread(target=lambda: seen.append(hasattr(local, "value")))
        thread.start()
        thread.join()
        assert seen == [False] and local.value == 1

    assert explore(body).verdict is Verdict.PROVED
