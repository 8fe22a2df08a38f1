"""Stress loops: the client programs and oracles of the verification on real threads and real files.

    programs in a random order ──> run_once() under amplifiers ──> Figures: how often, with an interval
                                        └── a failure ──> a file that `schedule-explorer hunt --from` takes

A loop proves nothing: it measures how often the scheduler of this machine meets a bug.

The JSON of a loop (`Figures.as_json`): ``target``, ``options`` and ``scope`` say what was run, ``possible``
and ``programs`` how many programs there are in the scope and were run; ``amplifiers``, ``seed``; ``runs``,
``failures``, ``rate``, ``low`` and ``high`` (95 %: Wilson, the rule of three for no failure); ``symptoms``
(by name, in how many runs); ``files`` about failures; ``ended`` (``runs``, ``time``, ``failure``, ``hang``
or ``interrupted``); ``first``, the story of the first failure; ``timing`` with ``seconds`` and
``per_second``. Fields may be added, and these stay.
"""

from schedule_explorer.campaigns.stress.amplifiers import AMPLIFIERS
from schedule_explorer.campaigns.stress.figures import Figures
from schedule_explorer.campaigns.stress.loop import Stress, stress
from schedule_explorer.campaigns.stress.progress import StressProgress
from schedule_explorer.campaigns.stress.runs import NotForRealThreadsError, Run, Symptom, run_once
from schedule_explorer.campaigns.stress.scope import Programs
from schedule_explorer.campaigns.stress.statistics import interval

__all__ = [
    "AMPLIFIERS",
    "Figures",
    "NotForRealThreadsError",
    "Programs",
    "Run",
    "Stress",
    "StressProgress",
    "Symptom",
    "interval",
    "run_once",
    "stress",
]
