"""Pages on the command line: the option ``--html`` and the command ``report``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from schedule_explorer.results import Failure

html_option = click.option(
    "--html", "html_file", type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page there too: one file that opens offline.",
)  # fmt: skip


def write_failure(file: Path | None, failure: Failure | None, command: str) -> None:
    """Write the page of a failure; say so on standard error where there is none."""
    if file is None:
        return
    if failure is None:
        click.echo(f"nothing failed: {file} was not written", err=True)
        return
    try:
        failure.write_html(file, command)
    except OSError as error:
        raise click.UsageError(f"{file} cannot be written: {error}") from None


def write_campaigns(
    file: Path | None, results: Sequence[Mapping[str, Any]], names: Sequence[str] = ()
) -> None:
    """Write the page of campaigns."""
    if file is None:
        return
    from schedule_explorer.reporting.html.campaign import NotACampaignError, campaign_page
    from schedule_explorer.reporting.html.pages import write

    try:
        write(campaign_page(results, names), file)
    except NotACampaignError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.UsageError(f"{file} cannot be written: {error}") from None


@click.command("report")
@click.argument("files", nargs=-1, required=True, metavar="JSON...",
                type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--html", "html_file", required=True, type=click.Path(dir_okay=False, path_type=Path),
              help="Where the page goes.")  # fmt: skip
def report_command(files: tuple[Path, ...], html_file: Path) -> int:
    """Make one page of what ``verify --json`` and ``hunt --json`` wrote.

    It has a table of verdicts, how many programs of each size were covered, and how many executions it took
    to the first failure.

    \b
    Examples:
      schedule-explorer verify boundary_store --threads 2 --calls 1 --json verdict.json
      schedule-explorer hunt original_store --bug 12 --json bug12.json
      schedule-explorer report verdict.json bug12.json --html campaigns.html
    """
    results = []
    for file in files:
        try:
            results.append(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise click.UsageError(f"{file} cannot be read as JSON: {error}") from None
    write_campaigns(html_file, results, [str(file) for file in files])
    click.echo(f"{html_file}: {len(files)} campaign{'s' * (len(files) > 1)}")
    return 0
