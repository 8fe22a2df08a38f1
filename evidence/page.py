"""A page of evidence, and how it is written: Markdown to read, JSON to check, plots beside."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evidence.stamp import ROOT, Stamp

REPORTS = ROOT / "reports"


@dataclass(frozen=True)
class Page:
    """What a section found.

    Attributes:
        name: of its files, without what follows the dot.
        title: the headline.
        body: Markdown below it.
        data: all figures of the body, as JSON holds them.
        plots: SVG files' names and texts.
        good: whether it is as it should be; a page that is not is written all the same, and says so.
    """

    name: str
    title: str
    body: str
    data: dict[str, Any]
    plots: dict[str, str] = field(default_factory=dict)
    good: bool = True


def write(page: Page, stamp: Stamp, directory: Path = REPORTS) -> list[Path]:
    """Write the files of a page and return their paths.

    Arguments:
        directory: is made where it is missing.
    """
    directory.mkdir(parents=True, exist_ok=True)
    warning = "" if page.good else "\n**This is not as it should be; see below.**\n"
    texts = {
        f"{page.name}.md": f"# {page.title}\n{warning}\n{page.body.strip()}\n\n{stamp.markdown()}\n",
        f"{page.name}.json": json.dumps({"stamp": stamp.as_json(), **page.data}, indent=1) + "\n",
        **page.plots,
    }
    for name, text in texts.items():
        (directory / name).write_text(text, encoding="utf-8")
    return [directory / name for name in texts]


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Lay out a Markdown table; a column of numbers is set to the right.

    Arguments:
        heads: of the columns.
        rows: a cell a column; None is an empty cell.
    """
    cells = [["" if cell is None else _cell(cell) for cell in row] for row in rows]
    originals = list(rows) if isinstance(rows, list) else []
    right = [
        bool(originals) and all(_is_number(row[i]) for row in originals) for i in range(len(heads))
    ]
    lines = [
        "| " + " | ".join(heads) + " |",
        "|" + "|".join("---:" if numbers else "---" for numbers in right) + "|",
    ]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in cells)])


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"
    return str(value).replace("|", "\\|").replace("\n", " ")
