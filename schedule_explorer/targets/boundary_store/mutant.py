"""A mutant: one change of the production store's code, as text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """One change of one file.

    Attributes:
        name: what the change does.
        file: of the package ``store``.
        old: text that occurs in it exactly once.
        new: what stands there instead.
        survives: why verification does not see it, empty when it must.
        test: a module or a test of ``tests/store`` that fails on it, where verification does not see it.
    """

    name: str
    file: str
    old: str
    new: str
    survives: str = ""
    test: str = ""


def mutate(source: str, mutant: Mutant) -> str:
    """Return the source of the file with the change.

    Raises:
        ValueError: the old text does not occur exactly once, or nothing would change.
    """
    count = source.count(mutant.old)
    if count != 1 or mutant.old == mutant.new:
        raise ValueError(f"{mutant.name}: the old text occurs {count} times in {mutant.file}")
    return source.replace(mutant.old, mutant.new)
