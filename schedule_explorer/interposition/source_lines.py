"""Lines of source code, for a traceback or a warning, are read for real: they are not files of the program.

They are read in the first execution only, where they must not be steps.
"""

from __future__ import annotations

import linecache
from typing import Any

from schedule_explorer.interposition.context import plain


def _read(name: str) -> Any:
    original = getattr(linecache, name)

    def read(*arguments: Any, **options: Any) -> Any:
        with plain():
            return original(*arguments, **options)

    read.__name__ = name
    return read


PATCHES: list[tuple[object, str, Any]] = [
    (linecache, name, _read(name)) for name in ("checkcache", "updatecache")
]
