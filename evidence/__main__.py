"""Make pages of evidence: ``python -m evidence [SECTION ...] [--quick]``; all sections when none is named."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from evidence import explorer, mutants, real_threads, repeating, speed, verification, zoo
from evidence.page import REPORTS, Page, write
from evidence.stamp import stamp

#: section -> (what its page shows, how it is made by the options)
SECTIONS: dict[str, tuple[str, Callable[[argparse.Namespace], Page]]] = {
    "explorer": (
        "known counts, random programs, pairs of file calls (up to an hour)",
        lambda given: explorer.run(2 if given.quick else given.examples, quick=given.quick),
    ),
    "verification": (
        "the production store under all programs of some scopes (hours; it can be interrupted)",
        lambda given: verification.run(quick=given.quick),
    ),
    "zoo": (
        "each bug of the original design, and the executions that strategies need (half an hour)",
        lambda given: zoo.run([1, 12], seeds=1, limit=50) if given.quick else zoo.run(),
    ),
    "mutants": (
        "changes of the production store's protocol (about half an hour)",
        lambda given: mutants.run(given.seconds, most=2 if given.quick else None),
    ),
    "soak": (
        "several stores and processes, kills and a full disk (an hour, or --minutes)",
        lambda given: real_threads.soak(0.2 if given.quick else given.minutes, beside=given.beside),
    ),
    "repeating": (
        "executions to a bug against runs on real threads (10 minutes)",
        lambda given: (
            repeating.run([1, 24], seconds=0.5, seeds=2, limit=50) if given.quick else repeating.run()
        ),
    ),
    "stress": (
        "client programs on real threads: how many runs fail (5 minutes)",
        lambda given: real_threads.stress(0.5 if given.quick else 20.0),
    ),
    "many": (
        "a hundred thousand runs of the production store on real threads (ten minutes)",
        lambda given: real_threads.many(40 if given.quick else real_threads.RUNS),
    ),
    "bench": (
        "ratios to raw limits, plain threads and other explorers; memory over a million executions",
        lambda given: speed.run(quick=given.quick),
    ),
}
#: they count executions, whatever time passes: the soak runs beside them
COUNTING = ("explorer", "verification", "zoo", "mutants")


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the pages; return 1 when one is not as it should be, or could not be made: the others are."""
    parser = argparse.ArgumentParser(
        prog="python -m evidence", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="sections:\n" + "\n".join(f"  {name:14}{what}" for name, (what, _) in SECTIONS.items()),
    )  # fmt: skip
    parser.add_argument("sections", nargs="*", metavar="SECTION", help="else all")
    parser.add_argument("--quick", action="store_true", help="small sizes: see that every section runs")
    parser.add_argument("--examples", type=int, default=explorer.EXAMPLES, metavar="N",
                        help="explorer: random programs for each family (%(default)s)")
    parser.add_argument("--minutes", type=float, default=60.0, metavar="M", help="soak: it takes (60)")
    parser.add_argument("--seconds", type=float, default=mutants.SECONDS, metavar="S",
                        help="mutants: for one of them (%(default)g)")
    given = parser.parse_args(arguments)
    for name in given.sections:
        if name not in SECTIONS:
            parser.error(f"there is no section {name!r}: take some of {', '.join(SECTIONS)}")
    chosen = given.sections or list(SECTIONS)
    given.beside = any(name in COUNTING for name in chosen)
    bad = []
    with ThreadPoolExecutor() as pool:
        # Sections that measure time begin after the soak's end: it stands before them.
        soak = pool.submit(_made, "soak", given) if "soak" in chosen and given.beside else None
        for name in sorted(chosen, key=list(SECTIONS).index):
            if not (soak.result() if soak is not None and name == "soak" else _made(name, given)):
                bad.append(name)
    if bad:
        print(f"not as it should be: {', '.join(bad)}", file=sys.stderr)
    return 1 if bad else 0


def _made(name: str, given: argparse.Namespace) -> bool:
    """Make a page, and return whether it is as it should be."""
    print(f"evidence: {name}", file=sys.stderr, flush=True)
    stamped, started = stamp(_command(name, given)), time.perf_counter()
    try:
        page = SECTIONS[name][1](given)
    except Exception:  # the pages after it are hours of work
        traceback.print_exc()
        return False
    for path in write(page, stamped):
        print(f"{path.relative_to(REPORTS.parent)}  ({time.perf_counter() - started:.0f} s)", flush=True)
    return page.good


def _command(name: str, given: argparse.Namespace) -> str:
    options = " --quick" if given.quick else ""
    if name == "explorer" and given.examples != explorer.EXAMPLES:
        options += f" --examples {given.examples}"
    if name == "mutants" and given.seconds != mutants.SECONDS:
        options += f" --seconds {given.seconds:g}"
    if name == "soak" and given.minutes != 60:
        options += f" --minutes {given.minutes:g}"
    return f"python -m evidence {name}{options}"


if __name__ == "__main__":
    sys.exit(main())
