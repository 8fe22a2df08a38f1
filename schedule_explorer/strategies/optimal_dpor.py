"""Optimal dynamic partial order reduction: one execution of every Mazurkiewicz trace.

(Abdulla, Aronis, Jonsson, Sagonas: POPL 2014; Source Sets, JACM 2017.) In the terms of the paper: a
`_Frame` is a prefix E with its sleep set and its wakeup tree, the stack of frames is the current execution.
After each maximal execution every reversible race (e, e') is looked at: v = notdep(e, E)·e', where E is the
whole execution, is inserted into the wakeup tree at pre(e) unless a sleeping operation is a weak initial
of v.

Why E must be whole: let v end at e', and let p sleep and commute with it. The traces that go on from v with
c, which conflicts with p, are then left to the race (p, c) in the branch of p. What is planned there ends at
c in its turn, and may leave out e' and commute with some other sleeping q, whose race is left to the branch
of p again: each points to the other, and the trace is lost. With all of E in v no conflict with p is still
to come. It takes five threads to see it (`crossing` in the tests), and the right order of creation.

Where it departs from the paper: an operation's accesses are known only once it was executed, and e' may do
something else when e is taken away from before it. v then carries an upper bound of what e' may touch, so
that nothing is held to be covered that is not. A branch that turns out to be asleep once it is run is cut off
and counted as blocked; the sleep sets always go by what was executed, so no trace is completed twice.
"""

from __future__ import annotations

from schedule_explorer.runtime import Choice, Event, Trace
from schedule_explorer.strategies.divergence import other_kind, other_options
from schedule_explorer.strategies.footprints import EVERYTHING, NOTHING, Footprint, Footprints, conflict
from schedule_explorer.strategies.happens_before import HappensBefore
from schedule_explorer.strategies.labels import AT_ONCE, Choices, Label, awake_outcomes, label_of, same_branch
from schedule_explorer.strategies.wakeup_tree import Sequence, Step, WakeupNode, insert

#: a sleeping branch: what its operation touched, and the choices within it
Sleep = dict[Label, tuple[Footprint, Choices]]


class _Frame:
    """One thread choice of the current execution: E before it, and what is explored after it.

    `label` is the branch under exploration and `branch` its wakeup subtree; `children` the branches left.
    """

    __slots__ = ("branch", "children", "choices", "footprint", "kind", "label", "options", "sleep")

    def __init__(self, options: list[int], sleep: Sleep, children: list[WakeupNode], kind: str) -> None:
        self.options = options
        self.sleep = sleep
        self.children = children
        self.kind = kind
        self.label: Label = (-1, ())
        self.branch: list[WakeupNode] = []
        self.footprint: Footprint = NOTHING
        self.choices: Choices = ()

    def enter(self, label: Label, branch: list[WakeupNode]) -> None:
        self.label = label
        self.branch = branch
        self.kind = ""


class OptimalDPOR:
    """Explore one execution of every trace.

    Attributes:
        infeasible: branches that could not be run as planned; more than none means that a dependence
            rule is wrong, and that nothing is proved.
    """

    exhaustive = True

    def __init__(self) -> None:
        self.infeasible = 0
        self._frames: list[_Frame] = []
        self._depth = 0
        self._outcomes: tuple[int, ...] = ()
        self._started = False
        self._footprints = Footprints()
        self._hb = HappensBefore()
        self._executed: list[Step] = []

    # -- the next execution --------------------------------------------------------------------------

    def begin(self) -> bool:
        """Backtrack to the deepest frame whose wakeup tree is not empty."""
        self._depth = 0
        if not self._started:
            self._started = True
            return True
        while self._frames:
            frame = self._frames[-1]
            frame.sleep[frame.label] = (frame.footprint, frame.choices)
            if self._enter_child(frame):
                self._hb.truncate(len(self._frames))
                del self._executed[len(self._frames) :]
                return True
            self._frames.pop()
        return False

    def _enter_child(self, frame: _Frame) -> bool:
        """Take the first branch left that is neither asleep nor impossible."""
        while frame.children:
            node = frame.children.pop(0)
            if _asleep(frame.sleep, node.label):
                continue
            if node.label[0] not in frame.options:
                self.infeasible += 1
                continue
            frame.enter(node.label, node.children)
            return True
        return False

    def choose(self, choice: Choice) -> int | None:
        """Follow the frames, then the wakeup tree, then any thread that is awake."""
        if choice.kind != "thread":
            option = self._outcomes[0] if self._outcomes else 0
            self._outcomes = self._outcomes[1:]
            if option >= len(choice.options):
                self.infeasible += 1
                return None
            return option
        depth = self._depth
        if depth < len(self._frames):
            frame = self._frames[depth]
            if frame.options != choice.options:
                raise other_options(depth, frame.options, choice)
        else:
            found = self._new_frame(choice)
            if found is None:
                return None
            frame = found
        tid, self._outcomes = frame.label
        pending = choice.execution.by_tid[tid].pending
        assert pending is not None
        if frame.kind != pending.kind:
            if frame.kind:
                raise other_kind(depth, frame.kind, tid, choice)
            frame.kind = pending.kind
        self._depth = depth + 1
        return tid

    def _new_frame(self, choice: Choice) -> _Frame | None:
        events = choice.execution.trace.events
        sleep: Sleep = {}
        children: list[WakeupNode] = []
        if self._frames:
            parent = self._frames[-1]
            self._note(parent, events[-1])
            last = parent.label[0]
            children = parent.branch
            done = parent.footprint
            for branch, entry in parent.sleep.items():
                if branch[0] != last and not conflict(entry[0], done):
                    sleep[branch] = entry
        frame = _Frame(list(choice.options), sleep, children, "")
        if children:
            if not self._enter_child(frame):
                return None
        else:
            label = self._free(choice, sleep)
            if label is None:
                return None
            frame.enter(label, [])
        self._frames.append(frame)
        return frame

    def _free(self, choice: Choice, sleep: Sleep) -> Label | None:
        """Choose beyond the wakeup tree: the newest thread that is awake, a wait that would run out last.

        The algorithm is right for any thread that is awake. A start or an end comes right after the step
        before it, as it mostly does for real. With the newest thread workers keep up with whoever gives them
        work, and nothing expires early but to reverse a race: such executions look like those of an
        ordinary run, and the races between the last steps, which are reversed first, are those of the work.
        """
        by_tid = choice.execution.by_tid
        first: Label | None = None
        late: Label | None = None
        for tid in reversed(choice.options):
            asleep = [entry[1] for label, entry in sleep.items() if label[0] == tid] if sleep else ()
            outcomes = awake_outcomes(asleep)
            if outcomes is None:
                continue
            pending = by_tid[tid].pending
            if pending is not None and pending.kind in AT_ONCE:
                return tid, outcomes
            if pending is None or pending.ready is None or pending.ready():
                if first is None:
                    first = tid, outcomes
            elif late is None:
                late = tid, outcomes
        return first or late

    def _note(self, frame: _Frame, event: Event) -> None:
        """Keep what the operation of a frame did, once its whole step is over."""
        frame.footprint = self._footprints(event.accesses)
        frame.choices = event.choices
        frame.label = label_of(event)

    # -- what an execution teaches -------------------------------------------------------------------

    def finish(self, trace: Trace) -> None:
        """Look at every reversible race of a maximal execution, and plan its reversal."""
        if self._frames and len(trace.events) > len(self._frames):
            self._note(self._frames[-1], trace.events[len(self._frames)])
        if trace.cut:
            return
        hb, footprints, executed = self._hb, self._footprints, self._executed
        hb.extend(trace)
        events, before = hb.events, hb.before
        count = len(events)
        for event in events[len(executed) :]:
            touched = footprints(event.accesses)
            executed.append(Step(event.index, label_of(event), touched, touched))

        def plan(e: int, new: Step, *, first: bool = False) -> None:
            notdep = [f for f in range(e + 1, count) if not before[f] >> e & 1]
            self._plan(e, Sequence(notdep, executed, before, hb.of_thread, new, first=first))

        for e, late in hb.races:
            # e' may make other choices once e is gone: its outcomes are left open.
            plan(e, self._reordered(trace, late, events[late]))
        for blocked in trace.blocked:
            races = hb.blocked_races(blocked)
            if races:
                touched = footprints(blocked.pending.accesses)
                most = EVERYTHING if trace.nested else touched
                for e in races:
                    plan(e, Step(count, (blocked.tid, ()), most, touched))
        for event in events:
            for place, (arity, taken) in enumerate(event.choices):
                given = tuple(option for _, option in event.choices[:place])
                for option in range(arity):
                    if option != taken:
                        plan(event.index, self._reordered(trace, event.index, event, (*given, option)),
                             first=True)

    def _reordered(self, trace: Trace, bit: int, event: Event, outcomes: tuple[int, ...] = ()) -> Step:
        """Say what is known of an operation that is to run in a new order."""
        most = EVERYTHING
        if event.bound is not None and not trace.nested:
            most = self._footprints(event.bound)
        least = self._footprints(event.bound) if event.exact and event.bound is not None else NOTHING
        return Step(bit, (event.tid, outcomes), most, least)

    def _plan(self, e: int, sequence: Sequence) -> None:
        """Insert v into the wakeup tree at pre(e), unless it is covered."""
        frame = self._frames[e - 1]
        explored = [(frame.label, frame.footprint)]
        explored += [(label, footprint) for label, (footprint, _) in frame.sleep.items()]
        for label, footprint in explored:
            if sequence.place(label, footprint) is not None:
                return
        insert(frame.children, sequence, explored)


def _asleep(sleep: Sleep, label: Label) -> bool:
    return any(tid == label[0] and same_branch(outcomes, label[1]) for tid, outcomes in sleep)
