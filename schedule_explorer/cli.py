"""The command ``schedule-explorer``. Exit codes: 0 proved, 1 failed, 2 unfinished, 64 wrong usage."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from schedule_explorer.bodies import UnknownBodyError, find_body
from schedule_explorer.campaigns import Journal, JournalMismatchError, Limits, ProcessPool, Scope, verify
from schedule_explorer.campaigns.fingerprint import fingerprint
from schedule_explorer.campaigns.progress import CampaignProgress
from schedule_explorer.campaigns.table import show
from schedule_explorer.cli_options import (
    CODES,
    JOURNALS,
    POSITIVE,
    PROVED,
    SECONDS,
    UNFINISHED,
    USAGE,
    as_given,
    bug_option,
    ids_option,
    json_option,
    keys_option,
    options_of,
    output,
    target_of,
    write_json,
)
from schedule_explorer.cli_pages import html_option, report_command, write_campaigns, write_failure
from schedule_explorer.cli_programs import hunt_command, stress_command
from schedule_explorer.errors import ExplorerError, InvalidBodyError, InvalidTokenError
from schedule_explorer.exploration import explore, replay
from schedule_explorer.programs import client_body, find, known, parse
from schedule_explorer.programs.calls import Argument
from schedule_explorer.results import Result
from schedule_explorer.strategies.named import STRATEGIES


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="schedule-explorer")
def app() -> None:
    """Run threaded code under every schedule that matters.

    Exit code: 0 proved, 1 failed, 2 unfinished, 64 wrong usage.

    \b
    Examples:
      schedule-explorer explore tests/test_cache.py::lost_update
      schedule-explorer replay tests/test_cache.py::lost_update schedule1.5a...
      schedule-explorer verify boundary_store --threads 2 --calls 1
      schedule-explorer hunt original_store --threads 1 --calls 2
      schedule-explorer stress boundary_store --runs 10000 --amplify switch,yields
    """


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code. The entry point ``schedule-explorer``."""
    try:
        code = app.main(args=arguments, prog_name="schedule-explorer", standalone_mode=False)
    except click.Abort:
        click.echo("interrupted", err=True)
        return UNFINISHED
    except click.ClickException as error:
        error.show()
        return USAGE
    return code if isinstance(code, int) else PROVED


_program = click.option(
    "--program", help="Explore this program, such as 'save(x, 0) | load(x, 0)'; BODY names a target then."
)


@app.command("explore")
@click.argument("body")
@click.option("--strategy", type=click.Choice([*STRATEGIES]), default="optimal-dpor", show_default=True)
@click.option("--max-executions", type=POSITIVE, help="Stop after so many.")
@click.option("--time-limit", type=SECONDS, help="Stop after so many seconds.")
@click.option("--seed", type=int, default=0, show_default=True, help="For strategies that draw.")
@click.option("--preemption-bound", type=click.IntRange(min=0), help="Most preemptions of one execution.")
@click.option(
    "--timeouts", type=click.Choice(["any", "quiet"]), default="any", show_default=True,
    help="When a timed wait may run out: at any point, or only when nothing else can run.",
)  # fmt: skip
@click.option(
    "--simplify", type=click.IntRange(min=0), default=100, show_default=True,
    help="Executions spent on a failing schedule with fewer switches; 0: show the first one.",
)  # fmt: skip
@_program
@ids_option
@keys_option
@bug_option
@json_option
@html_option
def explore_command(
    body: str, program: str | None, ids: tuple[Argument, ...] | None, keys: tuple[Argument, ...] | None,
    bug: str | None, json_file: Path | None, html_file: Path | None, **limits: Any,
) -> int:  # fmt: skip
    """Explore BODY: MODULE:FUNCTION or path.py::function, a function without arguments.

    \b
    Examples:
      schedule-explorer explore my_package.checks:lost_update
      schedule-explorer explore tests/test_cache.py::lost_update --strategy pos --max-executions 1000
      schedule-explorer explore boundary_store --program 'save(x, 0) | cleanup_request(x)'
    """
    options = options_of(ids, keys, bug)
    run = _body(body, program, options)
    result = _explored(lambda: explore(run, progress=True, **limits))
    return _tell(result, json_file, html_file, [body, *as_given(program, options)])


@app.command("replay")
@click.argument("body")
@click.argument("token")
@_program
@ids_option
@keys_option
@bug_option
@json_option
@html_option
def replay_command(
    body: str, token: str, program: str | None, ids: tuple[Argument, ...] | None,
    keys: tuple[Argument, ...] | None, bug: str | None, json_file: Path | None, html_file: Path | None,
) -> int:  # fmt: skip
    """Run the one schedule that TOKEN names, and tell it if it fails: exit code 1.

    A schedule that passes proves nothing: exit code 2.

    \b
    Examples:
      schedule-explorer replay tests/test_cache.py::lost_update schedule1.5a...
      schedule-explorer replay boundary_store schedule1.5a... --program 'save(x, 0) | cleanup_request(x)'
    """
    options = options_of(ids, keys, bug)
    run = _body(body, program, options)
    result = _explored(lambda: replay(run, token))
    return _tell(result, json_file, html_file, [body, *as_given(program, options)])


@app.command("verify")
@click.argument("target")
@click.option("--threads", type=POSITIVE, default=2, show_default=True, help="Client threads at most.")
@click.option("--calls", type=POSITIVE, default=2, show_default=True, help="Calls of one thread at most.")
@click.option("--total", type=POSITIVE, help="Calls of all threads together at most.")
@ids_option
@keys_option
@click.option("--program-time", type=SECONDS, help="Seconds that one program may take.")
@click.option("--program-executions", type=POSITIVE, help="Executions that one program may take.")
@click.option("--time-limit", type=SECONDS, help="Seconds for everything.")
@click.option("--processes", type=POSITIVE, default=os.cpu_count() or 1, help="Default: one a core.")
@click.option("--keep-going", is_flag=True, help="Go on after the first program that fails.")
@click.option(
    "--journal", type=click.Path(dir_okay=False, path_type=Path),
    help=f"Keep outcomes in this file, and go on from it. Default: one a campaign, in {JOURNALS}/.",
)  # fmt: skip
@click.option("--fresh", is_flag=True, help="Begin anew, whatever the journal has.")
@json_option
@html_option
def verify_command(
    target: str, threads: int, calls: int, total: int | None, ids: tuple[Argument, ...] | None,
    keys: tuple[Argument, ...] | None, program_time: float | None, program_executions: int | None,
    time_limit: float | None, processes: int, keep_going: bool, journal: Path | None, fresh: bool,
    json_file: Path | None, html_file: Path | None,
) -> int:  # fmt: skip
    """Explore every program of TARGET up to a size, under every schedule that matters.

    Every outcome goes to a journal at once: the same command goes on where Ctrl-C or a kill ended it.
    A journal of other code, or of another scope, is not used.

    \b
    Examples:
      schedule-explorer verify boundary_store --threads 2 --calls 1
      schedule-explorer verify boundary_store --threads 2 --calls 2 --keys 0 --time-limit 300
      schedule-explorer verify boundary_store --total 3 --json verdict.json
    """
    options = options_of(ids, keys)
    scope = Scope(threads, calls, total)
    limits = Limits(program_time, program_executions)
    made = target_of(target, options)
    about = {
        "target": target, **{name: list(values) for name, values in options.items()}, **vars(scope),
        "code": fingerprint(made),
    }  # fmt: skip
    bounds = "-".join(
        [f"{threads}x{calls}", *([str(total)] if total else []),
         *(f"{name}_{','.join(map(str, values))}" for name, values in options.items())]
    )  # fmt: skip
    file = journal or JOURNALS / f"verify-{target}-{bounds}-{about['code']}.jsonl"
    console = output(stderr=True)
    try:
        kept = Journal(file, about, limits, fresh=fresh)
    except (JournalMismatchError, OSError) as error:
        raise click.UsageError(f"{error}\n(--fresh begins anew)") from None
    with kept, ProcessPool(processes) as pool:
        report = verify(
            partial(find, target, **options), scope, pool.executor, processes=processes, stop=pool.stop,
            limits=limits, time_limit=time_limit, keep_going=keep_going, journal=kept, head=about,
            progress=CampaignProgress(console, processes),
        )  # fmt: skip
    show(report, output())
    if report.total.left and not report.failures:
        console.print(f"the same command goes on from {file}", highlight=False, soft_wrap=True)
    write_json(json_file, report.as_json())
    write_campaigns(html_file, [report.as_json()])
    return CODES[report.verdict]


def _body(name: str, program: str | None, options: dict[str, Any]) -> Callable[[], object]:
    """Return the body of that name, or the program on the target of that name."""
    if program is not None:
        try:
            return client_body(target_of(name, options), parse(program))
        except ValueError as error:
            raise click.UsageError(str(error)) from None
    if options:
        raise click.UsageError("--ids, --keys and --bug go with --program")
    try:
        return find_body(name)
    except UnknownBodyError as error:
        hint = f"; {name} is a target: give --program" if name in known() else ""
        raise click.UsageError(f"{error}{hint}") from None


def _explored(run: Callable[[], Result]) -> Result:
    """Explore; what is uncontrolled makes it unfinished, a bad argument is wrong usage."""
    try:
        return run()
    except (InvalidBodyError, InvalidTokenError) as error:
        raise click.UsageError(str(error)) from None
    except ExplorerError as error:
        return Result(reason=f"{type(error).__name__}: {error}")
    except (TypeError, ValueError) as error:
        raise click.UsageError(str(error)) from None


def _tell(result: Result, json_file: Path | None, html_file: Path | None, run: list[str]) -> int:
    """Print the result, the failure with its story first, and return the exit code.

    Arguments:
        run: what the command line names the body with.
    """
    failure = result.failure
    if failure is not None:
        click.echo(failure.explain())
        click.echo()
    reason = f": {result.reason}" if result.reason else ""
    click.echo(
        f"{result.verdict.value} after {result.executions} executions "
        f"({result.blocked} cut off), {result.seconds:.1f} s{reason}"
    )
    write_json(json_file, {
        "verdict": result.verdict.value, "reason": result.reason, "executions": result.executions,
        "blocked": result.blocked, "deadlocks": result.deadlocks, "failing": result.failing,
        "schedule": failure.schedule if failure is not None else None,
        "explanation": failure.explain() if failure is not None else None,
        "timing": {"seconds": round(result.seconds, 1)},
    })  # fmt: skip
    schedule = failure.schedule if failure is not None else ""
    command = shlex.join(["schedule-explorer", "replay", run[0], schedule, *run[1:]])
    write_failure(html_file, failure, command)
    return CODES[result.verdict]


for _command in (stress_command, hunt_command, report_command):
    app.add_command(_command)

if __name__ == "__main__":
    sys.exit(main())
