"""The commands that look for a failing program: ``stress`` on real threads, ``hunt`` with the explorer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from schedule_explorer.campaigns.hunt import Hunt, Huntable, hunt
from schedule_explorer.campaigns.stress import Programs, Stress, StressProgress, amplifiers, failures, stress
from schedule_explorer.campaigns.work import quiet
from schedule_explorer.cli_options import (
    FAILED,
    JOURNALS,
    POSITIVE,
    SECONDS,
    UNFINISHED,
    bug_option,
    ids_option,
    json_option,
    keys_option,
    options_of,
    output,
    target_of,
    write_json,
)
from schedule_explorer.cli_pages import html_option, write_campaigns
from schedule_explorer.programs import parse, text
from schedule_explorer.programs.calls import Argument
from schedule_explorer.results import Verdict
from schedule_explorer.strategies.named import STRATEGIES

#: executions of the one program that a stress loop saw fail, unless told
FROM_EXECUTIONS = 3000


@click.command("stress")
@click.argument("target")
@click.option("--program", help="Run this program only, such as 'save(x, 0) | load(x, 0)'.")
@click.option("--threads", type=POSITIVE, default=2, show_default=True, help="Client threads at most.")
@click.option("--calls", type=POSITIVE, default=2, show_default=True, help="Calls of one thread at most.")
@click.option("--total", type=POSITIVE, help="Calls of all threads together at most.")
@click.option("--runs", type=POSITIVE, help="Runs. Default: 10000, unless another bound is given.")
@click.option("--time-limit", type=SECONDS, help="Seconds.")
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
@click.option("--hang", type=SECONDS, default=30.0, show_default=True, help="Seconds until a run hangs.")
@click.option("--arrays", is_flag=True, help="Real MLX arrays, if the target has the choice.")
@click.option(
    "--failures", "files", type=click.Path(file_okay=False, path_type=Path), default=JOURNALS / "stress",
    show_default=True, help="Where files about failures are written.",
)  # fmt: skip
@ids_option
@keys_option
@bug_option
@json_option
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
        options = options_of(ids, keys, bug) | amplifiers.options(names)
        if arrays:
            options["arrays"] = True
        figures = stress(
            target_of(target, options),
            Programs(None if program is None else parse(program), threads, calls, total),
            Stress(
                runs if bounded else 10_000, time_limit, until_failure, names, seed, directory, hang, files
            ),
            name=target, options=options, progress=StressProgress(output(stderr=True)),
        )  # fmt: skip
    except (ValueError, OSError) as error:
        raise click.UsageError(str(error)) from None
    click.echo(figures.told())
    write_json(json_file, figures.as_json())
    return FAILED if figures.failures else UNFINISHED


@click.command("hunt")
@click.argument("target", required=False)
@click.option(
    "--from", "failure_file", type=click.Path(path_type=Path), metavar="FILE",
    help="Look for the failure that a stress loop wrote this file about, in its program.",
)  # fmt: skip
@bug_option
@click.option("--threads", type=POSITIVE, help="Client threads at most. Default: 2.")
@click.option("--calls", type=POSITIVE, help="Calls of one thread at most. Default: 3.")
@click.option("--programs", type=POSITIVE, help="Programs that are tried at most. Default: 1000.")
@click.option("--executions", type=POSITIVE, help="Executions of each program. Default: 30.")
@click.option("--budget", type=POSITIVE, help="Executions of all programs together. Default: no bound.")
@click.option(
    "--strategy", type=click.Choice(list(STRATEGIES)),
    help="Default: random, then pct, then optimal-dpor, a third of the executions each.",
)  # fmt: skip
@click.option("--seed", type=int, help="For strategies that draw. Default: 0.")
@click.option("--timeouts", type=click.Choice(["any", "quiet"]), help="As for explore. Default: any.")
@ids_option
@keys_option
@json_option
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
    options = options_of(ids, keys, bug)
    if failure_file is not None:
        if target is not None or options or programs is not None:
            raise click.UsageError("--from brings the target, its options and the program: give it alone")
        try:
            failure = failures.read(failure_file)
        except failures.FailureFileError as error:
            raise click.UsageError(str(error)) from None
        target, options, only = failure.target, dict(failure.options), failure.program
        made = target_of(target, options)
        where, spared = Hunt(wanted=failure.symptoms, executions=FROM_EXECUTIONS), None
    elif target is None:
        raise click.UsageError("Missing argument 'TARGET': name a target, or give --from FILE")
    else:
        made = target_of(target, options)
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
        write_json(json_file, result)
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
    write_json(json_file, result)
    write_campaigns(html_file, [result])
    return FAILED
