"""The schedule as one line: versioned, checked, the same on every machine."""

from __future__ import annotations

import base64
import json
import sys
import zlib
from dataclasses import dataclass

from schedule_explorer.errors import InvalidTokenError
from schedule_explorer.runtime import Trace

_PREFIX = "schedule1."


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
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    content = json.dumps([python, timeouts, names, flat, paths], separators=(",", ":")).encode()
    check = f"{zlib.crc32(content):08x}"
    packed = base64.urlsafe_b64encode(zlib.compress(content, 9)).decode().rstrip("=")
    return f"{_PREFIX}{check}.{packed}"


@dataclass(frozen=True)
class Schedule:
    """A decoded token.

    `kinds` has the operation kind expected at each thread choice (None for other choices), `tids`
    the number of every thread path, `python` the version that made the token.
    """

    choices: list[tuple[str, int]]
    kinds: list[str | None]
    timeouts: str
    python: str
    tids: dict[tuple[int, ...], int]


def decode(token: str) -> Schedule:
    """Read a token.

    Raises:
        InvalidTokenError: it is not a token, was cut, or is of another version.
    """
    shown = token if len(token) < 60 else token[:57] + "..."
    if not isinstance(token, str) or not token.startswith(_PREFIX):
        raise InvalidTokenError(f"{shown!r} is not a schedule token: one begins with {_PREFIX!r}")
    try:
        check, packed = token[len(_PREFIX) :].strip().split(".")
        content = zlib.decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
        if f"{zlib.crc32(content):08x}" != check:
            raise ValueError("checksum")
        python, timeouts, names, flat, paths = json.loads(content)
    except (ValueError, zlib.error) as error:
        raise InvalidTokenError(f"{shown!r} is damaged ({error}): copy the whole line") from None
    choices: list[tuple[str, int]] = []
    kinds: list[str | None] = []
    for option, name in flat:
        choices.append(("thread", option) if option >= 0 else (names[name], -1 - option))
        kinds.append(names[name] if option >= 0 else None)
    return Schedule(choices, kinds, timeouts, python, {tuple(path): tid for path, tid in paths})


