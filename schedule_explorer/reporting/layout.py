"""The columns of a report: a mark, a column a thread, the source line; as wide as they need to be."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field

from schedule_explorer.reporting.names import cut, cut_target

#: characters of a line with one or two threads; the same on every terminal, so that reports compare
WIDTH = 120
_MARK = 4
#: of the source line, with up to two threads and with more
_SOURCE, _SOURCE_OF_MANY = 40, 32
_GAP = 2
#: what a thread's column never goes below; with many threads a line becomes longer than `WIDTH`
_NARROWEST = 26
#: characters of a target below which it is not worth showing the outcome beside it
_SHORTEST = 10


@dataclass(frozen=True)
class Remark:
    """A reason, wrapped to its column."""

    text: str

    def fit(self, width: int) -> list[str]:
        """Write it in lines of at most `width` characters."""
        return textwrap.wrap(f"-- {self.text}", width, subsequent_indent="   ")


@dataclass(frozen=True)
class Cell:
    """One operation and its outcome."""

    kind: str
    target: str = ""
    note: str = ""

    def fit(self, width: int) -> list[str]:
        """Write it in at most `width` characters; an outcome that does not fit goes to a second line."""
        outcome = f" -> {self.note}" if self.note else ""
        text = self._operation(width - len(outcome))
        if len(text) + len(outcome) <= width:
            return [text + outcome]
        second = [cut(f"  {outcome}", width)] if outcome else []
        return [cut(self._operation(width), width), *second]

    def _operation(self, width: int) -> str:
        room = width - len(self.kind) - 1
        target = self.target
        if len(target) > room >= _SHORTEST:
            target = cut_target(target, room)
        return f"{self.kind} {target}".rstrip()


@dataclass(frozen=True)
class Steps:
    """Several folded operations, by kind."""

    kinds: tuple[str, ...]

    def fit(self, width: int) -> list[str]:
        """Write the count and as many kinds as there is room for, the last one always."""
        head = f"… {len(self.kinds)} steps: "
        shown = _repeats([kind.rpartition(".")[2] for kind in self.kinds])
        text = head + ", ".join(shown)
        kept = len(shown) - 1
        while len(text) > width and kept > 0:
            kept -= 1
            text = head + ", ".join([*shown[:kept], "…", shown[-1]])
        return [text if len(text) <= width else cut(head.rstrip(": "), width)]


@dataclass
class Line:
    """One row: a mark, cells by tid, a source line."""

    mark: str = ""
    cells: dict[int, Cell | Remark | Steps] = field(default_factory=dict)
    source: str = ""


def render(columns: dict[int, str], lines: list[Line]) -> list[str]:
    """Lay `lines` out under the thread names `columns` (tid to name)."""
    least = _SOURCE if len(columns) <= 2 else _SOURCE_OF_MANY
    room = max(_NARROWEST, (WIDTH - _MARK - least) // max(len(columns), 1))
    widths = {}
    for tid, name in columns.items():
        cells = [text for line in lines if tid in line.cells for text in line.cells[tid].fit(room - _GAP)]
        widths[tid] = max(map(len, (*cells, cut(name, room - _GAP)))) + _GAP
    # What narrow columns leave over is the source line's.
    source = max(WIDTH - _MARK - sum(widths.values()), least)
    header = Line("", {tid: Cell(name) for tid, name in columns.items()}, "source")
    ruler = " " * _MARK + "".join("-" * (width - _GAP) + " " * _GAP for width in widths.values()) + "------"
    return [
        *_row(header, widths, source), ruler,
        *(text for line in lines for text in _row(line, widths, source)),
    ]


def _row(line: Line, widths: dict[int, int], source: int) -> list[str]:
    fitted = {tid: cell.fit(widths[tid] - _GAP) for tid, cell in line.cells.items()}
    shown = line.source if len(line.source) <= source else line.source[: source - 1] + "…"
    rows = []
    for number in range(max(map(len, fitted.values()))):
        text = f"{line.mark if not number else '':<{_MARK}}"
        for tid, width in widths.items():
            cell = fitted.get(tid, [])
            text += f"{cell[number] if number < len(cell) else '':<{width}}"
        rows.append((text + ("" if number else shown)).rstrip())
    return rows


def _repeats(kinds: list[str]) -> list[str]:
    """Write ``scandir, scandir, scandir`` as ``scandir x3``."""
    shown: list[tuple[str, int]] = []
    for kind in kinds:
        if shown and shown[-1][0] == kind:
            shown[-1] = (kind, shown[-1][1] + 1)
        else:
            shown.append((kind, 1))
    return [kind if count == 1 else f"{kind} x{count}" for kind, count in shown]
