"""A test as a body: everything of function scope is set up and torn down in each of its executions.

pytest sets an item up in two parts here. Before the exploration its collectors (package, module, class) are
set up as ever, and the fixtures wider than a function that the test names, by `wider_fixtures`. In every
execution, inside its main virtual thread, the rest is done by pytest's own code: a request anew, the fixtures
of function scope in pytest's order, the test, and the finalizers newest first. The item's entry in pytest's
``SetupState`` is exchanged for an empty one meanwhile, so that each execution's finalizers are its own.

What an execution leaves behind when it is cut off in the middle (a deadlock, a schedule that is not worth
going on with) is undone as well: its finalizers run, and those that ask for another operation end there.
"""

from __future__ import annotations

import inspect
import unittest
from collections.abc import Callable
from typing import Any, cast

import _pytest.fixtures
import _pytest.python
import _pytest.runner
import pytest
from _pytest.config import Config, PytestPluginManager
from _pytest.fixtures import FixtureDef, FixtureRequest
from _pytest.nodes import Node

from schedule_explorer.errors import ExplorerError
from schedule_explorer.interposition.context import virtual
from schedule_explorer.plugin.surroundings import Surroundings
from schedule_explorer.runtime import ThreadEnd
from schedule_explorer.runtime.heap import opaque
from schedule_explorer.runtime.trace import BOTTOM
from schedule_explorer.session import HoldsEarly

_SKIPPED: tuple[type[BaseException], ...] = (pytest.skip.Exception, pytest.xfail.Exception, unittest.SkipTest)
# Below these no frame is the program's: they hold all of pytest, and loop over its hooks, which would pass
# for progress of a loop in the test.
for _function in (
    _pytest.fixtures.call_fixture_func, _pytest.fixtures._teardown_yield_fixture, FixtureDef.finish,
    _pytest.python.pytest_pyfunc_call, unittest.TestCase.run, unittest.TestCase._callSetUp,  # type: ignore[attr-defined]
    unittest.TestCase._callTestMethod, unittest.TestCase._callTearDown, unittest.TestCase._callCleanup,  # type: ignore[attr-defined]
):
    BOTTOM.add(inspect.unwrap(_function).__code__)
# The request of a test leads to the whole session; what a fixture gives is seen.
opaque(Node, Config, PytestPluginManager, FixtureRequest, FixtureDef)


class WiderFixture(ExplorerError):
    """A fixture wider than a function was asked for within an execution: it is set up before, once."""

    def __init__(self, definition: FixtureDef[Any]) -> None:
        name = f"{definition.scope} fixture {definition.argname!r}"
        super().__init__(f"the {name} is set up within an execution")
        self.definition = definition


class Exited(ExplorerError):
    """The test called `pytest.exit`."""


def wider_fixtures(item: pytest.Function) -> list[FixtureDef[Any]]:
    """Return the fixtures wider than a function that the test names, in pytest's order."""
    found = []
    for name in item.fixturenames:
        definitions = item._fixtureinfo.name2fixturedefs.get(name)
        if definitions and definitions[-1].scope != "function":
            found.append(definitions[-1])
    return found


class Body(HoldsEarly):
    """One test function; calling this is one execution.

    Attributes:
        skip: what the first execution ended with that was skipped, or expected to fail; `skips` of `runs`
            executions did, those included that were run twice, and those not that were cut off.
        exited: set when the test called `pytest.exit`.
    """

    def __init__(self, item: pytest.Function) -> None:
        self.item = item
        # Values of `parametrize` were made when the tests were collected.
        self.held_early = (item.callspec.params,) if hasattr(item, "callspec") else ()
        self.forget()
        self.exited: BaseException | None = None
        self._setup: Callable[[], None] = item.setup
        self._test: Callable[[], None] = item.runtest
        self._teardown: Callable[[], None] = item.teardown
        self._surroundings = Surroundings(item)
        #: definitions of function scope whose set-up was begun in this execution
        self.begun: list[FixtureDef[Any]] = []

    def forget(self) -> None:
        """Count anew."""
        self.skip: BaseException | None = None
        self.skips = self.runs = 0

    def set_up_wider(self) -> None:
        """Set up what is wider than a function: the item's part of pytest's own set-up."""
        if getattr(type(self.item), "_testcase", self) is None:
            # Before pytest 8.2 a TestCase has no instance before its set-up, and ``setUpClass`` needs one.
            case: Any = self.item
            case._testcase = case.parent.obj(case.name)
            case._obj = getattr(case._testcase, case.name)
        for definition in wider_fixtures(self.item):
            self.item._request.getfixturevalue(definition.argname)

    def __call__(self) -> None:
        """Set up, run and tear down once, and raise what made the test fail.

        Raises:
            ThreadEnd, ExplorerError: as they come.
        """
        self.begun = []
        item, stack = self.item, self.item.session._setupstate.stack
        outer = stack[item]
        finalizers: list[Callable[[], object]] = [self._teardown]
        stack[item] = (finalizers, None)
        # A function's fixture leaves a finalizer with every wider one that it asks for, each time.
        kept = [(wide, len(wide._finalizers)) for wide in self._wide()]
        self._anew()
        self._surroundings.begin()
        errors: list[BaseException] = []
        try:
            self._run(errors)
            self._surroundings.phase("teardown")
            _finish(finalizers, errors)
        finally:
            stack[item] = outer
            for wide, count in kept:
                del wide._finalizers[count:]
            for definition in self.begun:
                definition.cached_result = None
                definition._finalizers.clear()
            self._anew()
            item._initrequest()
        self._judge(errors)

    def _run(self, errors: list[BaseException]) -> None:
        item = self.item
        try:
            self._surroundings.phase("setup")
            item._initrequest()
            _ = item.obj  # makes the instance that the teardown of a TestCase lets go of
            self._setup()
            self._surroundings.phase("call")
            # pytest reports a failed subtest at once; here it is a failed execution.
            cast(Any, item).addSubTest = self._add_subtest
            self._test()
        except BaseException as error:
            errors.append(error)
        # A TestCase hands what it raised to its result, which is the item.
        errors += [info.value for info in item.__dict__.pop("_excinfo", None) or ()]

    def _add_subtest(self, case: Any, subtest: Any, raised: Any) -> None:
        if raised is not None:
            cast(Any, self.item)._addexcinfo(raised if isinstance(raised, tuple) else raised._excinfo)

    def _wide(self) -> list[FixtureDef[Any]]:
        definitions = self.item._fixtureinfo.name2fixturedefs.values()
        return [each for some in definitions for each in some if each.scope != "function"]

    def _anew(self) -> None:
        """Let go of the instance of the test class, and of the method bound to it."""
        state = self.item.__dict__
        state.pop("addSubTest", None)
        if isinstance(self.item.parent, pytest.Class):
            state.pop("_instance", None)
            state.pop("_testcase", None)
            state.pop("_obj", None)

    def _judge(self, errors: list[BaseException]) -> None:
        """Raise what the execution ended with, if that is a failure."""
        for error in errors:
            if isinstance(error, (ThreadEnd, ExplorerError, KeyboardInterrupt)):
                raise error
            if isinstance(error, pytest.exit.Exception):
                self.exited = error
                raise _stopped(Exited(str(error)))
        self.runs += 1
        if not errors:
            return
        first, *others = errors
        if isinstance(first, _SKIPPED) and not others:
            self.skip = self.skip or first
            self.skips += 1
            return
        if isinstance(first, _SKIPPED):
            first, *others = others
        for other in others:
            first.add_note(f"and then {type(other).__name__}: {other}")
        if isinstance(first, SystemExit):
            # It would end a thread without a word.
            told = pytest.fail.Exception(f"the test raised SystemExit({first.code!r})")
            raise told.with_traceback(first.__traceback__) from None
        raise first


def _finish(finalizers: list[Callable[[], object]], errors: list[BaseException]) -> None:
    """Run finalizers, newest first; each of them whatever the others raise."""
    while finalizers:
        try:
            finalizers.pop()()
        except BaseException as error:
            errors.append(error)


def _stopped(error: ExplorerError) -> ExplorerError:
    """Stop the execution under way, so that no handler of the program keeps `error` for itself."""
    execution = virtual()
    return error if execution is None else execution.stop(error)


class PerExecutionFixtures:
    """Hooks for fixtures, which have a say only while a test is explored."""

    def __init__(self) -> None:
        self.body: Body | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: FixtureDef[Any], request: Any) -> object:
        """Give some of pytest's own fixtures a value that is the same in every execution."""
        if self.body is None or virtual() is None:
            return None
        if fixturedef.scope != "function":
            fixturedef._finalizers.clear()  # as though it had not been begun
            raise _stopped(WiderFixture(fixturedef))
        self.body.begun.append(fixturedef)
        value = self.body._surroundings.value_of(fixturedef)
        if value is not None:
            fixturedef.cached_result = (value, fixturedef.cache_key(request), None)
        return value
