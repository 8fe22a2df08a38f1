"""CPython's own tests of its primitives, unmodified, as bodies, under random schedules on a fast machine.

Left out, and why:

* by what they look at: fork, subprocesses and the end of the interpreter (``*_fork*``, ``*shutdown*``,
  ``AtexitTests``, ``ThreadJoinOnShutdown``), private tables of threads (``test_foreign_thread``,
  ``test_ident_of_no_threading_threads``, ``test_limbo_cleanup``, ``test_tstate_lock``, ``test__all__``), the
  C types (``test_disallow_instantiation``), signals (``InterruptMainTests``), real asynchronous exceptions;
* by what they expect: an exception in a thread is a failure of the execution here, not output
  (``ExceptHookTests``);
* ``EventTests.test_set_and_clear``: a thread that has announced its wait may still be on the way to it, so
  that a pulse may pass it by, even where everybody else has slept;
* ``*many_threads*`` of queues: tens of thousands of operations by ten threads.

The tests bind some names at import (``start_new_thread``, the types under test): these are looked up late.
"""

from __future__ import annotations

import _thread
import contextlib
import io
import queue
import threading
import unittest
from collections.abc import Iterator
from typing import Any

import pytest

from schedule_explorer import explore

pytestmark = pytest.mark.usefixtures("interposed_once")

lock_tests = pytest.importorskip("test.lock_tests")
test_queue = pytest.importorskip("test.test_queue")
test_threading = pytest.importorskip("test.test_threading")

#: class in `lock_tests`, the attribute that names the type under test, and that type, looked up in the body
PRIMITIVES: list[tuple[str, str, Any]] = [
    ("LockTests", "locktype", lambda: threading.Lock()),
    ("RLockTests", "locktype", lambda: threading.RLock()),
    ("RLockTests", "locktype", lambda: threading._PyRLock()),  # type: ignore[attr-defined]
    ("EventTests", "eventtype", threading.Event),
    ("ConditionTests", "condtype", threading.Condition),
    ("SemaphoreTests", "semtype", threading.Semaphore),
    ("BoundedSemaphoreTests", "semtype", threading.BoundedSemaphore),
    ("BarrierTests", "barriertype", threading.Barrier),
]
_LEFT_OUT = {"EventTests.test_set_and_clear"}
_THREADING = {
    "ThreadTests": [
        "test_various_ops", "test_enumerate_after_join", "test_no_refcycle_through_target",
        "test_old_threading_api", "test_repr_daemon", "test_daemon_param", "test_main_thread",
        "test_name", "test_repr_stopped", "test_BoundedSemaphore_limit", "test_args_argument",
        "test_gettrace", "test_getprofile",
    ],
    "ThreadingExceptionTests": [
        "test_start_thread_again", "test_joining_current_thread", "test_joining_inactive_thread",
        "test_daemonize_active_thread", "test_releasing_unacquired_lock",
        "test_bare_raise_in_brand_new_thread",
    ],
    "TimerTests": ["test_init_immutable_default_args"],
}
_QUEUES = ["CQueueTest", "CLifoQueueTest", "CPriorityQueueTest", "CFailingQueueTest", "CSimpleQueueTest"]


def cases() -> Iterator[Any]:
    for name, attribute, kind in PRIMITIVES:
        for case in unittest.defaultTestLoader.getTestCaseNames(_case_class(lock_tests, name)):
            if f"{name}.{case}" not in _LEFT_OUT:
                made = kind if isinstance(kind, type) else staticmethod(kind)
                yield pytest.param(lock_tests, name, case, {attribute: made}, id=f"{name}-{case}")
    for name in _QUEUES:
        if not hasattr(test_queue, name):
            continue
        for case in unittest.defaultTestLoader.getTestCaseNames(getattr(test_queue, name)):
            if "many_threads" not in case:
                yield pytest.param(test_queue, name, case, {"queue": queue}, id=f"{name}-{case}")
    for name, chosen in _THREADING.items():
        for case in chosen:
            if hasattr(getattr(test_threading, name, None), case):
                yield pytest.param(test_threading, name, case, {}, id=f"{name}-{case}")


def _case_class(module: Any, name: str, attributes: dict[str, Any] | None = None) -> Any:
    found = getattr(module, name)
    bases = (found,) if issubclass(found, unittest.TestCase) else (found, unittest.TestCase)
    return type(name, bases, attributes or {})


@pytest.mark.parametrize(("module", "name", "case", "attributes"), list(cases()))
def test_case(
    module: Any, name: str, case: str, attributes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_tests, "start_new_thread", lambda *given: _thread.start_new_thread(*given))
    monkeypatch.setattr("test.support.verbose", 0)
    cls = _case_class(module, name, attributes)

    def body() -> None:
        instance = cls(case)
        instance.setUp()
        try:
            getattr(instance, case)()
        finally:
            instance.tearDown()
            instance.doCleanups()

    with contextlib.redirect_stdout(io.StringIO()):
        try:
            result = explore(body, "random", max_executions=3, timeouts="quiet", max_steps=50_000)
        except unittest.SkipTest as reason:
            pytest.skip(str(reason))
    if result.failure is not None and isinstance(result.failure.error, unittest.SkipTest):
        pytest.skip(str(result.failure.error))
    assert result.failure is None, result.failure.explain()
