"""Functions that a module bound early in containers, objects and wrappers are interposed, and put back."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import time
import types
from collections import OrderedDict, UserDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from schedule_explorer import Verdict, explore, fresh_dir
from schedule_explorer.errors import UncontrolledCallError
from schedule_explorer.interposition.early_owners import of_program
from schedule_explorer.interposition.install import interposed
from schedule_explorer.interposition.mutexes import LockType

UNLINK = os.unlink
ACTIONS = {"remove": os.unlink}
NESTED: Any = {"actions": [(0, {"remove": [os.unlink]})]}
STEPS: list[Any] = [os.unlink]
PAIR = (os.unlink, "remove")
DEQUE = deque([os.unlink])
ORDERED = OrderedDict([(os.unlink, "a"), ("b", os.unlink)])
KEYS = {os.unlink: "remove", "other": 0}
MEMBERS = {os.unlink}
FROZEN = frozenset(MEMBERS)
FACTORY: Any = defaultdict(time.monotonic)
SPACE = types.SimpleNamespace(remove=os.unlink)
USER = UserDict(remove=os.unlink)
PARTIAL = functools.partial(os.unlink)
ARGUMENTS = functools.partial(map, os.unlink)
OPTIONS = functools.partial(sorted, key=os.unlink)
VIEW = types.MappingProxyType({"remove": os.unlink})
GET = {"remove": os.unlink}.get
LAMBDA = {"remove": lambda path, remove=os.unlink: remove(path)}
NAMED = [lambda path, *, remove=os.unlink: remove(path)]
CACHED: Any = functools.lru_cache(os.unlink)
MADE: dict[str, Any] = {"unlink": os.unlink}
exec("def remove(path): unlink(path)", MADE)
EXECUTED = [MADE.pop("remove")]
METHOD = types.MethodType(os.unlink, "/nowhere")
#: goes through itself
CYCLE: list[Any] = [{"remove": os.unlink}]
CYCLE.append(CYCLE)


def removes(path: Any) -> None:
    removes.remove(path)  # type: ignore[attr-defined]


removes.remove = os.unlink  # type: ignore[attr-defined]


def enclosing(held: Any) -> Callable[[Any], None]:
    return lambda path: held["remove"](path)


CLOSURE = enclosing({"remove": os.unlink})


class Disk:
    remove = staticmethod(os.unlink)
    bound = staticmethod(functools.partial(os.unlink))

    class Inner:
        remove = os.unlink


class Config:
    def __init__(self) -> None:
        self.remove = os.unlink

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the explorer ran code of the program: {name}")

    def call(self, path: Any) -> None:
        self.remove(path)


class Slots:
    __slots__ = ("empty", "remove")
    remove: Any


class Table(dict[str, Any]):
    def __getitem__(self, key: str) -> Any:
        return super().__getitem__(key)

    def values(self) -> Any:
        raise AssertionError("the explorer ran code of the program")

    items = keys = values


@dataclass(frozen=True, slots=True)
class Frozen:
    remove: Any


class Named(NamedTuple):
    remove: Any


class Pair(tuple[Any, ...]):
    name = ""


class Operation(Enum):
    REMOVE = functools.partial(os.unlink)


CONFIG = Config()
CALL = Config().call
SLOTS = Slots()
SLOTS.remove = os.unlink
TABLE = Table(remove=os.unlink)
FROZEN_CONFIG = Frozen(os.unlink)
NAMED_TUPLE = Named(os.unlink)
OWN_TUPLE = Pair((os.unlink,))
OWN_TUPLE.name = "pair"
NAMES = {"remove": staticmethod(os.unlink), "__module__": __name__}
REGISTRY: dict[str, Any] = {"local": type("Local", (), NAMES)}
del NAMES

WAYS: dict[str, Callable[[Any], Any]] = {
    "dict": lambda path: ACTIONS["remove"](path),
    "nested": lambda path: NESTED["actions"][0][1]["remove"][0](path),
    "list": lambda path: STEPS[0](path),
    "tuple": lambda path: PAIR[0](path),
    "deque": lambda path: DEQUE[0](path),
    "key of an ordered dict": lambda path: next(iter(ORDERED))(path),  # type: ignore[operator]
    "key": lambda path: next(iter(KEYS))(path),  # type: ignore[operator]
    "member": lambda path: next(iter(MEMBERS))(path),
    "frozen member": lambda path: next(iter(FROZEN))(path),
    "namespace": lambda path: SPACE.remove(path),
    "user dict": lambda path: USER["remove"](path),
    "partial": lambda path: PARTIAL(path),
    "argument of a partial": lambda path: list(ARGUMENTS([path])),
    "option of a partial": lambda path: OPTIONS([path]),
    "view": lambda path: VIEW["remove"](path),
    "method of a dict": lambda path: GET("remove")(path),  # type: ignore[misc]
    "default of a lambda": lambda path: LAMBDA["remove"](path),
    "named default of a lambda": lambda path: NAMED[0](path),
    "cached": lambda path: (CACHED.cache_clear(), CACHED(path)),
    "globals of exec": lambda path: EXECUTED[0](path),
    "cycle": lambda path: CYCLE[1][1][0]["remove"](path),
    "attribute of a function": removes,
    "dict in a closure": CLOSURE,
    "staticmethod": lambda path: Disk.remove(path),
    "staticmethod of a partial": lambda path: Disk.bound(path),
    "inner class": lambda path: Disk.Inner.remove(path),
    "object": lambda path: CONFIG.remove(path),
    "bound method": CALL,
    "slot": lambda path: SLOTS.remove(path),
    "own dict": lambda path: TABLE["remove"](path),
    "frozen dataclass": lambda path: FROZEN_CONFIG.remove(path),
    "named tuple": lambda path: NAMED_TUPLE.remove(path),
    "own tuple": lambda path: OWN_TUPLE[0](path),
    "enum": lambda path: Operation.REMOVE.value(path),
    "class in a dict": lambda path: REGISTRY["local"].remove(path),
}


def body_of(remove: Callable[[Any], Any], there: bool, joined: bool) -> Callable[[], None]:
    """Remove a file while, or before, another thread looks whether it is there."""

    def body() -> None:
        path = Path(fresh_dir()) / "file"
        path.touch()
        thread = threading.Thread(target=remove, args=(path,))
        thread.start()
        if joined:
            thread.join()
        found = path.exists()
        thread.join()
        assert found is there

    return body


@pytest.mark.parametrize("way", WAYS)
def test_a_function_that_was_bound_early_is_interposed(way: str) -> None:
    before = state()
    for there in (True, False):
        result = explore(body_of(WAYS[way], there, joined=False))
        assert result.verdict is Verdict.FAILED, result.reason
    assert explore(body_of(WAYS[way], there=False, joined=True)).verdict is Verdict.PROVED
    assert state() == before


Bound = tuple[Callable[[], None], Callable[[], Any]]


def _closure(run: Callable[[Any], None]) -> Bound:
    remove = os.unlink
    return lambda: run(remove), lambda: remove


def _container(run: Callable[[Any], None]) -> Bound:
    removes = {"all": [os.unlink]}
    return lambda: run(removes["all"][0]), lambda: removes["all"][0]


def _default(run: Callable[[Any], None]) -> Bound:
    def body(remove: Any = os.unlink) -> None:
        run(remove)

    return body, lambda: (body.__defaults__ or ())[0]


def _partial(run: Callable[[Any], None]) -> Bound:
    body = functools.partial(run, os.unlink)
    return body, lambda: body.args[0]


@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("bind", [_closure, _container, _default, _partial])
def test_what_the_body_itself_holds_is_interposed(bind: Callable[[Any], Bound], within: bool) -> None:
    body, held = bind(lambda remove: body_of(remove, there=True, joined=False)())
    with interposed() if within else contextlib.nullcontext():
        assert explore(body).verdict is Verdict.FAILED
    assert held() is UNLINK


def test_a_lock_in_the_closure_of_a_body_is_made_anew_in_each_execution() -> None:
    lock = threading.Lock()

    def guarded() -> None:
        with lock:
            pass

    def body() -> None:
        thread = threading.Thread(target=guarded)
        thread.start()
        guarded()
        thread.join()
        lock.acquire()

    result = explore(body)
    assert result.executions == 2 and result.verdict is Verdict.PROVED, result.reason
    assert type(lock) is LockType and not lock.locked()


def state() -> list[Any]:
    return [
        ACTIONS["remove"], NESTED["actions"][0][1]["remove"][0], STEPS[0], PAIR[0], DEQUE[0],
        *ORDERED, ORDERED["b"], list(KEYS), next(iter(MEMBERS)), next(iter(FROZEN)), SPACE.remove,
        USER["remove"], PARTIAL.func, ARGUMENTS.args, dict(OPTIONS.keywords), VIEW["remove"],
        LAMBDA["remove"].__defaults__, dict(NAMED[0].__kwdefaults__ or {}), CACHED.__wrapped__,
        MADE["unlink"], CYCLE[0]["remove"], removes.remove, Disk.__dict__["remove"].__func__,  # type: ignore[attr-defined]
        Disk.bound.func, Disk.Inner.remove, CONFIG.remove, CALL.__self__.remove, SLOTS.remove,  # type: ignore[attr-defined]
        TABLE["remove"], FROZEN_CONFIG.remove, NAMED_TUPLE.remove, OWN_TUPLE[0], Operation.REMOVE.value.func,
        REGISTRY["local"].remove, FACTORY.default_factory, METHOD.__func__,
    ]


def test_what_is_put_back_is_what_was_there() -> None:
    before, kept = state(), (PAIR, OWN_TUPLE, NAMED_TUPLE, CACHED, METHOD)
    with interposed():
        same = [then for now, then in zip(state(), before, strict=True) if now == then]
        assert same == ["b"], same
        assert OWN_TUPLE.name == "pair" and type(NAMED_TUPLE) is Named
        assert list(KEYS) == [os.unlink, "other"] and KEYS[os.unlink] == "remove"
        ACTIONS["kept"], STEPS[:] = ACTIONS.pop("remove"), [print, *STEPS]
    assert ACTIONS.pop("kept") is STEPS.pop() is UNLINK is os.unlink
    ACTIONS["remove"], STEPS[:] = UNLINK, [UNLINK]
    assert state() == before
    assert all(a is b for a, b in zip(kept, (PAIR, OWN_TUPLE, NAMED_TUPLE, CACHED, METHOD), strict=True))


def test_a_clock_in_a_factory_is_the_virtual_one() -> None:
    def body() -> None:
        FACTORY.clear()
        then = FACTORY["a"]
        time.sleep(1)
        assert FACTORY["b"] == then + 1

    assert explore(body).verdict is Verdict.PROVED


def test_what_nothing_can_stand_for_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Own(property):
        pass

    monkeypatch.setattr(Disk, "own", Own(os.stat), raising=False)
    with pytest.raises(UncontrolledCallError, match=r"Disk\.own, a Own, holds .*stat.*: wrap a function"):
        explore(lambda: None)


class Hashed:
    """A key whose hash is code of the program, and may be another one later."""

    value: Any = 1

    def __hash__(self) -> int:
        return hash(self.value)


def test_a_dictionary_whose_keys_are_hashed_by_the_program_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = Hashed()
    held = {key: "one", os.stat: "two"}
    key.value = []
    monkeypatch.setattr(Disk, "held", held, raising=False)
    with pytest.raises(UncontrolledCallError, match=r"Disk\.held, a dict, has .*stat.* among its keys"):
        explore(lambda: None)
    assert list(held.values()) == ["one", "two"]


def test_installed_packages_are_not_the_program() -> None:
    assert of_program(__name__) and of_program("schedule_explorer.targets.boundary_store")
    assert not any(map(of_program, ("pytest", "collections.abc", "schedule_explorer.runtime")))
