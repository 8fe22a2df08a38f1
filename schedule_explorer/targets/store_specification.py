"""What a store is, without threads, files and failures: a table, and whether it is shut down.

    save(id, key)            closed: False.  Else the table has the value, and the answer is True.
    load(id, key)            the value, or None.  Closed: None.
    has(id, key)             whether load would return one.
    cleanup_request(id)      the table has nothing of the id.
    cleanup_all()            the table is empty.
    shutdown(cleanup)        closed, and with cleanup the table is empty.

On disk, in the live tree: at most one file for each entry of the table that any order of the calls could
have at that moment, and none for anything else. When nothing moves: exactly the files of the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from schedule_explorer.oracles.history import Recorded
from schedule_explorer.programs.calls import Call


class StoreTable(NamedTuple):
    """The state: entries as ((id, key), value) in no order, and whether the store is shut down."""

    entries: frozenset[tuple[tuple[Any, Any], int]] = frozenset()
    closed: bool = False

    def find(self, key: tuple[Any, ...]) -> int | None:
        """Return the value of a key, or None; None for every key once the store is shut down."""
        if self.closed:
            return None
        return next((value for entry, value in self.entries if entry == key), None)

    def without(self, request_id: Any) -> StoreTable:
        """Return the table without the entries of a request."""
        return self._replace(entries=frozenset(e for e in self.entries if e[0][0] != request_id))


class StoreSpecification:
    """The sequential specification of the store, as above.

    Arguments:
        ids: all request ids of the alphabet: what a call that covers everything is about.
    """

    def __init__(self, ids: Sequence[str]) -> None:
        self._ids = tuple(ids)

    def initial(self) -> StoreTable:
        """Return the empty table."""
        return StoreTable()

    def outcomes(self, state: StoreTable, recorded: Recorded) -> Iterable[tuple[StoreTable, Any]]:
        """Yield the one outcome of a call."""
        name, arguments = recorded.call.name, recorded.call.arguments
        if name == "save":
            if state.closed:
                yield state, False
            else:
                key = (arguments[0], arguments[1])
                others = frozenset(entry for entry in state.entries if entry[0] != key)
                yield state._replace(entries=others | {(key, recorded.value)}), True
        elif name == "load":
            yield state, state.find(arguments)
        elif name == "has":
            yield state, state.find(arguments) is not None
        elif name == "cleanup_request":
            yield state.without(arguments[0]), None
        elif name == "cleanup_all":
            yield state._replace(entries=frozenset()), None
        elif name == "shutdown":
            yield StoreTable(frozenset() if arguments[0] else state.entries, True), None
        else:
            raise ValueError(f"the specification knows no call {name!r}")

    def parts(self, call: Call) -> Sequence[str]:
        """Name the request ids that a call is about."""
        if call.name in ("cleanup_all", "shutdown"):
            return self._ids
        return (str(call.arguments[0]),)


class RefusingSpecification(StoreSpecification):
    """That of a store with a byte budget, which may refuse a save: that leaves no trace."""

    def outcomes(self, state: StoreTable, recorded: Recorded) -> Iterable[tuple[StoreTable, Any]]:
        """Yield the outcome of a call, and for a save that it was refused."""
        yield from super().outcomes(state, recorded)
        if recorded.call.name == "save" and not state.closed:
            yield state, False
