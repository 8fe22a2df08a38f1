"""What README states of the pages of evidence: a line a page, made from the figures that the page has."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evidence.page import REPORTS

Figures = dict[str, Any]


def summary(reports: Path = REPORTS) -> str:
    """Return Markdown: a line for every page there is, in the order in which `make reports` makes them.

    Arguments:
        reports: the directory of the pages.
    """
    found = {name: reports / f"{name}.json" for name in LINES}
    return "".join(
        f"* {LINES[name](json.loads(path.read_text(encoding='utf-8')))}\n"
        for name, path in found.items()
        if path.exists()
    )


def _explorer(found: Figures) -> str:
    random = Counter[str]()
    for counted in found["families"].values():
        random.update(counted)
    pairs = sum(line["pairs"] for line in found["filesystem_pairs"])
    wrong = sum(line["wrong"] for line in found["filesystem_pairs"])
    return (
        f"[The explorer, proved](reports/explorer.md): {random['explored']:,} random programs, "
        f"{random['enumerated']:,} of them held to plain enumeration; {len(found['counts'])} known counts of "
        f"traces; {pairs:,} pairs of file calls in both orders, {wrong} wrongly called independent; "
        f"{_failed(found['failed'])}."
    )


def _failed(tests: list[str]) -> str:
    if not tests:
        return "no test failed"
    return f"{len(tests)} test{'s' if len(tests) > 1 else ''} failed, named there"


def _verification(found: Figures) -> str:
    # Scopes overlap, so their programs are not added up.
    whole = [campaign for campaign in found["campaigns"] if campaign["verdict"] == "proved"]
    parts = [campaign for campaign in found["campaigns"] if campaign["verdict"] != "proved"]
    told = []
    if whole:
        told.append(
            f"{_listed([campaign['programs'] for campaign in whole])} client programs, all of "
            f"{len(whole)} scope{'s' if len(whole) > 1 else ''}, proved in "
            f"{sum(campaign['executions'] for campaign in whole):,} executions"
        )
    told += [
        f"of the {campaign['programs']:,} of another {campaign['proved']:,} proved, "
        f"{campaign['unfinished']:,} stopped at a bound"
        for campaign in parts
    ]
    failed = sum(campaign["failed"] for campaign in found["campaigns"])
    return f"[The production store, verified](reports/verification.md): {'; '.join(told)}; {failed} failed."


def _listed(numbers: list[int]) -> str:
    texts = [f"{number:,}" for number in numbers]
    return " and ".join(part for part in (", ".join(texts[:-1]), *texts[-1:]) if part)


def _zoo(found: Figures) -> str:
    hunts, limit = found["hunts"], found["limit"]
    met = sum(row["executions"]["optimal-dpor"] is not None for row in found["strategies"])
    return (
        f"[The zoo](reports/zoo.md): {sum(row['found'] for row in hunts)} of {len(hunts)} bugs of the "
        f"original design found from generated programs; {met} met by optimal DPOR within {limit:,} "
        "executions."
    )


def _mutants(found: Figures) -> str:
    caught = sum(row["caught"] for row in found["mutants"])
    left, unexpected = len(found["mutants"]) - caught, len(found["unexpected"])
    others = f"of {left - unexpected} it is said why not, {unexpected} not as expected" if unexpected else (
        "of each other one it is said why not"
    )
    return (
        f"[Mutants](reports/mutants.md): {caught} of {len(found['mutants'])} changes of the production "
        f"store's protocol are caught by verification; {others}."
    )


def _repeating(found: Figures) -> str:
    rows, loops = found["strategies"], found["loops"]
    met = sum(row["executions"]["optimal-dpor"] is not None for row in rows)

    def seen(amplified: bool) -> int:
        return len({
            loop["number"] for loop in loops if bool(loop["amplifiers"]) == amplified and loop["failures"]
        })  # fmt: skip

    return (
        f"[Exploring against repeating](reports/repeating.md): of {len(rows)} bugs optimal DPOR meets {met} "
        f"within {found['limit']:,} executions, a loop on real threads {seen(False)}, an amplified one "
        f"{seen(True)}."
    )


def _stress(found: Figures) -> str:
    before = next(row for row in found["rows"] if row["fails"])
    most = max((row for row in found["rows"] if row["fails"]), key=lambda row: float(row["rate"]))
    others = [row for row in found["rows"] if not row["fails"]]
    production = [row for row in others if row["target"] == "boundary_store"]
    return (
        f"[On real threads](reports/stress.md): the original race fails in {100 * before['rate']:.2g} % of "
        f"runs, {100 * most['rate']:.2g} % amplified; the production store in "
        f"{sum(row['failures'] for row in production)} of {sum(row['runs'] for row in production):,}."
    )


def _many(found: Figures) -> str:
    loops = found["loops"]
    return (
        "[Many runs](reports/many.md) of the production store on real threads: "
        f"{sum(loop['failures'] for loop in loops)} of {sum(loop['runs'] for loop in loops):,} failed."
    )


def _soak(found: Figures) -> str:
    flat = sum(trend["flat"] for trend in found["trends"].values())
    return (
        f"[A soak](reports/soak.md) of {found['seconds'] / 60:.0f} minutes, {found['kills']:,} kills, "
        f"{found['operations']:,} calls: {len(found['errors'])} wrong answers, {len(found['left'])} files "
        f"left; {flat} of {len(found['trends'])} quantities flat."
    )


def _bench(found: Figures) -> str:
    ratios = [ratio for table in found["tables"] for ratio in table["ratios"]]
    aims = [ratio for ratio in ratios if ratio["at_most"] is not None or ratio["at_least"] is not None]
    reached = sum(ratio["reached"] is True for ratio in aims)
    return f"[Speed and memory](reports/bench.md): {reached} of {len(aims)} aims reached, the others named."


#: page -> how its line is made
LINES: dict[str, Callable[[Figures], str]] = {
    "explorer": _explorer, "verification": _verification, "zoo": _zoo, "mutants": _mutants,
    "repeating": _repeating, "stress": _stress, "many": _many,
    "soak": _soak, "bench": _bench,
}  # fmt: skip
