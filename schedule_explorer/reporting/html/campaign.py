"""The page of campaigns: what `verify` and `hunt` wrote as JSON, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from schedule_explorer.reporting.html.pages import page, printable

#: figures of a row that are parts of its programs, in the order in which they are drawn
_PARTS = ("proved", "failed", "unfinished", "not_run")
_VERDICTS = frozenset(("proved", "failed", "unfinished"))
_OPTIONS = ("ids", "keys", "threads", "calls", "total")


class NotACampaignError(ValueError):
    """A file is not what ``verify --json`` or ``hunt --json`` writes."""


def campaign_page(results: Sequence[Mapping[str, Any]], names: Sequence[str] = ()) -> str:
    """Make the page.

    Arguments:
        results: each as JSON holds it.
        names: what to call each in an error, such as its file; missing ones are numbered.

    Raises:
        NotACampaignError: one of them is something else.
    """
    return page("campaign", {}, "", **campaign_data(results, names))


def campaign_data(results: Sequence[Mapping[str, Any]], names: Sequence[str] = ()) -> dict[str, Any]:
    """Gather what the page shows; the same arguments give the same data.

    Returns:
        ``campaigns``: a verdict each; ``coverage``: programs by size; ``bugs``: how long it took to the first
        failure; ``failures`` and ``unfinished``: the programs.
    """
    data: dict[str, Any] = {"campaigns": [], "coverage": [], "bugs": [], "failures": [], "unfinished": []}
    for number, result in enumerate(results):
        named = names[number] if number < len(names) else f"result {number + 1}"
        try:
            (_hunt if "sizes" not in result else _verification)(data, result)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise NotACampaignError(
                f"{named} is not what `verify --json` or `hunt --json` writes "
                f"({type(error).__name__}: {error})"
            ) from None
    longest = max((bug["executions"] for bug in data["bugs"]), default=0)
    for bug in data["bugs"]:
        bug["share"] = 100 * bug["executions"] / longest if longest else 0.0
    return data


def _verification(data: dict[str, Any], result: Mapping[str, Any]) -> None:
    title = _title(result)
    total = _row("all", result)
    seconds = result.get("timing", {}).get("seconds")
    data["campaigns"].append({
        "title": title, "kind": "verify", "bounds": _bounds(result), "verdict": _verdict(result["verdict"]),
        "reason": _text(result["reason"]), "programs": total["programs"] - total["not_run"],
        "of": total["programs"], "executions": total["executions"],
        "seconds": None if seconds is None else float(seconds),
    })  # fmt: skip
    rows = [_row("+".join(str(int(calls)) for calls in row["calls"]), row) for row in result["sizes"]]
    data["coverage"].append({"title": title, "bounds": _bounds(result), "rows": rows, "total": total})
    first = result.get("to_first_failure")
    if first:
        data["bugs"].append({
            "title": title, "kind": "verify", "programs": int(first["programs"]),
            "executions": int(first["executions"]), "program": _text(first["program"]),
        })  # fmt: skip
    for name, key in (("failures", "failures"), ("unfinished", "unfinished_programs")):
        data[name] += [{
            "title": title, "program": _text(each["program"]), "reason": _text(each.get("reason", "")),
            "executions": int(each.get("executions", 0)), "schedule": _text(each.get("schedule", "")),
            "story": _text(each.get("explanation", "")), "target": _text(result["target"]),
        } for each in result[key]]  # fmt: skip


def _hunt(data: dict[str, Any], result: Mapping[str, Any]) -> None:
    title, bug = _title(result), result["bug"]
    symptoms = ", ".join(map(_text, result.get("symptoms", ())))
    if bug is not None:
        title = f"{title}, bug {_text(bug)}"
    verdict = _verdict(result["verdict"])
    found = verdict == "failed"
    data["campaigns"].append({
        "title": title, "kind": "hunt", "bounds": "", "verdict": verdict,
        "reason": f"found: {symptoms}" if found else "no failure within the bounds, which proves nothing",
        "programs": int(result["programs"]) if found else None, "of": None,
        "executions": int(result["executions"]) if found else None, "seconds": None,
    })  # fmt: skip
    if not found:
        return
    data["bugs"].append({
        "title": title, "kind": "hunt", "programs": int(result["programs"]),
        "executions": int(result["executions"]), "program": _text(result["program"]),
    })  # fmt: skip
    data["failures"].append({
        "title": title, "program": _text(result["program"]), "reason": symptoms,
        "executions": int(result["executions"]), "schedule": _text(result["schedule"]),
        "story": _text(result["explanation"]), "target": _text(result["target"]),
    })  # fmt: skip


def _row(name: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of a row, with each part of its programs as a share in percent."""
    figures = {key: int(row[key]) for key in ("programs", *_PARTS, "executions", "blocked", "histories")}
    parts, at = [], 0.0
    for key in _PARTS:
        share = 100 * figures[key] / figures["programs"] if figures["programs"] else 0.0
        parts.append({"kind": key, "count": figures[key], "at": round(at, 3), "share": round(share, 3)})
        at += share
    return {"name": name, **figures, "parts": parts}


def _title(result: Mapping[str, Any]) -> str:
    return _text(result["target"])


def _bounds(result: Mapping[str, Any]) -> str:
    """Write the bounds of the programs, such as ``threads 2, calls 1, keys 0 1``."""
    given = [(name, result[name]) for name in _OPTIONS if result.get(name) is not None]
    return ", ".join(
        f"{name} {' '.join(map(_text, value)) if isinstance(value, list) else _text(value)}"
        for name, value in given
    )


def _verdict(verdict: Any) -> str:
    if verdict not in _VERDICTS:
        raise ValueError(f"{verdict!r} is no verdict")
    return str(verdict)


def _text(value: Any) -> str:
    return printable(str(value))
