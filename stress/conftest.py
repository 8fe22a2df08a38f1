"""What the tests here share: `pytest stress --count=N` makes N runs of each, one a repetition."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest

from schedule_explorer.campaigns.stress import Programs, Run, run_once
from schedule_explorer.campaigns.stress.amplifiers import amplified
from schedule_explorer.interposition.filesystem import fast_directory
from schedule_explorer.programs import Program, RealTarget
from schedule_explorer.targets.boundary_store import BoundaryStoreTarget

Once = Callable[..., Run]


@pytest.fixture
def once() -> Iterator[Once]:
    """Return a function that runs a program of a target once, under amplifiers; what it logs is not shown."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    with TemporaryDirectory(prefix="stress-", dir=fast_directory()) as directory:

        def run(target: RealTarget, program: Program, amplifiers: tuple[str, ...] = ()) -> Run:
            with amplified(amplifiers, Random(), Path(directory)):
                return run_once(target, program, Path(directory))

        yield run
    logging.disable(disabled)


@pytest.fixture(scope="session")
def programs() -> Iterator[Program]:
    """Return the programs of the production store in a random order, another one in every session."""
    return Programs().order(BoundaryStoreTarget().alphabet, Random())
