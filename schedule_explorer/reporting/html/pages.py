"""From data to one self-contained file: the template with its style and script inside.

Everything that comes from a program (names of threads and files, messages, source lines) is escaped by the
template, or travels in a JSON block whose ``<`` is written ``\\u003c``. The page's own security policy lets
no script run but the one that belongs to it, and nothing be fetched.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined

_FOLDER = files("schedule_explorer.reporting.html") / "page"
_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


def page(template: str, data: dict[str, Any], script: str, **more: Any) -> str:
    """Lay out a page.

    Arguments:
        template: its name, as ``"failure"``.
        data: what the script of the page reads, as JSON holds it.
        script: the name of that script; empty: none.
        more: what the template reads besides.
    """
    code = asset(f"{script}.js") if script else ""
    # A surrogate, as an undecodable file name has, is no text that a file can hold.
    return _templates().get_template(f"{template}.html").render(
        json=embedded(data), style=asset("style.css"), script=code, policy=_policy(code), **more
    ).encode("utf-8", "backslashreplace").decode("utf-8")


def write(text: str, path: str | os.PathLike[str]) -> None:
    """Write a page; the file is whole or is not there.

    Raises:
        OSError: it cannot be written.
    """
    part = f"{os.fspath(path)}.part"
    with open(part, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
    os.replace(part, path)


def embedded(data: dict[str, Any]) -> str:
    """Write JSON that can stand in a script element, whatever is in it."""
    text = json.dumps(data, separators=(",", ":"), sort_keys=True)
    for character, escape in _ESCAPED.items():
        text = text.replace(character, escape)
    return text


def printable(text: str) -> str:
    """Write what is not to be seen, or turns the direction of writing, as an escape; tabs as spaces."""
    text = text.expandtabs(4)
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode()
        for each in text
    )


@cache
def asset(name: str) -> str:
    """Return the text of a file of the page."""
    return (_FOLDER / name).read_text(encoding="utf-8")


def _policy(code: str) -> str:
    """Return the security policy: this very script, inline style, and nothing from anywhere."""
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    scripts = f"'sha256-{digest}'" if code else "'none'"
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src {scripts}; base-uri 'none'"


@cache
def _templates() -> Environment:
    names = ("base.html", "failure.html", "campaign.html")
    made = Environment(
        loader=DictLoader({name: asset(name) for name in names}), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters["printable"] = printable
    return made
