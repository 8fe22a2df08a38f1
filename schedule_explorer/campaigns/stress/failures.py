"""The file about one failed run: what the explorer needs to look for the same bug, and what a reader wants.

    {"stress_failure": 1, "target": "boundary_store", "options": {}, "program": "save(x, 0) | has(x, 0)",
     "symptoms": ["NotLinearizableError"], "told": ["..."], "seed": 0, "run": 17, "amplifiers": ["switch"],
     "history": [{"thread": 0, "call": "save(x, 0)", "value": 1, "began": 0, "returned": 3, "result": "True"},
                 ...],
     "python": "3.11.7", "platform": "linux"}

``began`` and ``returned`` are readings of one counter; ``returned`` is null for a call that did not return.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schedule_explorer.campaigns.stress.runs import Run
from schedule_explorer.programs.calls import Program, parse, text

VERSION = 1


class FailureFileError(ValueError):
    """The file is not one about a failed run, or cannot be read."""


@dataclass(frozen=True)
class FailureFile:
    """What of it the explorer needs.

    Attributes:
        target: name of the target.
        options: what it is made with.
        program: what was run.
        symptoms: what went wrong; see `schedule_explorer.campaigns.hunt.symptoms`.
    """

    target: str
    options: Mapping[str, Any]
    program: Program
    symptoms: frozenset[str]


def write(
    directory: Path, run: Run, program: Program, number: int, *, target: str, options: Mapping[str, Any],
    seed: int, amplifiers: tuple[str, ...],
) -> Path:  # fmt: skip
    """Write the file about a run; it is whole or is not there.

    Arguments:
        directory: made if it is not there.
        number: of the run, in its loop.

    Returns:
        Its path. A file of a loop with the same target, seed and run is replaced.

    Raises:
        OSError: it cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{target}-{seed}-{number}.json"
    about = {
        "stress_failure": VERSION, "target": target, "options": dict(options), "program": text(program),
        "symptoms": sorted({symptom.name for symptom in run.symptoms}),
        "told": [symptom.told for symptom in run.symptoms], "seed": seed, "run": number,
        "amplifiers": list(amplifiers),
        "history": [
            {
                "thread": call.thread, "call": str(call.call), "value": call.value, "began": call.began,
                "returned": call.returned, "result": None if call.returned is None else repr(call.result),
            }
            for call in run.history
        ],
        "python": platform.python_version(), "platform": sys.platform,
    }  # fmt: skip
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(about, indent=2) + "\n")
    os.replace(part, path)
    return path


def read(path: Path) -> FailureFile:
    """Read such a file.

    Raises:
        FailureFileError: see there; the text says what is wrong.
    """
    try:
        found: Any = json.loads(path.read_text())
        if not isinstance(found, dict) or "stress_failure" not in found:
            raise FailureFileError(f"{path} is not about a failed run: give a file that `stress` wrote")
        if found["stress_failure"] != VERSION:
            raise FailureFileError(
                f"{path} has version {found['stress_failure']!r}, and this release reads {VERSION}"
            )
        options = {
            str(name): tuple(value) if isinstance(value, list) else value
            for name, value in found["options"].items()
        }
        symptoms = frozenset(str(name) for name in found["symptoms"])
        return FailureFile(str(found["target"]), options, parse(found["program"]), symptoms)
    except FailureFileError:
        raise
    except OSError as error:
        raise FailureFileError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FailureFileError(f"{path} is damaged: {type(error).__name__}: {error}") from None
