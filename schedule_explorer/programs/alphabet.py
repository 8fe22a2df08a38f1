"""What a client may call: the methods of a target, and the values that their arguments take."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from schedule_explorer.programs.calls import Argument, Call


@dataclass(frozen=True)
class Method:
    """A method, and for each argument the name of the domain that its values are from."""

    name: str
    domains: tuple[str, ...] = ()


@dataclass(frozen=True)
class Alphabet:
    """All calls of a target, for programs of a bounded size.

    Arguments:
        methods: what may be called.
        domains: the values of each domain, in a fixed order.
        symmetric: domains whose values behave alike, so that two programs are the same when they differ
            only in which value is called what (request ids, say; not a flag).

    Raises:
        ValueError: a method names a domain that there is not.
    """

    methods: tuple[Method, ...]
    domains: Mapping[str, tuple[Argument, ...]] = field(default_factory=dict)
    symmetric: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        wanted = {domain for method in self.methods for domain in method.domains} | set(self.symmetric)
        missing = sorted(wanted - set(self.domains))
        if missing:
            raise ValueError(f"the alphabet names domains without values: {', '.join(missing)}")

    def calls(self) -> tuple[Call, ...]:
        """Return every call, methods in their order, arguments in the order of their domains."""
        return tuple(
            Call(method.name, arguments)
            for method in self.methods
            for arguments in itertools.product(*(self.domains[domain] for domain in method.domains))
        )

    def renamings(self) -> Iterator[Mapping[Call, Call]]:
        """Yield what each permutation of the symmetric domains makes of every call; the identity first."""
        permutations = [
            [dict(zip(self.domains[name], order, strict=True))
             for order in itertools.permutations(self.domains[name])]
            for name in self.symmetric
        ]  # fmt: skip
        for chosen in itertools.product(*permutations):
            rename = dict(zip(self.symmetric, chosen, strict=True))
            yield {
                Call(method.name, arguments): Call(
                    method.name,
                    tuple(
                        rename[domain][argument] if domain in rename else argument
                        for domain, argument in zip(method.domains, arguments, strict=True)
                    ),
                )
                for method in self.methods
                for arguments in itertools.product(*(self.domains[domain] for domain in method.domains))
            }
