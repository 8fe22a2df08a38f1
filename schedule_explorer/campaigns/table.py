"""The verdict of a campaign for people: failing programs with their stories, and a table."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

from schedule_explorer.campaigns.progress import duration
from schedule_explorer.campaigns.report import Report, Row

_COLUMNS = ("programs", "proved", "failed", "unfinished", "left", "executions", "cut off", "histories")
#: stories that are told in full
_TOLD = 3


def show(report: Report, console: Console) -> None:
    """Print what was established."""
    for number, outcome in enumerate(report.failures):
        console.print(f"[bold red]failed[/]: {_plain(outcome.program)}", highlight=False)
        if number < _TOLD:
            console.print(outcome.explanation, markup=False, highlight=False, soft_wrap=True)
            console.print()
        else:
            console.print(f"  {_plain(outcome.reason.splitlines()[0])}", highlight=False)
            console.print(outcome.schedule, markup=False, highlight=False, soft_wrap=True)
    for outcome in report.unfinished:
        console.print(
            f"[yellow]unfinished[/]: {_plain(outcome.program)}: {_plain(outcome.reason)}",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
    console.print(_table(report))
    style = {"proved": "green", "failed": "red"}.get(report.verdict.value, "yellow")
    known = f", {report.known} of them from the journal" if report.known else ""
    total = report.total
    console.print(
        f"[bold {style}]{report.verdict.value}[/]: {total.programs - total.left} of {total.programs} programs"
        f"{known}, {total.executions} executions, {total.histories} histories, "
        f"{duration(report.seconds)} with {report.processes} process{'es' * (report.processes > 1)}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    if report.reason:
        console.print(_plain(report.reason), highlight=False, soft_wrap=True)


def _table(report: Report) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), collapse_padding=True)
    table.add_column("calls")
    for column in _COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    for lengths, row in report.rows.items():
        table.add_row("+".join(map(str, lengths)), *_cells(row))
    table.add_section()
    table.add_row("all", *_cells(report.total))
    return table


def _cells(row: Row) -> list[str]:
    figures = (
        row.programs, row.proved, row.failed, row.unfinished, row.left, row.executions, row.blocked,
        row.histories,
    )  # fmt: skip
    return [str(figure) if figure else "-" for figure in figures]


def _plain(told: str) -> str:
    """Keep brackets from being taken for styles."""
    return told.replace("[", "\\[")
