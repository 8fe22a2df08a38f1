"""Find a target by its name. Any installed package may bring one; nothing in the explorer imports them.

    [project.entry-points."schedule_explorer.targets"]
    my_cache = "my_package.exploring:target"      # a callable that returns a Target
"""

from __future__ import annotations

import inspect
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from schedule_explorer.programs.target import Target

#: the group of entry points that targets are declared in
GROUP = "schedule_explorer.targets"


class UnknownTargetError(LookupError):
    """No target has that name, it cannot be loaded, or it does not take an option."""


def known() -> list[str]:
    """Return the names of all targets of the installed packages, in alphabetical order."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def find(name: str, **options: Any) -> Target:
    """Make the target of that name.

    Arguments:
        name: as its package declares it.
        options: for the target, such as the ids and keys of its alphabet.

    Raises:
        UnknownTargetError: there is none of that name; the text lists those that there are. Or it cannot be
            imported, does not take an option, or makes something that is no target.
    """
    points = sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value))
    point = next((point for point in points if point.name == name), None)
    if point is None:
        others = f"known are {', '.join(known())}" if points else "no installed package declares one"
        raise UnknownTargetError(f"there is no target {name!r}: {others}")
    factory = _load(point)
    taken = inspect.signature(factory).parameters
    everything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values())
    for option in options:
        if option not in taken and not everything:
            takes = f"it takes {', '.join(taken)}" if taken else "it takes none"
            raise UnknownTargetError(f"the target {name!r} has no option {option!r}: {takes}")
    target = factory(**options)
    if not isinstance(target, Target):
        raise UnknownTargetError(f"{point.value}, the target {name!r}, made {target!r}, which is no Target")
    return target


def _load(point: EntryPoint) -> Any:
    """Import what an entry point names."""
    try:
        factory = point.load()
    except (ImportError, AttributeError) as error:
        raise UnknownTargetError(f"the target {point.name!r} cannot be loaded: {error}") from error
    if not callable(factory):
        raise UnknownTargetError(f"{point.value}, the target {point.name!r}, cannot be called")
    return factory
