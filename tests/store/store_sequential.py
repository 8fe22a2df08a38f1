"""What a store is, without threads, files and failures: a dict. And: is a history one of it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Call:
    """One call of a concurrent history, with the instants at which it began and returned."""

    name: str
    arguments: tuple[Any, ...]
    result: Any
    began: int
    returned: int


State = frozenset[tuple[tuple[str, int], Any]]


def apply(state: State, name: str, arguments: tuple[Any, ...]) -> tuple[State, Any]:
    """Return the state after a call, and what the call returns."""
    table = dict(state)
    result: Any = True
    if name == "save":
        *key, value = arguments
        table[(key[0], key[1])] = value
    elif name == "load":
        result = table.get(arguments)
    elif name == "has":
        result = arguments in table
    elif name == "cleanup_request":
        table = {key: value for key, value in table.items() if key[0] != arguments[0]}
    elif name == "cleanup_all":
        table = {}
    return frozenset(table.items()), result


def linearizable(calls: Sequence[Call], state: State = frozenset()) -> bool:
    """Say whether the calls have an order that keeps those apart which did not overlap, and explains them."""
    if not calls:
        return True
    first = min(call.returned for call in calls)
    for call in calls:
        if call.began <= first:
            after, result = apply(state, call.name, call.arguments)
            rest = [other for other in calls if other is not call]
            if result == call.result and linearizable(rest, after):
                return True
    return False
