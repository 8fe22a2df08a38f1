"""The schedule as one line: versioned, checked, the same on every machine.

It says under which Python it was made, and under which hash seed when ``PYTHONHASHSEED`` fixed one: both can
decide what a program does (the order of a set of strings, say). Neither keeps a token from being replayed.
"""

from __future__ import annotations

import base64
import json
import os
import re
import sys
import zlib
from dataclasses import dataclass
from typing import Any

from schedule_explorer.errors import InvalidTokenError
from schedule_explorer.runtime import Trace

_PREFIX = "schedule1."
_PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"


def _fixed_seed() -> int | None:
    """Return the hash seed of this process; None when it was drawn at random."""
    text = "random" if sys.flags.ignore_environment else os.environ.get("PYTHONHASHSEED", "")
    return int(text) if text.isdecimal() else None


# The environment may be changed later; the seed is not.
_SEED = _fixed_seed()


def encode(trace: Trace, timeouts: str) -> str:
    """Write the choices of `trace`, with the kind of operation each thread choice led to."""
    kinds = [event.kind for event in trace.events]
    names: list[str] = sorted({*kinds, *(kind for kind, _ in trace.choices if kind != "thread")})
    flat: list[list[int]] = []
    event = 0
    for kind, option in trace.choices:
        if kind == "thread":
            if event >= len(kinds):
                break
            name, event = kinds[event], event + 1
            flat.append([option, names.index(name)])
        else:
            flat.append([-1 - option, names.index(kind)])
    paths = [[list(path), tid] for path, tid in trace.tids.items()]
    parts: list[Any] = [_PYTHON, timeouts, names, flat, paths]
    if _SEED is not None:
        parts.append(_SEED)
    content = json.dumps(parts, separators=(",", ":")).encode()
    check = f"{zlib.crc32(content):08x}"
    packed = base64.urlsafe_b64encode(zlib.compress(content, 9)).decode().rstrip("=")
    return f"{_PREFIX}{check}.{packed}"


@dataclass(frozen=True)
class Schedule:
    """A decoded token.

    `kinds` has the operation kind expected at each thread choice (None for other choices), `tids`
    the number of every thread path, `python` the version that made the token, `seed` its hash seed where one
    was fixed.
    """

    choices: list[tuple[str, int]]
    kinds: list[str | None]
    timeouts: str
    python: str
    tids: dict[tuple[int, ...], int]
    seed: int | None = None


def decode(token: str) -> Schedule:
    """Read a token.

    Raises:
        InvalidTokenError: it is not a token, was cut, or is of another version.
    """
    shown = repr(token)
    shown = shown if len(shown) < 60 else shown[:57] + "..."
    if not isinstance(token, str):
        raise InvalidTokenError(
            f"{shown} is not a schedule token: pass the last line of an explained failure"
        )
    token = token.strip()
    version = re.match(r"schedule(\d+)\.", token)
    if version is not None and version[0] != _PREFIX:
        raise InvalidTokenError(
            f"{shown} is a schedule token of format {version[1]}, and this release reads format 1: replay it "
            "with the release of schedule-explorer that made it"
        )
    if version is None:
        raise InvalidTokenError(
            f"{shown} is not a schedule token: one begins with {_PREFIX!r}; pass the last line of an "
            "explained failure"
        )
    try:
        check, packed = token[len(_PREFIX) :].split(".")
        content = zlib.decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
        if f"{zlib.crc32(content):08x}" != check:
            raise ValueError("its checksum is wrong")
        return _schedule(*json.loads(content))
    except (ValueError, TypeError, IndexError, zlib.error) as error:
        raise InvalidTokenError(f"{shown} is damaged ({error}): copy the whole line") from None


def _schedule(
    python: str, timeouts: str, names: list[str], flat: list[list[int]], paths: list[Any],
    seed: int | None = None,
) -> Schedule:
    if timeouts not in ("any", "quiet"):
        raise ValueError(f"timeouts is {timeouts!r}")
    choices: list[tuple[str, int]] = []
    kinds: list[str | None] = []
    for option, name in flat:
        choices.append(("thread", option) if option >= 0 else (names[name], -1 - option))
        kinds.append(names[name] if option >= 0 else None)
    return Schedule(choices, kinds, timeouts, python, {tuple(path): tid for path, tid in paths}, seed)


def elsewhere(schedule: Schedule) -> str:
    """Say in what this process differs from the one that made the token, with the remedy, or nothing.

    A seed that was drawn at random is another one, as far as can be known.
    """
    told = []
    if schedule.python != _PYTHON:
        told.append(
            f"The token was made by Python {schedule.python} and this is {_PYTHON}: replay it with Python "
            f"{schedule.python}."
        )
    if schedule.seed is not None and schedule.seed != _SEED:
        here = "it is drawn at random" if _SEED is None else f"it is {_SEED}"
        told.append(
            f"The token was made under the hash seed {schedule.seed} and here {here}: replay it with "
            f"PYTHONHASHSEED={schedule.seed} in the environment."
        )
    elif schedule.seed is None:
        told.append(
            "The token was made under a random hash seed: if the order of a set decides, explore and replay "
            "with PYTHONHASHSEED=0 in the environment."
        )
    return " ".join(told)
