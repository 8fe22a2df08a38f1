"""Other explorers of Python threads on the same small programs, each in processes of its own."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench import programs
from bench.measure import ROOT, NotMeasuredError, Options, Table, child, progress, ratio
from schedule_explorer import explore

#: an environment with the other tools, for one of them needs a later Python; `make bench` makes it
PEERS_BIN = ROOT / "bench" / ".venv-peers" / "bin"
OURS = "this explorer"


@dataclass(frozen=True)
class Program:
    """A program, and what is known of it.

    Attributes:
        key: its name in the modules of `bench.peers`.
        violated: whether an execution exists that breaks what it asserts.
    """

    key: str
    title: str
    body: Callable[..., None]
    violated: bool


PROGRAMS = [
    Program("increments", "2 threads x 3 increments", partial(programs.increments, 3), True),
    Program("appends", "3 threads x 1 locked append", programs.appends, False),
    Program("dining", "3 philosophers, ordered", programs.dining, False),
    Program("in-hand", "writer with a file in hand", programs.in_hand, True),
    Program("queue-fed", "writer fed by a queue", programs.queue_fed, True),
]


@dataclass
class Tool:
    """How a tool is called, and what is asked of the ratios to it (None: nothing).

    Attributes:
        patience: its share of the time limit; a search without reduction would use all of it every time.
    """

    name: str
    module: str
    package: str
    wrapper: list[str] = field(default_factory=list)
    patience: float = 1.0
    time_at_most: float | None = None
    rate_at_least: float | None = None

    def run(self, program: Program, mode: str, limit: float) -> dict[str, Any]:
        """Explore in a process of its own.

        Raises:
            NotMeasuredError: the process failed, or did not end by itself long after `limit`.
        """
        progress(f"{program.key}: {self.name}, {mode}")
        limit *= self.patience
        command = [*self.wrapper, str(PEERS_BIN / "python"), "-m", f"bench.peers.{self.module}",
                   program.key, mode, str(limit)]
        return child(command, 2 * limit + 30)


TOOLS = [
    Tool(OURS, "ours", "schedule_explorer"),
    Tool("frontrun", "frontrun_tool", "frontrun", [str(PEERS_BIN / "frontrun")],
         time_at_most=1 / 50, rate_at_least=15.0),
    Tool("interleave-test", "interleave_tool", "interleave_test", patience=0.2),
]


def run(options: Options) -> list[Table]:
    """Return a table for the other tools that are installed; those that are not are named."""
    table = Table(
        "Other tools, on the same Python",
        ["program", "traces", "tool", "executions", "exhausted", "seconds", "in 1 s", "verdict", "right"],
    )
    if not (PEERS_BIN / "python").exists():
        raise NotMeasuredError("the other tools need Python 3.12, and there is no environment with one")
    tools = []
    for tool in TOOLS:
        try:
            child([str(PEERS_BIN / "python"), "-c", f"import {tool.package}; print('{{}}')"], 60)
            tools.append(tool)
        except NotMeasuredError as error:
            table.problems.append(f"{tool.name}: {error}")
    if not tools or tools[0].name != OURS:
        return [table]
    version = ""
    for program in PROGRAMS:
        try:
            version = _program(table, program, tools, options)
        except NotMeasuredError as error:
            table.problems.append(f"{program.title}: {error}")
    table.notes += [
        f"Python {version}; seconds: median of processes taken in turn, of explorations after the first one "
        "in each; one that takes more than 2 s is taken once a process, one that is not exhausted once",
        "traces: counted by sleep sets in this run. Steps differ: frontrun and interleave-test switch "
        "between bytecodes, this explorer at operations, with the counter as SharedVariable",
        "exhausted: without any bound on preemptions, not stopping at failures; verdict: of what the program "
        "asserts, stopping at the first failure, interleave-test with its own bound of 2",
    ]
    return [table]


def _program(table: Table, program: Program, tools: Sequence[Tool], options: Options) -> str:
    """Add the lines and ratios of one program; return the version of Python."""
    limit = 20.0 if options.quick else options.peer_timeout
    traces = explore(partial(program.body, check=False), "sleep-set-dfs").executions
    exhausting: dict[str, list[dict[str, Any]]] = {tool.name: [] for tool in tools}
    broken: set[str] = set()
    for _ in range(min(options.repetitions, 3)):
        for tool in tools:
            taken = exhausting[tool.name]
            if tool.name in broken or (taken and not taken[0]["exhausted"]):
                continue
            try:
                taken.append(tool.run(program, "exhaust", limit))
            except NotMeasuredError as error:
                broken.add(tool.name)
                table.problems.append(f"{program.title}, {tool.name}: {error}")
    ours = exhausting[OURS]
    if not ours:
        raise NotMeasuredError("without a time of this explorer nothing can be compared")
    for tool in tools:
        if exhausting[tool.name]:
            right = _judge(table, program, tool, exhausting[tool.name], traces, limit)
            if tool.name != OURS:
                _compare(table, program, tool, ours, exhausting[tool.name], right)
    executions = [float(taken["executions"]) for taken in ours]
    table.ratios.append(
        ratio(f"{program.key}: executions / traces", executions, [float(traces)] * len(ours), at_most=1.0)
    )
    return str(ours[0]["python"])


def _judge(
    table: Table, program: Program, tool: Tool, taken: Sequence[dict[str, Any]], traces: int, limit: float
) -> bool:
    """Let a tool check what the program asserts, add its line, and say whether it was right."""
    first = taken[0]
    times = statistics.median(one["seconds"] for one in taken)
    try:
        found = tool.run(program, "find", limit)
        verdict = str(found["verdict"])
        if found["verdict"] == "inconclusive":
            table.notes.append(f"{program.title}, {tool.name}: {found['reason'][:90]}")
        elif found["verdict"] == "failed":
            verdict += f" after {found['executions']}"
    except NotMeasuredError as error:
        table.problems.append(f"{program.title}, {tool.name}: {error}")
        verdict = "not measured"
    right = verdict.startswith("failed" if program.violated else "holds")
    said = "yes" if right else "open" if verdict in ("inconclusive", "not measured") else "WRONG"
    table.lines.append([
        program.title, str(traces), tool.name, f"{first['executions']:,}",
        "yes" if first["exhausted"] else f"no, in {first['seconds']:.0f} s", f"{times:.4f}",
        f"{first['executions'] / times:,.0f}", verdict, said,
    ])
    return right


def _compare(
    table: Table,
    program: Program,
    tool: Tool,
    ours: Sequence[dict[str, Any]],
    theirs: Sequence[dict[str, Any]],
    right: bool,
) -> None:
    """Add the ratios of ours to theirs, turn by turn."""
    turns = list(zip(ours, theirs, strict=False))
    exhausted = all(one["exhausted"] for one in theirs)
    # A tool that missed the violation, or could not run the program, has done something else in its time.
    if not right and exhausted:
        table.notes.append(f"{program.title}: {tool.name} is wrong, so nothing is asked of the ratios to it")
    asked = right or not exhausted
    if exhausted or theirs[0]["verdict"] == "holds" or "not exhausted" in theirs[0]["reason"]:
        table.ratios.append(ratio(
            f"{program.key}: time to exhaust, ours / {tool.name}",
            [one["seconds"] for one, _ in turns], [other["seconds"] for _, other in turns],
            at_most=tool.time_at_most if asked else None, bound="" if exhausted else "<",
        ))
        table.ratios.append(ratio(
            f"{program.key}: executions/s, ours / {tool.name}",
            [one["executions"] / one["seconds"] for one, _ in turns],
            [other["executions"] / other["seconds"] for _, other in turns],
            at_least=tool.rate_at_least if asked else None,
        ))
    else:
        table.problems.append(
            f"{program.title}: time of {tool.name} to exhaust it: {theirs[0]['reason'][:160]}"
        )
