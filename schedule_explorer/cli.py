"""The command ``schedule-explorer``. Exit codes: 0 proved, 1 failed, 2 unfinished, 64 wrong usage."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from schedule_explorer.bodies import UnknownBodyError, find_body
from schedule_explorer.campaigns import Journal, JournalMismatchError, Limits, ProcessPool, Scope, verify
from schedule_explorer.campaigns.fingerprint import fingerprint
from schedule_explorer.campaigns.hunt import Hunt, Huntable, hunt
from schedule_explorer.campaigns.progress import CampaignProgress
from schedule_explorer.campaigns.stress import Programs, Stress, StressProgress, amplifiers, failures, stress
from schedule_explorer.campaigns.table import show
from schedule_explorer.campaigns.work import quiet
from schedule_explorer.cli_pages import html_option, report_command, write_campaigns, write_failure
from schedule_explorer.errors import ExplorerError, InvalidBodyError, InvalidTokenError
from schedule_explorer.exploration import explore, replay
from schedule_explorer.programs import UnknownTargetError, client_body, find, known, parse, text
from schedule_explorer.programs.calls import Argument
from schedule_explorer.results import Result, Verdict
from schedule_explorer.strategies.named import STRATEGIES

PROVED, FAILED, UNFINISHED, USAGE = 0, 1, 2, 64
CODES = {Verdict.PROVED: PROVED, Verdict.FAILED: FAILED, Verdict.UNFINISHED: UNFINISHED}
#: columns of a table where there is no terminal
PLAIN_WIDTH = 100
#: where journals go when nobody says
JOURNALS = Path(".schedule_explorer")
#: executions of the one program that a stress loop saw fail, unless told
FROM_EXECUTIONS = 3000


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


class _Values(click.ParamType):  # type: ignore[type-arg] # older releases have no argument
    """Values of a domain, with commas: words are strings, digits numbers."""

    name = "VALUE,..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Argument, ...]:
        """Read them as arguments of a call are read."""
        try:
            ((call,),) = parse(f"values({value})")
        except ValueError:
            self.fail(f"{value!r} is no list of words or numbers with commas", param, ctx)
        if not call.arguments:
            self.fail("give one value or more", param, ctx)
        return call.arguments


_POSITIVE = click.IntRange(min=1)
_SECONDS = click.FloatRange(min=0, min_open=True)
_ids = click.option("--ids", type=_Values(), help="Ids of the calls, such as x,y, if the target takes them.")
_keys = click.option("--keys", type=_Values(), help="Keys of the calls, such as 0,1, if it takes them.")
_bug = click.option("--bug", help="The target with this bug, by number or name, if the target has a choice.")
_json = click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the result there too."
)
_program = click.option(
    "--program", help="Explore this program, such as 'save(x, 0) | load(x, 0)'; BODY names a target then."
)


@app.command("explore")
@click.argument("body")
@click.option("--strategy", type=click.Choice([*STRATEGIES]), default="optimal-dpor", show_default=True)
@click.option("--max-executions", type=_POSITIVE, help="Stop after so many.")
@click.option("--time-limit", type=_SECONDS, help="Stop after so many seconds.")
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
@_ids
@_keys
@_bug
@_json
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
    options = _options(ids, keys, bug)
    run = _body(body, program, options)
    result = _explored(lambda: explore(run, progress=True, **limits))
    return _tell(result, json_file, html_file, [body, *_given(program, options)])


@app.command("replay")
@click.argument("body")
@click.argument("token")
@_program
@_ids
@_keys
@_bug
@_json
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
    options = _options(ids, keys, bug)
    run = _body(body, program, options)
    result = _explored(lambda: replay(run, token))
    return _tell(result, json_file, html_file, [body, *_given(program, options)])


@app.command("verify")
@click.argument("target")
@click.option("--threads", type=_POSITIVE, default=2, show_default=True, help="Client threads at most.")
@click.option("--calls", type=_POSITIVE, default=2, show_default=True, help="Calls of one thread at most.")
@click.option("--total", type=_POSITIVE, help="Calls of all threads together at most.")
@_ids
@_keys
@click.option("--program-time", type=_SECONDS, help="Seconds that one program may take.")
@click.option("--program-executions", type=_POSITIVE, help="Executions that one program may take.")
@click.option("--time-limit", type=_SECONDS, help="Seconds for everything.")
@click.option("--processes", type=_POSITIVE, default=os.cpu_count() or 1, help="Default: one a core.")
@click.option("--keep-going", is_flag=True, help="Go on after the first program that fails.")
@click.option(
    "--journal", type=click.Path(dir_okay=False, path_type=Path),
    help=f"Keep outcomes in this file, and go on from it. Default: one a campaign, in {JOURNALS}/.",
)  # fmt: skip
@click.option("--fresh", is_flag=True, help="Begin anew, whatever the journal has.")
@_json
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
    options = _options(ids, keys)
    scope = Scope(threads, calls, total)
    limits = Limits(program_time, program_executions)
    made = _target(target, options)
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
    _write(json_file, report.as_json())
    write_campaigns(html_file, [report.as_json()])
    return CODES[report.verdict]


@app.command("stress")
@click.argument("target")
@click.option("--program", help="Run this program only, such as 'save(x, 0) | load(x, 0)'.")
@click.option("--threads", type=_POSITIVE, default=2, show_default=True, help="Client threads at most.")
@click.option("--calls", type=_POSITIVE, default=2, show_default=True, help="Calls of one thread at most.")
@click.option("--total", type=_POSITIVE, help="Calls of all threads together at most.")
@click.option("--runs", type=_POSITIVE, help="Runs. Default: 10000, unless another bound is given.")
@click.option("--time-limit", type=_SECONDS, help="Seconds.")
@click.option("--until-failure", is_flag=True, help="Run until one fails.")
@click.option(
    "--amplify", default="", metavar="NAME,...",
    help=f"Make races likelier: {', '.join(amplifiers.AMPLIFIERS)}."
)
@click.option("--seed", type=int, default=0, show_default=True, help="For the order of programs, and pauses.")
@click.option(
    "--directory", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where the files of the runs are. Default: on the fastest file system.",
)  # fmt: skip
@click.option("--hang", type=_SECONDS, default=30.0, show_default=True, help="Seconds until a run hangs.")
@click.option("--arrays", is_flag=True, help="Real MLX arrays, if the target has the choice.")
@click.option(
    "--failures", "files", type=click.Path(file_okay=False, path_type=Path), default=JOURNALS / "stress",
    show_default=True, help="Where files about failures are written.",
)  # fmt: skip
@_ids
@_keys
@_bug
@_json
def stress_command(
    target: str, program: str | None, threads: int, calls: int, total: int | None, runs: int | None,
    time_limit: float | None, until_failure: bool, amplify: str, seed: int, directory: Path | None,
    hang: float, arrays: bool, files: Path, ids: tuple[Argument, ...] | None,
    keys: tuple[Argument, ...] | None, bug: str | None, json_file: Path | None,
) -> int:  # fmt: skip
    """Run the programs of TARGET on real threads and real files, and count how many runs fail.

    Prints runs, failures, their rate with an interval of 95 %, and runs per second; Ctrl-C prints those so
    far. Each failure is written to a file that `hunt --from` takes. Exit code: 1 when a run failed, 2 when
    none did, which proves nothing.

    \b
    Examples:
      schedule-explorer stress boundary_store --runs 100000
      schedule-explorer stress boundary_store --amplify switch,yields,gc --time-limit 60
      schedule-explorer stress original_store_before_fix --amplify yields,slow-writer --until-failure
      schedule-explorer stress boundary_store --program 'save(x, 0) | cleanup_request(x)' --directory .
    """
    bounded = runs is not None or time_limit is not None or until_failure
    try:
        names = amplifiers.named(amplify)
        options = _options(ids, keys, bug) | amplifiers.options(names) | ({"arrays": True} if arrays else {})
        figures = stress(
            _target(target, options),
            Programs(None if program is None else parse(program), threads, calls, total),
            Stress(
                runs if bounded else 10_000, time_limit, until_failure, names, seed, directory, hang, files
            ),
            name=target, options=options, progress=StressProgress(output(stderr=True)),
        )  # fmt: skip
    except (ValueError, OSError) as error:
        raise click.UsageError(str(error)) from None
    click.echo(figures.told())
    _write(json_file, figures.as_json())
    return FAILED if figures.failures else UNFINISHED


@app.command("hunt")
@click.argument("target", required=False)
@click.option(
    "--from", "failure_file", type=click.Path(path_type=Path), metavar="FILE",
    help="Look for the failure that a stress loop wrote this file about, in its program.",
)  # fmt: skip
@_bug
@click.option("--threads", type=_POSITIVE, help="Client threads at most. Default: 2.")
@click.option("--calls", type=_POSITIVE, help="Calls of one thread at most. Default: 3.")
@click.option("--programs", type=_POSITIVE, help="Programs that are tried at most. Default: 1000.")
@click.option("--executions", type=_POSITIVE, help="Executions of each program. Default: 30.")
@click.option("--budget", type=_POSITIVE, help="Executions of all programs together. Default: no bound.")
@click.option(
    "--strategy", type=click.Choice(list(STRATEGIES)),
    help="Default: random, then pct, then optimal-dpor, a third of the executions each.",
)  # fmt: skip
@click.option("--seed", type=int, help="For strategies that draw. Default: 0.")
@click.option("--timeouts", type=click.Choice(["any", "quiet"]), help="As for explore. Default: any.")
@_ids
@_keys
@_json
@html_option
def hunt_command(
    target: str | None, failure_file: Path | None, bug: str | None, programs: int | None,
    ids: tuple[Argument, ...] | None, keys: tuple[Argument, ...] | None, json_file: Path | None,
    html_file: Path | None, **given: Any,
) -> int:  # fmt: skip
    """Go through the programs of TARGET, smallest first, until one fails; make it and its schedule small.

    Prints the failing execution, its token and the program, each of which replay takes. Exit code: 1 when a
    failure was found, 2 when there was none within the bounds, which proves nothing. A target that knows how
    a bug is hunted sets the defaults. The same command finds the same failure.

    \b
    Examples:
      schedule-explorer hunt boundary_store --threads 2 --calls 2 --budget 10000
      schedule-explorer hunt original_store --bug 12
      schedule-explorer hunt original_store --bug 'in-hand orphan' --strategy pos --seed 3
      schedule-explorer hunt --from .schedule_explorer/stress/original_store_before_fix-0-17.json
    """
    only = None
    options = _options(ids, keys, bug)
    if failure_file is not None:
        if target is not None or options or programs is not None:
            raise click.UsageError("--from brings the target, its options and the program: give it alone")
        try:
            failure = failures.read(failure_file)
        except failures.FailureFileError as error:
            raise click.UsageError(str(error)) from None
        target, options, only = failure.target, dict(failure.options), failure.program
        made = _target(target, options)
        where, spared = Hunt(wanted=failure.symptoms, executions=FROM_EXECUTIONS), None
    elif target is None:
        raise click.UsageError("Missing argument 'TARGET': name a target, or give --from FILE")
    else:
        made = _target(target, options)
        where, spared = (made.where, made.spared) if isinstance(made, Huntable) else (Hunt(), None)
    changes = {name: value for name, value in given.items() if value is not None}
    if programs is not None:
        changes["enumerated"], changes["drawn"] = programs, min(where.drawn, programs)
    where = replace(where, **changes)
    with quiet():
        found = hunt(made, where, spared, only)
        story = found.explain(made) if found is not None else ""
    verdict = Verdict.UNFINISHED if found is None else Verdict.FAILED
    result: dict[str, Any] = {
        "verdict": verdict.value, "target": target, "bug": bug, "options": options,
    }  # fmt: skip
    if found is None:
        click.echo("no failure was found within the bounds, which proves nothing")
        _write(json_file, result)
        write_campaigns(html_file, [result])
        return UNFINISHED
    click.echo(f"found after {found.executions} executions of {found.programs} programs, then made smaller\n")
    click.echo(story)
    click.echo(text(found.program))
    result |= {
        "program": text(found.program), "schedule": found.schedule,
        "symptoms": sorted(found.symptoms), "switches": found.switches, "first": text(found.first),
        "programs": found.programs, "executions": found.executions, "explanation": story,
    }  # fmt: skip
    _write(json_file, result)
    write_campaigns(html_file, [result])
    return FAILED


def output(*, stderr: bool = False) -> Console:
    """Return a console for a terminal, or for plain lines of a fixed width elsewhere. Heeds NO_COLOR."""
    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=PLAIN_WIDTH)


def _options(
    ids: tuple[Argument, ...] | None, keys: tuple[Argument, ...] | None, bug: str | None = None
) -> dict[str, Any]:
    given = (("ids", ids), ("keys", keys), ("bug", bug))
    return {name: value for name, value in given if value is not None}


def _given(program: str | None, options: dict[str, Any]) -> list[str]:
    """Return the options of a program on a target, as the command line takes them."""
    written = [] if program is None else ["--program", program]
    for name, value in options.items():
        written += [f"--{name}", value if isinstance(value, str) else ",".join(map(str, value))]
    return written


def _target(name: str, options: dict[str, Any]) -> Any:
    try:
        return find(name, **options)
    except (UnknownTargetError, ValueError) as error:
        raise click.UsageError(str(error)) from None


def _body(name: str, program: str | None, options: dict[str, Any]) -> Callable[[], object]:
    """Return the body of that name, or the program on the target of that name."""
    if program is not None:
        try:
            return client_body(_target(name, options), parse(program))
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
    _write(json_file, {
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


def _write(file: Path | None, value: dict[str, Any]) -> None:
    """Write JSON; the file is whole or is not there."""
    if file is None:
        return
    part = file.with_name(f"{file.name}.part")
    try:
        part.write_text(json.dumps(value, indent=2) + "\n")
        os.replace(part, file)
    except OSError as error:
        raise click.UsageError(f"{file} cannot be written: {error}") from None


app.add_command(report_command)

if __name__ == "__main__":
    sys.exit(main())
